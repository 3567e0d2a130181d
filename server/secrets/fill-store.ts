import { type Ask, JUDGED, judgedValues, VERDICT, type Verdict } from '../access/store.ts';
import type { Db, Statement } from '../database/database.ts';
import { COLUMNS, type SecretRow, WRITER, writerOf } from './store.ts';

/** A secret as a read finds it, with the caller's own value in place of it, where there is one and it was asked for. */
export interface ReadRow extends SecretRow {
  readonly projectId: string;
  readonly personal: PersonalRow | null;
}

/** A person's own value, sealed. */
export interface PersonalRow {
  readonly id: string;
  readonly ownerId: string;
  readonly version: number;
  readonly keyVersion: number;
  readonly wrappedKey: Buffer;
  readonly sealedValue: Buffer;
  readonly sealedComment: Buffer | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** The personal part of a `ReadRow`, flat as it comes from the database. */
interface FlatPersonal {
  personalId: string | null;
  personalOwnerId: string;
  personalVersion: number;
  personalKeyVersion: number;
  personalWrappedKey: Buffer;
  personalSealedValue: Buffer;
  personalSealedComment: Buffer | null;
  personalCreatedAt: Date;
  personalUpdatedAt: Date;
}

export type FlatRow = SecretRow & FlatPersonal;

/** The columns of a `FlatRow`; see PERSONAL for the joins. */
export const READ_COLUMNS = `
  ${COLUMNS}, s.written_by as "writtenBy", q.id as "personalId", q.owner_id as "personalOwnerId", q.version as "personalVersion",
  q.key_version as "personalKeyVersion", qk.wrapped as "personalWrappedKey", q.sealed_value as "personalSealedValue",
  q.sealed_comment as "personalSealedComment", q.created_at as "personalCreatedAt", q.updated_at as "personalUpdatedAt"`;

/** Joins the values that an owner has in place of secrets `s`; with no owner, none. */
export const personalOf = (owner: string) => `
        left join personal_secrets q on q.owner_id = ${owner}::uuid and q.secret_id = s.id
        left join project_keys qk on qk.project_id = q.project_id and qk.version = q.key_version`;

/** Who wrote the rows `found`. Each is looked up once: most secrets of a folder have one writer. */
export const writersOf = (project: string) => `
  writers as (
    select d.id, d.project_id, wr.*
      from (select distinct "writtenBy" as id, ${project} as project_id from found where "writtenBy" is not null) d${writerOf('d.id', 'd.project_id')}
  )`;

export function toReadRow(projectId: string, row: FlatRow): ReadRow {
  const personal =
    row.personalId === null
      ? null
      : {
          id: row.personalId,
          ownerId: row.personalOwnerId,
          version: row.personalVersion,
          keyVersion: row.personalKeyVersion,
          wrappedKey: row.personalWrappedKey,
          sealedValue: row.personalSealedValue,
          sealedComment: row.personalSealedComment,
          createdAt: row.personalCreatedAt,
          updatedAt: row.personalUpdatedAt,
        };
  return { ...row, projectId, personal };
}

/** What a read asks for. `key`: one secret by its name; absent: all of the folder. */
export interface Wanted {
  readonly event: 'get-secrets' | 'get-secret';
  readonly environment: string;
  readonly path: string;
  readonly recursive: boolean;
  readonly key: string | undefined;
  /** With `key`: the secret must be this one. */
  readonly secretId: string | undefined;
  /** The grants that the read was allowed on; with others, nothing is read. */
  readonly grants: string;
  /** Every row that is found is shown, so its audit may be written without looking at them one by one. */
  readonly showsAll: boolean;
  readonly expand: boolean;
  readonly imports: boolean;
  /** Whose own values are looked for. */
  readonly ownerId: string | undefined;
}

export interface Filled {
  readonly verdict: Verdict;
  /** False when the caller's rights are no longer those that the read was allowed on. */
  readonly stillAllowed: boolean;
  readonly environmentFound: boolean;
  /** Null: there is no such folder. */
  readonly askedFolderId: string | null;
  readonly manifestId: string | null;
  /** The rows are the whole answer, and its audit is written. Otherwise nothing may be shown of them yet. */
  readonly audited: boolean;
  /** Folders in question that import others. */
  readonly importers: readonly string[];
  readonly rows: readonly ReadRow[];
}

type FilledRow = Verdict &
  Partial<FlatRow> & {
    stillAllowed: boolean;
    environmentFound: boolean;
    askedFolderId: string | null;
    manifestId: string | null;
    audited: boolean;
    importers: string[] | null;
  };

/**
 * A read that memory could not answer. It judges the caller again, in the very snapshot that it reads in: someone whose
 * rights were taken away since the check gets nothing. Where the rows are the whole answer (no imports, no references, no
 * right that reaches only some of them), the audit record and the list of shown key names commit with it.
 */
const FILL: Statement = {
  name: 'secrets.fill',
  text: `
    with ${JUDGED},
    place as (
      select j.*, e.id as environment_id, f.id as folder_id
        from judged j
        left join environments e on e.project_id = j."projectId" and e.slug = $10
        left join folders f on f.environment_id = e.id and f.path = $11
       where "tokenKnown" and not "revoked" and not "expired" and "ipTrusted" and j."grants" = $9
    ),
    within as (
      select folder_id as id from place where folder_id is not null
      union all
      select f.id from place p
        join folders f on f.environment_id = p.environment_id and starts_with(f.path, rtrim($11, '/') || '/') and f.id <> p.folder_id
       where $12 and p.folder_id is not null
    ),
    found as (
      select ${READ_COLUMNS}, s.plain_version is not distinct from s.version as plain
        from within w
        join folders f on f.id = w.id
        join secrets s on s.folder_id = f.id
        join project_keys k on k.project_id = s.project_id and k.version = s.key_version${personalOf('$19')}
       where ($13::text is null or s.key = $13) and ($18::uuid is null or s.id = $18)
    ),
    ${writersOf('(select "projectId" from place)')},
    importing as (
      select array_agg(distinct i.folder_id) as importers
        from within w
        join secret_imports i on i.folder_id = w.id
       where $17 and ($13::text is null or not exists (select from found))
    ),
    whole as (
      select $15 and importers is null
             and (not $16 or not exists (select from found where not plain or "personalId" is not null)) as whole
        from importing
    ),
    shown as (
      select array_agg(case when path = $11 then key else path || ':' || key end order by path, key) as keys from found, whole where whole
    ),
    manifest as (
      select encode(substring(sha256(convert_to(p."projectId" || E'\\n' || array_to_string(keys, E'\\n'), 'UTF8')) from 1 for 16), 'hex')::uuid as id,
             keys
        from place p, shown
       where $13::text is null and keys is not null
    ),
    written as (
      insert into audit_manifests (id, keys) select id, keys from manifest on conflict (id) do nothing
    ),
    audited as (
      insert into audit_log (action, event, outcome, actor_kind, actor_id, actor_name, organization_id, project_id, project_slug,
                             environment, secret_path, secret_key, manifest_id, ip, user_agent, request_id)
      select 'read', $14, 'allowed', "actorKind", "actorId", "actorName", "organizationId", "projectId", "projectSlug",
             $10, $11, $13, (select id from manifest), ip, user_agent, request_id
        from place, whole
       where whole and folder_id is not null and ($13::text is null or exists (select from found))
    )
    select ${VERDICT}, false as served, p.n is not null as "stillAllowed", p.environment_id is not null as "environmentFound",
           p.folder_id as "askedFolderId", (select id from manifest) as "manifestId", w.whole as audited, i.importers, s.*, ${WRITER}
      from judged j
     cross join whole w
     cross join importing i
      left join place p on p.n = j.n
      left join found s on true
      left join writers wr on wr.id = s."writtenBy"
     order by s.path, s.key`,
};

export async function fill(db: Db, ask: Ask, wanted: Wanted): Promise<Filled> {
  const rows = await db.query<FilledRow>(FILL, [
    ...judgedValues([ask]),
    wanted.grants,
    wanted.environment,
    wanted.path,
    wanted.recursive,
    wanted.key ?? null,
    wanted.event,
    wanted.showsAll,
    wanted.expand,
    wanted.imports,
    wanted.secretId ?? null,
    wanted.ownerId ?? null,
  ]);
  const first = rows[0]!;
  return {
    verdict: first,
    stillAllowed: first.stillAllowed,
    environmentFound: first.environmentFound,
    askedFolderId: first.askedFolderId,
    manifestId: first.manifestId,
    audited: first.audited,
    importers: first.importers ?? [],
    rows: first.id === null ? [] : (rows as unknown as FlatRow[]).map((row) => toReadRow(first.projectId!, row)),
  };
}
