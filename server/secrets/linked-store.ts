import { createHash } from 'node:crypto';
import type { Db, Statement } from '../database/database.ts';
import { type FlatRow, personalOf, READ_COLUMNS, type ReadRow, toReadRow, writersOf } from './fill-store.ts';
import { WRITER } from './store.ts';

/** A folder that an answer may draw from, as it stands, and whether it is open to the reading project. */
export interface LinkedFolder {
  readonly projectId: string;
  /** The project's change id before anything was read from it. */
  readonly changeId: string;
  readonly environment: string;
  readonly folderId: string;
  readonly path: string;
  /** It belongs to the reading project, or is shared with it. */
  readonly open: boolean;
}

/** One folder imports another. */
export interface Edge extends LinkedFolder {
  readonly importId: string;
  readonly importerId: string;
  readonly importerPath: string;
  readonly position: number;
  readonly environmentId: string;
  readonly environmentName: string;
}

const OPEN = `
  (p.id = $1 or exists (select from folder_shares sh where sh.folder_id = f.id and sh.target_project_id = $1))`;

/** How deep imports of imports, and references of references, are followed. Infisical's bound. */
export const MAX_DEPTH = 10;
/** More imports than this around one folder are a mistake that would make every read of it slow. */
export const MAX_EDGES = 1_000;

const EDGES: Statement = {
  name: 'secrets.import-edges',
  text: `
    with recursive reached (folder_id, depth) as (
      select * from unnest($2::uuid[]) as a (folder_id) cross join (values (0)) as zero
      union
      select i.source_folder_id, r.depth + 1 from reached r
        join secret_imports i on i.folder_id = r.folder_id
       where r.depth < ${MAX_DEPTH}
    )
    select i.id as "importId", i.folder_id as "importerId", g.path as "importerPath", i.position, p.id as "projectId",
           p.change_id as "changeId", e.slug as environment, e.id as "environmentId", e.name as "environmentName",
           f.id as "folderId", f.path, ${OPEN} as open
      from (select distinct folder_id from reached) r
      join secret_imports i on i.folder_id = r.folder_id
      join folders g on g.id = i.folder_id
      join folders f on f.id = i.source_folder_id
      join environments e on e.id = f.environment_id
      join projects p on p.id = f.project_id
     order by i.position
     limit ${MAX_EDGES + 1}`,
};

/** The imports of folders, and of what they import, in order. */
export async function findEdges(db: Db, readingProjectId: string, folderIds: readonly string[]): Promise<Edge[]> {
  return db.query<Edge>(EDGES, [readingProjectId, folderIds]);
}

/** A folder as a reference names it: by its project's id or, in the same organization, its slug. */
export interface FolderName {
  readonly projectId?: string | undefined;
  readonly projectSlug?: string | undefined;
  readonly environment: string;
  readonly path: string;
}

const FOLDERS: Statement = {
  name: 'secrets.linked-folders',
  text: `
    select a.n::int as n, p.id as "projectId", p.change_id as "changeId", e.slug as environment, f.id as "folderId", f.path, ${OPEN} as open
      from unnest($2::int[], $3::uuid[], $4::text[], $5::text[], $6::text[]) as a (n, project_id, slug, environment, path)
      join projects r on r.id = $1
      join projects p on p.id = a.project_id or (a.project_id is null and p.organization_id = r.organization_id and p.slug = a.slug)
      join environments e on e.project_id = p.id and e.slug = a.environment
      join folders f on f.environment_id = e.id and f.path = a.path`,
};

/** The folders of these names; one that is not there is missing from the answer, at its index. */
export async function findFolders(
  db: Db,
  readingProjectId: string,
  names: readonly FolderName[],
): Promise<(LinkedFolder | undefined)[]> {
  const rows = await db.query<LinkedFolder & { n: number }>(FOLDERS, [
    readingProjectId,
    names.map((_, n) => n),
    names.map(({ projectId }) => projectId ?? null),
    names.map(({ projectSlug }) => projectSlug ?? null),
    names.map(({ environment }) => environment),
    names.map(({ path }) => path),
  ]);
  const found = new Map(rows.map((row) => [row.n, row]));
  return names.map((_, n) => found.get(n));
}

const ROWS: Statement = {
  name: 'secrets.linked-rows',
  text: `
    with found as (
      select ${READ_COLUMNS}, s.project_id as "projectId"
        from unnest($1::uuid[], $2::text[]) as a (folder_id, key)
        join folders f on f.id = a.folder_id
        join secrets s on s.folder_id = f.id and (a.key is null or s.key = a.key)
        join project_keys k on k.project_id = s.project_id and k.version = s.key_version${personalOf('$3')}
    ),
    ${writersOf('"projectId"')}
    select s.*, ${WRITER}
      from found s left join writers wr on wr.id = s."writtenBy" and wr.project_id = s."projectId"
     order by s.key`,
};

