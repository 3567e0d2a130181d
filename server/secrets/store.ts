import { type Ask, JUDGED, judgedValues, VERDICT, type Verdict } from '../access/store.ts';
import type { Db, Statement } from '../database/database.ts';

/** A secret as it lies in the database: its value sealed, its place beside it. */
export interface SecretRow {
  readonly id: string;
  readonly environmentId: string;
  readonly folderId: string;
  readonly path: string;
  readonly key: string;
  readonly version: number;
  readonly keyVersion: number;
  readonly wrappedKey: Buffer;
  readonly sealedValue: Buffer;
  readonly sealedComment: Buffer | null;
  readonly skipMultilineEncoding: boolean;
  readonly tags: readonly SecretTag[];
  /** The values of the sealed ones are in `sealedMetadata`, in the order of their keys here. */
  readonly metadata: readonly { readonly key: string; readonly value?: string }[];
  readonly sealedMetadata: Buffer | null;
  readonly reminder: Reminder | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** A tag as a secret shows it. */
export interface SecretTag {
  readonly id: string;
  readonly slug: string;
  readonly name: string;
  readonly color: string;
}

/** Who should be reminded to renew a secret, and how often. */
export interface Reminder {
  readonly repeatDays: number | null;
  readonly note: string | null;
  readonly recipients: readonly string[];
}

/** The tags of an array of ids; most secrets have none, and cost no look-up. */
const tagsOf = (ids: string) => `
  case when ${ids} = '{}' then '[]'::json else coalesce((
    select json_agg(json_build_object('id', t.id, 'slug', t.slug, 'name', t.name, 'color', t.color) order by t.slug)
      from tags t where t.id = any (${ids})), '[]') end`;

const COLUMNS = `
  s.id, s.environment_id as "environmentId", s.folder_id as "folderId", f.path, s.key, s.version, s.key_version as "keyVersion",
  k.wrapped as "wrappedKey", s.sealed_value as "sealedValue", s.sealed_comment as "sealedComment",
  s.skip_multiline_encoding as "skipMultilineEncoding", ${tagsOf('s.tag_ids')} as tags, s.metadata,
  s.sealed_metadata as "sealedMetadata", s.reminder, s.created_at as "createdAt", s.updated_at as "updatedAt"`;

/** The columns of COLUMNS by their names, for a query over a query that has them. */
const NAMED = `
  s.id, s."environmentId", s."folderId", s.path, s.key, s.version, s."keyVersion", s."wrappedKey", s."sealedValue",
  s."sealedComment", s."skipMultilineEncoding", s.tags, s.metadata, s."sealedMetadata", s.reminder, s."createdAt", s."updatedAt"`;

/** What a read asks for. `key`: one secret by its name; absent: all of the folder. */
export interface Wanted {
  readonly event: 'get-secrets' | 'get-secret';
  readonly environment: string;
  readonly path: string;
  readonly recursive: boolean;
  readonly key: string | undefined;
  /** The grants that the read was allowed on; with others, nothing is read. */
  readonly grants: string;
}

export interface Filled {
  readonly verdict: Verdict;
  /** False when the caller's rights are no longer those that the read was allowed on. */
  readonly stillAllowed: boolean;
  readonly environmentFound: boolean;
  readonly folderFound: boolean;
  readonly manifestId: string | null;
  readonly rows: readonly SecretRow[];
}

type FilledRow = Verdict &
  Partial<SecretRow> & {
    stillAllowed: boolean;
    environmentFound: boolean;
    folderFound: boolean;
    manifestId: string | null;
  };

/**
 * A read that memory could not answer. It judges the caller again, in the very snapshot that it reads in: someone whose
 * rights were taken away since the check gets nothing. The audit record and the list of shown key names commit with it.
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
    found as (
      select ${COLUMNS}
        from place p
        join folders f on f.environment_id = p.environment_id and p.folder_id is not null
                      and (f.id = p.folder_id or ($12 and starts_with(f.path, rtrim($11, '/') || '/')))
        join secrets s on s.folder_id = f.id
        join project_keys k on k.project_id = s.project_id and k.version = s.key_version
       where $13::text is null or s.key = $13
    ),
    shown as (
      select array_agg(case when path = $11 then key else path || ':' || key end order by path, key) as keys from found
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
        from place
       where folder_id is not null and ($13::text is null or exists (select from found))
    )
    select ${VERDICT}, false as served, p.n is not null as "stillAllowed", p.environment_id is not null as "environmentFound",
           p.folder_id is not null as "folderFound", (select id from manifest) as "manifestId", ${NAMED}
      from judged j
      left join place p on p.n = j.n
      left join found s on true
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
  ]);
  const first = rows[0]!;
  return {
    verdict: first,
    stillAllowed: first.stillAllowed,
    environmentFound: first.environmentFound,
    folderFound: first.folderFound,
    manifestId: first.manifestId,
    rows: first.id === null ? [] : (rows as unknown as SecretRow[]),
  };
}

export interface Place {
  readonly environmentId: string | null;
  readonly folderId: string | null;
  readonly keyVersion: number;
  readonly wrappedKey: Buffer;
}

const FIND_PLACE: Statement = {
  name: 'secrets.find-place',
  text: `
    select e.id as "environmentId", f.id as "folderId", k.version as "keyVersion", k.wrapped as "wrappedKey"
      from (select version, wrapped from project_keys where project_id = $1 order by version desc limit 1) k
      left join environments e on e.project_id = $1 and e.slug = $2
      left join folders f on f.environment_id = e.id and f.path = $3`,
};

/** Where a write goes, and the project's newest key. */
export async function findPlace(db: Db, projectId: string, environment: string, path: string): Promise<Place> {
  const [place] = await db.query<Place>(FIND_PLACE, [projectId, environment, path]);
  return place!;
}

const FIND_SECRETS: Statement = {
  name: 'secrets.find',
  text: `
    select ${COLUMNS}
      from unnest($1::uuid[], $2::text[]) as n (folder_id, key)
      join secrets s on s.folder_id = n.folder_id and s.key = n.key
      join folders f on f.id = s.folder_id
      join project_keys k on k.project_id = s.project_id and k.version = s.key_version`,
};

/** Where one secret is looked for. */
export interface SecretAddress {
  readonly folderId: string;
  readonly key: string;
}

/** Those of the addresses that hold a secret, in any order. */
export async function findSecrets(db: Db, wanted: readonly SecretAddress[]): Promise<SecretRow[]> {
  return db.query<SecretRow>(FIND_SECRETS, [wanted.map(({ folderId }) => folderId), wanted.map(({ key }) => key)]);
}

const FIND_VERSION: Statement = {
  name: 'secrets.find-version',
  text: `
    select v.secret_id as id, v.environment_id as "environmentId", v.folder_id as "folderId", f.path, v.key, v.version,
           v.key_version as "keyVersion", k.wrapped as "wrappedKey", v.sealed_value as "sealedValue",
           v.sealed_comment as "sealedComment", v.skip_multiline_encoding as "skipMultilineEncoding",
           ${tagsOf('v.tag_ids')} as tags, v.metadata, v.sealed_metadata as "sealedMetadata", v.reminder,
           s.created_at as "createdAt", v.created_at as "updatedAt"
      from secrets s
      join folders f on f.id = s.folder_id
      join secret_versions v on v.secret_id = s.id and v.version = $3
      join project_keys k on k.project_id = v.project_id and k.version = v.key_version
     where s.folder_id = $1 and s.key = $2`,
};

/** An earlier version of a secret, as it stood then. */
export async function findVersion(
  db: Db,
  folderId: string,
  key: string,
  version: number,
): Promise<SecretRow | undefined> {
  const [row] = await db.query<SecretRow>(FIND_VERSION, [folderId, key, version]);
  return row;
}
