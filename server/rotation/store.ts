import type { Db, Statement } from '../database/database.ts';

export interface WrappedProjectKey {
  readonly projectId: string;
  readonly version: number;
  readonly wrapped: Buffer;
}

const PROJECT_KEYS: Statement = {
  name: 'rotation.project-keys',
  text: `
    select project_id as "projectId", version, wrapped from project_keys
     where (project_id, version) > ($1::uuid, $2::int) order by project_id, version limit $3`,
};

const FIRST = '00000000-0000-0000-0000-000000000000';

/** Wrapped project keys after one of them, in a fixed order. */
export async function projectKeysAfter(
  db: Db,
  after: WrappedProjectKey | undefined,
  limit: number,
): Promise<WrappedProjectKey[]> {
  return db.query<WrappedProjectKey>(PROJECT_KEYS, [after?.projectId ?? FIRST, after?.version ?? 0, limit]);
}

const REWRAP_PROJECT_KEY: Statement = {
  name: 'rotation.rewrap-project-key',
  text: 'update project_keys set wrapped = $4 where project_id = $1 and version = $2 and wrapped = $3',
};

/** Replaces a wrap, unless somebody else did meanwhile. */
export async function rewrapProjectKey(db: Db, key: WrappedProjectKey, wrapped: Buffer): Promise<void> {
  await db.query(REWRAP_PROJECT_KEY, [key.projectId, key.version, key.wrapped, wrapped]);
}

const ANNOUNCE_ROOT: Statement = {
  name: 'rotation.announce-root',
  text: 'update instance set next_root_fingerprint = $1, next_root_check = $2',
};

/** From now on a server that starts must hold this root key as well. */
export async function announceRoot(db: Db, fingerprint: string, check: Buffer): Promise<void> {
  await db.query(ANNOUNCE_ROOT, [fingerprint, check]);
}

const MOVE_ROOT: Statement = {
  name: 'rotation.move-root',
  text: `update instance set root_fingerprint = $1, root_check = $2, next_root_fingerprint = null, next_root_check = null`,
};

/** From now on this is the root key of the database, and the former one is not needed. */
export async function moveRoot(db: Db, fingerprint: string, check: Buffer): Promise<void> {
  await db.query(MOVE_ROOT, [fingerprint, check]);
}

export interface RotatedProject {
  readonly id: string;
  readonly slug: string;
  readonly organizationId: string;
}

const PROJECTS: Statement = {
  name: 'rotation.projects',
  text: `
    select id, slug, organization_id as "organizationId" from projects
     where $1::text is null or slug = $1 or id::text = $1 order by slug, id`,
};

/** The projects of a slug or an id, or all of them. */
export async function findProjects(db: Db, name: string | undefined): Promise<RotatedProject[]> {
  return db.query<RotatedProject>(PROJECTS, [name ?? null]);
}

const KEY_VERSIONS: Statement = {
  name: 'rotation.key-versions',
  text: 'select version, wrapped from project_keys where project_id = $1 order by version',
};

export async function keyVersions(db: Db, projectId: string): Promise<{ version: number; wrapped: Buffer }[]> {
  return db.query(KEY_VERSIONS, [projectId]);
}

const COUNT_ROWS: Statement = {
  name: 'rotation.count-rows',
  text: `
    select key_version as version, count(*)::int as rows
      from (select key_version from secrets where project_id = $1
             union all select key_version from secret_versions where project_id = $1
             union all select key_version from personal_secrets where project_id = $1) r
     group by key_version order by key_version`,
};

/** How many sealed rows there are under each version of a project's key. */
export async function countRows(db: Db, projectId: string): Promise<{ version: number; rows: number }[]> {
  return db.query(COUNT_ROWS, [projectId]);
}

const RETIRE: Statement = {
  name: 'rotation.retire',
  text: 'delete from project_keys where project_id = $1 and version < $2',
};

/** Deletes the versions before one: what was sealed under them can then be opened by nobody, whatever root key they have. */
export async function retireKeys(db: Db, projectId: string, before: number): Promise<void> {
  await db.query(RETIRE, [projectId, before]);
}

/** A sealed row of a table, as much of it as its seal is bound to. */
export interface SealedRow {
  /** Of the row itself, or of the secret that it was. */
  readonly rowId: string;
  /** Of the secret. */
  readonly id: string;
  readonly ownerId: string | null;
  readonly environmentId: string | null;
  readonly environment: string | null;
  readonly folderId: string | null;
  readonly path: string | null;
  readonly key: string;
  readonly version: number;
  readonly keyVersion: number;
  readonly sealedValue: Buffer;
  readonly sealedComment: Buffer | null;
  readonly sealedMetadata: Buffer | null;
}