/** Secrets by folder and key; without a key, all of the folder. With an owner, the own values in their place. */
export async function findRows(
  db: Db,
  wanted: readonly { readonly folderId: string; readonly key?: string | undefined }[],
  ownerId: string | undefined,
): Promise<ReadRow[]> {
  const rows = await db.query<FlatRow & { projectId: string }>(ROWS, [
    wanted.map(({ folderId }) => folderId),
    wanted.map(({ key }) => key ?? null),
    ownerId ?? null,
  ]);
  return rows.map((row) => toReadRow(row.projectId, row));
}

const POLICY: Statement = {
  name: 'secrets.unresolved-references',
  text: 'select unresolved_references as policy from projects where id = $1',
};

/** What a project wants done with a reference that leads nowhere. */
export async function findPolicy(db: Db, projectId: string): Promise<'error' | 'keep'> {
  const row = await db.first<{ policy: 'error' | 'keep' }>(POLICY, [projectId]);
  return row?.policy ?? 'error';
}

/** Where a secret is. */
export interface Address {
  readonly projectId: string;
  readonly environment: string;
  readonly path: string;
  readonly key: string;
}

const ADDRESS: Statement = {
  name: 'secrets.address',
  text: `
    select s.project_id as "projectId", e.slug as environment, f.path, s.key
      from secrets s
      join environments e on e.id = s.environment_id
      join folders f on f.id = s.folder_id
     where s.id = $1`,
};

export async function findAddress(db: Db, secretId: string): Promise<Address | undefined> {
  return db.first<Address>(ADDRESS, [secretId]);
}

const FIRST_ID = '00000000-0000-0000-0000-000000000000';

/** A secret that may refer to others, and where it is. */
export type Referring = ReadRow & { readonly environment: string };

const REFERRING: Statement = {
  name: 'secrets.referring',
  text: `
    select ${READ_COLUMNS}, e.slug as environment
      from secrets s
      join folders f on f.id = s.folder_id
      join environments e on e.id = s.environment_id
      join project_keys k on k.project_id = s.project_id and k.version = s.key_version${personalOf('null')}
     where s.project_id = $1 and s.plain_version is distinct from s.version and s.id > $3
     order by s.id limit $2`,
};

/** The secrets of a project whose values are not known to hold no reference, in the order of their ids, behind one of them. */
export async function findReferring(db: Db, projectId: string, limit: number, behind = FIRST_ID): Promise<Referring[]> {
  const rows = await db.query<FlatRow & { environment: string }>(REFERRING, [projectId, limit, behind]);
  return rows.map((row) => ({ ...toReadRow(projectId, row), environment: row.environment }));
}

const PERSONAL: Statement = {
  name: 'secrets.referring-personal',
  text: `
    select ${READ_COLUMNS}, e.slug as environment
      from personal_secrets q
      join project_keys qk on qk.project_id = q.project_id and qk.version = q.key_version
      join secrets s on s.id = q.secret_id
      join folders f on f.id = s.folder_id
      join environments e on e.id = s.environment_id
      join project_keys k on k.project_id = s.project_id and k.version = s.key_version
     where q.project_id = $1 and q.id > $3
     order by q.id limit $2`,
};

/** People's own values in a project, in the order of their ids, behind one of them. */
export async function findPersonal(db: Db, projectId: string, limit: number, behind = FIRST_ID): Promise<Referring[]> {
  const rows = await db.query<FlatRow & { environment: string }>(PERSONAL, [projectId, limit, behind]);
  return rows.map((row) => ({ ...toReadRow(projectId, row), environment: row.environment }));
}

const KEEP_MANIFESTS: Statement = {
  name: 'secrets.keep-manifests',
  text: `
    insert into audit_manifests (id, keys)
    select (m->>'id')::uuid, array(select jsonb_array_elements_text(m->'keys')) from jsonb_array_elements($1::jsonb) as m
        on conflict (id) do nothing`,
};

/** A list of shown key names, under the id that its content gives it. */
export interface Manifest {
  readonly id: string;
  readonly keys: readonly string[];
}

/** The manifest of key names; the id is the one that `secrets.fill` computes. */
export function manifestOf(projectId: string, keys: readonly string[]): Manifest {
  const hash = createHash('sha256')
    .update([projectId, ...keys].join('\n'))
    .digest('hex')
    .slice(0, 32);
  return { id: hash.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'), keys };
}

export async function keepManifests(db: Db, manifests: readonly Manifest[]): Promise<void> {
  if (manifests.length > 0) await db.query(KEEP_MANIFESTS, [JSON.stringify(manifests)]);
}
