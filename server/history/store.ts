import type { Db, Statement } from '../database/database.ts';
import { type SecretRow, tagsOf, WRITER, writerOf } from '../secrets/store.ts';

/** A version of a secret, present or past, with the time that it was the valid one. */
export interface VersionRow extends SecretRow {
  readonly projectId: string;
  readonly environment: string;
  readonly since: Date;
  /** When the next version replaced it, or it was deleted; null while it is the present one. */
  readonly until: Date | null;
}

const COMMON = `version, project_id, environment_id, folder_id, key, key_version, sealed_value, sealed_comment,
  skip_multiline_encoding, tag_ids, metadata, sealed_metadata, reminder, written_by`;

/** Every version there is, under a condition that both tables understand. The path is the folder's present, or last, one. */
const versions = (condition: string) => `
  select v.id, v.project_id as "projectId", v.environment_id as "environmentId", v.folder_id as "folderId", e.slug as environment,
         coalesce(f.path, d.path, '/') as path, v.key, v.version, v.key_version as "keyVersion", k.wrapped as "wrappedKey",
         v.sealed_value as "sealedValue", v.sealed_comment as "sealedComment", v.skip_multiline_encoding as "skipMultilineEncoding",
         ${tagsOf('v.tag_ids')} as tags, v.metadata, v.sealed_metadata as "sealedMetadata", v.reminder,
         v.written_by as "writtenBy", ${WRITER}, v.created as "createdAt", v.since as "updatedAt", v.since, v.until
    from (select id, ${COMMON}, created_at as created, updated_at as since, null::timestamptz as until
            from secrets where ${condition.replaceAll('$id', 'id').replaceAll('$since', 'updated_at').replaceAll('$until', 'null::timestamptz')}
          union all
          select secret_id, ${COMMON}, coalesce(secret_created_at, created_at), created_at, replaced_at
            from secret_versions where ${condition.replaceAll('$id', 'secret_id').replaceAll('$since', 'created_at').replaceAll('$until', 'replaced_at')}) v
    join environments e on e.id = v.environment_id
    join project_keys k on k.project_id = v.project_id and k.version = v.key_version
    left join folders f on f.id = v.folder_id
    left join deleted_folders d on d.id = v.folder_id${writerOf('v.written_by', 'v.project_id')}`;

const VERSIONS_OF: Statement = {
  name: 'history.versions-of',
  text: `${versions('$id = $1')} order by version desc offset $2 limit $3`,
};

/** The versions of one secret, deleted or not, latest first. */
export async function versionsOf(db: Db, secretId: string, offset: number, limit: number): Promise<VersionRow[]> {
  return db.query<VersionRow>(VERSIONS_OF, [secretId, offset, limit]);
}

const VERSION_OF: Statement = {
  name: 'history.version-of',
  text: `${versions('$id = $1 and version = $2')}`,
};

export async function versionOf(db: Db, secretId: string, version: number): Promise<VersionRow | undefined> {
  return db.first<VersionRow>(VERSION_OF, [secretId, version]);
}

const STATE_AT: Statement = {
  name: 'history.state-at',
  text: `${versions('environment_id = $1 and folder_id = any ($2::uuid[]) and $since <= $3 and ($until is null or $until > $3)')}
         order by path, key`,
};

/** What lay in the folders at a moment. */
export async function stateAt(
  db: Db,
  environmentId: string,
  folderIds: readonly string[],
  at: Date,
): Promise<VersionRow[]> {
  return db.query<VersionRow>(STATE_AT, [environmentId, folderIds, at]);
}

export interface ScopeFolder {
  readonly id: string;
  readonly environmentId: string;
  readonly path: string;
  readonly deleted: boolean;
  readonly deletedAt: Date | null;
}