const sealed = (table: string) =>
  `${table}.key_version as "keyVersion", ${table}.sealed_value as "sealedValue", ${table}.sealed_comment as "sealedComment"`;

/** The tables whose rows are sealed under a project's key, in the order in which they are sealed anew. */
export const sealedTables = ['secrets', 'secret_versions', 'personal_secrets'] as const;
export type SealedTable = (typeof sealedTables)[number];

const OLD_ROWS: Record<SealedTable, Statement> = {
  secrets: {
    name: 'rotation.old-secrets',
    text: `
      select s.id as "rowId", s.id, null as "ownerId", s.environment_id as "environmentId", e.slug as environment, s.folder_id as "folderId", f.path,
             s.key, s.version, ${sealed('s')}, s.sealed_metadata as "sealedMetadata"
        from secrets s join folders f on f.id = s.folder_id join environments e on e.id = s.environment_id
       where s.project_id = $1 and s.key_version < $2 and s.id > $3 order by s.id limit $4`,
  },
  secret_versions: {
    name: 'rotation.old-versions',
    text: `
      select v.secret_id as "rowId", v.secret_id as id, null as "ownerId", v.environment_id as "environmentId", e.slug as environment,
             v.folder_id as "folderId", null as path, v.key, v.version, ${sealed('v')}, v.sealed_metadata as "sealedMetadata"
        from secret_versions v join environments e on e.id = v.environment_id
       where v.project_id = $1 and v.key_version < $2 and (v.secret_id, v.version) > ($3, $4)
       order by v.secret_id, v.version limit $5`,
  },
  personal_secrets: {
    name: 'rotation.old-personal',
    text: `
      select p.id as "rowId", p.secret_id as id, p.owner_id as "ownerId", s.environment_id as "environmentId", e.slug as environment,
             s.folder_id as "folderId", f.path, s.key, p.version, ${sealed('p')}, null::bytea as "sealedMetadata"
        from personal_secrets p join secrets s on s.id = p.secret_id join folders f on f.id = s.folder_id
        join environments e on e.id = s.environment_id
       where p.project_id = $1 and p.key_version < $2 and p.id > $3 order by p.id limit $4`,
  },
};

/** Where a walk through a table stands: rows that do not open are passed by. */
export interface Cursor {
  readonly id: string;
  readonly version: number;
}
export const START: Cursor = { id: FIRST, version: 0 };

/** Rows that are still sealed under a version before `newest`. */
export async function oldRows(
  db: Db,
  table: SealedTable,
  projectId: string,
  newest: number,
  after: Cursor,
  limit: number,
): Promise<SealedRow[]> {
  const values = [projectId, newest, after.id, ...(table === 'secret_versions' ? [after.version] : [])];
  return db.query<SealedRow>(OLD_ROWS[table], [...values, limit]);
}

const NEW_SEALS = `
  unnest($1::uuid[], $2::uuid[], $3::int[], $4::int[], $5::bytea[], $6::bytea[], $7::bytea[])
    as n (id, owner_id, version, key_version, sealed_value, sealed_comment, sealed_metadata)`;

const RESEAL: Record<SealedTable, Statement> = {
  secrets: {
    name: 'rotation.reseal-secrets',
    text: `
      update secrets s set key_version = n.key_version, sealed_value = n.sealed_value, sealed_comment = n.sealed_comment,
                           sealed_metadata = n.sealed_metadata
        from ${NEW_SEALS} where s.id = n.id and s.version = n.version`,
  },
  secret_versions: {
    name: 'rotation.reseal-versions',
    text: `
      update secret_versions v set key_version = n.key_version, sealed_value = n.sealed_value, sealed_comment = n.sealed_comment,
                                   sealed_metadata = n.sealed_metadata
        from ${NEW_SEALS} where v.secret_id = n.id and v.version = n.version`,
  },
  personal_secrets: {
    name: 'rotation.reseal-personal',
    text: `
      update personal_secrets p set key_version = n.key_version, sealed_value = n.sealed_value, sealed_comment = n.sealed_comment
        from ${NEW_SEALS} where p.secret_id = n.id and p.owner_id = n.owner_id and p.version = n.version`,
  },
};

/** Puts new seals in the place of the old; nothing else of a row changes, and so nobody is told of a change. */
export async function replaceSeals(db: Db, table: SealedTable, rows: readonly SealedRow[]): Promise<void> {
  await db.query(RESEAL[table], [
    rows.map((r) => r.id),
    rows.map((r) => r.ownerId),
    rows.map((r) => r.version),
    rows.map((r) => r.keyVersion),
    rows.map((r) => r.sealedValue),
    rows.map((r) => r.sealedComment),
    rows.map((r) => r.sealedMetadata),
  ]);
}
