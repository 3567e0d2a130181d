import type { Db, Statement } from '../database/database.ts';
import { join, parentOf } from './paths.ts';

export interface FolderRow {
  readonly id: string;
  readonly projectId: string;
  readonly environmentId: string;
  readonly environment: string;
  readonly environmentName: string;
  readonly parentId: string | null;
  readonly name: string;
  readonly path: string;
  readonly description: string | null;
  readonly version: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

const COLUMNS = `
  f.id, f.project_id as "projectId", f.environment_id as "environmentId", e.slug as environment,
  e.name as "environmentName", f.parent_id as "parentId", f.name, f.path, f.description, f.version,
  f.created_at as "createdAt", f.updated_at as "updatedAt"`;

const FIND_BY_ID: Statement = {
  name: 'folders.find-by-id',
  text: `select ${COLUMNS} from folders f join environments e on e.id = f.environment_id where f.id = $1`,
};

export async function findFolder(db: Db, id: string): Promise<FolderRow | undefined> {
  return db.first<FolderRow>(FIND_BY_ID, [id]);
}

const FIND_BY_PATH: Statement = {
  name: 'folders.find-by-path',
  text: `
    select ${COLUMNS} from folders f join environments e on e.id = f.environment_id
     where e.project_id = $1 and e.slug = $2 and f.path = $3`,
};

export async function findFolderAt(
  db: Db,
  projectId: string,
  environment: string,
  path: string,
): Promise<FolderRow | undefined> {
  return db.first<FolderRow>(FIND_BY_PATH, [projectId, environment, path]);
}

const LIST: Statement = {
  name: 'folders.list',
  text: `
    select ${COLUMNS} from folders f join environments e on e.id = f.environment_id
     where f.parent_id = $1 order by f.name`,
};

/** The folders directly in a folder. */
export async function listFolders(db: Db, parentId: string): Promise<FolderRow[]> {
  return db.query<FolderRow>(LIST, [parentId]);
}

const LIST_BELOW: Statement = {
  name: 'folders.list-below',
  text: `
    select ${COLUMNS} from folders f join environments e on e.id = f.environment_id
     where f.environment_id = $1 and starts_with(f.path, rtrim($2, '/') || '/') and f.path <> $2 order by f.path`,
};

/** Every folder below a path, at any depth. */
export async function listFoldersBelow(db: Db, environmentId: string, path: string): Promise<FolderRow[]> {
  return db.query<FolderRow>(LIST_BELOW, [environmentId, path]);
}

const LIST_OF_PROJECT: Statement = {
  name: 'folders.list-of-project',
  text: `
    select ${COLUMNS} from folders f join environments e on e.id = f.environment_id
     where f.project_id = $1 order by e.position, f.path`,
};

/** Every folder of a project, the roots included. */
export async function listFoldersOf(db: Db, projectId: string): Promise<FolderRow[]> {
  return db.query<FolderRow>(LIST_OF_PROJECT, [projectId]);
}

// Of a version: when the next one came, also in another folder, or the secret was deleted.
const LAST_MODIFIED: Statement = {
  name: 'folders.last-modified',
  text: `
    select f.id, greatest((select max(s.updated_at) from secrets s where s.folder_id = f.id),
                          (select max(v.replaced_at) from secret_versions v
                            where v.environment_id = f.environment_id and v.folder_id = f.id)) as at
      from folders f where f.id = any ($1::uuid[])`,
};

/** When a secret in each of these folders was last made, changed, moved or deleted; null: never. */
export async function lastModified(db: Db, ids: readonly string[]): Promise<ReadonlyMap<string, Date | null>> {
  if (ids.length === 0) return new Map();
  const rows = await db.query<{ id: string; at: Date | null }>(LAST_MODIFIED, [ids]);
  return new Map(rows.map(({ id, at }) => [id, at]));
}

const INSERT: Statement = {
  name: 'folders.insert',
  text: `
    insert into folders (project_id, environment_id, parent_id, name, path, description)
    values ($1, $2, $3, $4, $5, $6) returning id`,
};

export async function insertFolder(
  db: Db,
  parent: FolderRow,
  name: string,
  description: string | null = null,
): Promise<FolderRow> {
  const path = join(parent.path, name);
  const values = [parent.projectId, parent.environmentId, parent.id, name, path, description];
  const row = await db.one<{ id: string }>(INSERT, values);
  return (await findFolder(db, row.id))!;
}

const RENAME: Statement = {
  name: 'folders.rename',
  text: `
    update folders
       set path = $3::text || substr(path, length($2) + 1),
           name = case when id = $4 then $5 else name end,
           description = case when id = $4 then $6 else description end,
           version = case when id = $4 then version + 1 else version end,
           updated_at = case when id = $4 then now() else updated_at end
     where environment_id = $1 and (path = $2 or starts_with(path, $2 || '/'))`,
};

/** Renames a folder, moves the paths of all below it along, and describes it anew when a description is given. */
export async function renameFolder(
  db: Db,
  folder: FolderRow,
  name: string,
  description: string | null = folder.description,
): Promise<void> {
  const path = join(parentOf(folder.path), name);
  await db.query(RENAME, [folder.environmentId, folder.path, path, folder.id, name, description]);
}

const LONGEST_PATH: Statement = {
  name: 'folders.longest-path',
  text: `
    select coalesce(max(length(path)), 0)::int as longest from folders
     where environment_id = $1 and (path = $2 or starts_with(path, $2 || '/'))`,
};

/** The characters of the longest path in a folder, its own included. */
export async function longestPath(db: Db, folder: FolderRow): Promise<number> {
  const row = await db.one<{ longest: number }>(LONGEST_PATH, [folder.environmentId, folder.path]);
  return row.longest;
}

const DELETE: Statement = { name: 'folders.delete', text: 'delete from folders where id = $1' };

/** Deletes a folder with everything in it. */
export async function deleteFolder(db: Db, id: string): Promise<void> {
  await db.query(DELETE, [id]);
}