const SCOPE: Statement = {
  name: 'history.scope',
  text: `
    select f.id, f.environment_id as "environmentId", f.path, false as deleted, null::timestamptz as "deletedAt"
      from environments e join folders f on f.environment_id = e.id
     where e.project_id = $1 and e.slug = $2 and (f.path = $3 or ($4 and starts_with(f.path, rtrim($3, '/') || '/')))
    union all
    select f.id, f.environment_id, f.path, true, f.deleted_at
      from environments e join deleted_folders f on f.environment_id = e.id
     where e.project_id = $1 and e.slug = $2 and (f.path = $3 or ($4 and starts_with(f.path, rtrim($3, '/') || '/')))`,
};

/** The folders at a path and, if asked, below it: those that are there, and those that were. */
export async function scopeOf(
  db: Db,
  projectId: string,
  environment: string,
  path: string,
  recursive: boolean,
): Promise<ScopeFolder[]> {
  return db.query<ScopeFolder>(SCOPE, [projectId, environment, path, recursive]);
}

const LAST_VERSIONS: Statement = {
  name: 'history.last-versions',
  text: `
    select v.secret_id as id, max(v.version) as version, exists (select from secrets s where s.id = v.secret_id) as alive
      from secret_versions v where v.secret_id = any ($1::uuid[]) group by v.secret_id`,
};

/** The last version that each of these secrets ever had, and whether it is there now. */
export async function lastVersions(
  db: Db,
  ids: readonly string[],
): Promise<Map<string, { readonly version: number; readonly alive: boolean }>> {
  const rows = await db.query<{ id: string; version: number; alive: boolean }>(LAST_VERSIONS, [ids]);
  return new Map(rows.map(({ id, ...row }) => [id, row]));
}

const MOMENTS: Statement = {
  name: 'history.moments',
  text: `
    with moments as (
      select date_trunc('milliseconds', updated_at) as at from secrets where folder_id = $1
      union select date_trunc('milliseconds', created_at) from secret_versions where folder_id = $1
      union select date_trunc('milliseconds', replaced_at) from secret_versions where folder_id = $1 and replaced_at is not null
    )
    select at, count(*) over ()::int as total from moments order by at desc offset $2 limit $3`,
};

/** The moments at which secrets of a folder changed, latest first, and how many there are. */
export async function momentsOf(
  db: Db,
  folderId: string,
  offset: number,
  limit: number,
): Promise<{ readonly at: Date; readonly total: number }[]> {
  return db.query(MOMENTS, [folderId, offset, limit]);
}

const FOLDER_BY_RANGE: Statement = {
  name: 'history.folder-by-range',
  text: `
    select f.id, f.project_id as "projectId", f.parent_id as "parentId", f.path, e.id as "environmentId", e.slug as environment, e.name as "environmentName"
      from folders f join environments e on e.id = f.environment_id where f.id between $1 and $2`,
};

export interface SnapshotFolder {
  readonly id: string;
  readonly projectId: string;
  readonly parentId: string | null;
  readonly path: string;
  readonly environmentId: string;
  readonly environment: string;
  readonly environmentName: string;
}

/** The one folder whose id lies between two. */
export async function folderBetween(db: Db, low: string, high: string): Promise<SnapshotFolder | undefined> {
  const rows = await db.query<SnapshotFolder>(FOLDER_BY_RANGE, [low, high]);
  return rows.length === 1 ? rows[0] : undefined;
}

const STEP_ASIDE: Statement = {
  name: 'history.step-aside',
  text: 'update secrets set key = id::text where id = any ($1::uuid[])',
};

/** Takes the names from secrets that get others next: two could else not change names with each other. */
export async function stepAside(tx: Db, ids: readonly string[]): Promise<void> {
  await tx.query(STEP_ASIDE, [ids]);
}

const BACKDATE: Statement = {
  name: 'history.backdate',
  text: `update secrets s set created_at = n.at from unnest($1::uuid[], $2::timestamptz[]) as n (id, at) where s.id = n.id`,
};

/** A secret that came back was made when it was first made. */
export async function backdate(
  tx: Db,
  secrets: readonly { readonly id: string; readonly createdAt: Date }[],
): Promise<void> {
  await tx.query(BACKDATE, [secrets.map(({ id }) => id), secrets.map(({ createdAt }) => createdAt)]);
}
