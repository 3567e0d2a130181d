import type { Db, Statement } from '../database/database.ts';

export interface ImportRow {
  readonly id: string;
  readonly projectId: string;
  readonly environmentId: string;
  readonly environment: string;
  readonly environmentName: string;
  readonly folderId: string;
  readonly path: string;
  readonly sourceProjectId: string;
  readonly sourceEnvironmentId: string;
  readonly sourceEnvironment: string;
  readonly sourceEnvironmentName: string;
  readonly sourceFolderId: string;
  readonly sourcePath: string;
  /** The imported folder belongs to the project, or is shared with it. */
  readonly active: boolean;
  readonly position: number;
  readonly version: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

const SELECT = `
  select i.id, i.project_id as "projectId", i.environment_id as "environmentId", e.slug as environment, e.name as "environmentName",
         i.folder_id as "folderId", f.path, i.source_project_id as "sourceProjectId", i.source_environment_id as "sourceEnvironmentId",
         se.slug as "sourceEnvironment", se.name as "sourceEnvironmentName", i.source_folder_id as "sourceFolderId",
         sf.path as "sourcePath", i.position, i.version, i.created_at as "createdAt", i.updated_at as "updatedAt",
         i.source_project_id = i.project_id or exists (
           select from folder_shares s where s.folder_id = i.source_folder_id and s.target_project_id = i.project_id) as active
    from secret_imports i
    join environments e on e.id = i.environment_id
    join folders f on f.id = i.folder_id
    join environments se on se.id = i.source_environment_id
    join folders sf on sf.id = i.source_folder_id`;

const LIST: Statement = { name: 'imports.list', text: `${SELECT} where i.folder_id = $1 order by i.position` };

/** The imports of a folder, in order. */
export async function listImports(db: Db, folderId: string): Promise<ImportRow[]> {
  return db.query<ImportRow>(LIST, [folderId]);
}

const FIND: Statement = { name: 'imports.find', text: `${SELECT} where i.id = $1` };

export async function findImport(db: Db, id: string): Promise<ImportRow | undefined> {
  return db.first<ImportRow>(FIND, [id]);
}

/** The folder that an import is about. */
export interface Ends {
  readonly projectId: string;
  readonly environmentId: string;
  readonly folderId: string;
}

const INSERT: Statement = {
  name: 'imports.insert',
  text: `
    insert into secret_imports (project_id, environment_id, folder_id, source_project_id, source_environment_id, source_folder_id, position)
    values ($1, $2, $3, $4, $5, $6, (select coalesce(max(position), 0) + 1 from secret_imports where folder_id = $3))
    returning id`,
};

/** Adds an import, after those that are there. */
export async function insertImport(tx: Db, into: Ends, from: Ends): Promise<string> {
  const ends = [into, from].flatMap((end) => [end.projectId, end.environmentId, end.folderId]);
  return (await tx.one<{ id: string }>(INSERT, ends)).id;
}

const REDIRECT: Statement = {
  name: 'imports.redirect',
  text: `
    update secret_imports
       set source_project_id = $2, source_environment_id = $3, source_folder_id = $4, version = version + 1, updated_at = now()
     where id = $1`,
};

export async function redirectImport(tx: Db, id: string, from: Ends): Promise<void> {
  await tx.query(REDIRECT, [id, from.projectId, from.environmentId, from.folderId]);
}

// All of them are counted anew: deleted folders leave gaps behind.
const REORDER: Statement = {
  name: 'imports.reorder',
  text: `
    with others as (
      select id, row_number() over (order by position) as n from secret_imports where folder_id = $1 and id <> $2
    )
    update secret_imports i
       set position = case when i.id = $2 then least($3, (select count(*) from others) + 1)
                           else (select o.n + (o.n >= $3)::int from others o where o.id = i.id) end,
           updated_at = case when i.id = $2 then now() else i.updated_at end
     where i.folder_id = $1`,
};

/** Puts an import at a position among those of its folder; the others make room. */
export async function reorderImport(tx: Db, folderId: string, id: string, position: number): Promise<void> {
  await tx.query(REORDER, [folderId, id, position]);
}

const DELETE: Statement = { name: 'imports.delete', text: 'delete from secret_imports where id = $1' };

export async function deleteImport(tx: Db, id: string): Promise<void> {
  await tx.query(DELETE, [id]);
}

const REACHES: Statement = {
  name: 'imports.reaches',
  text: `
    with recursive reached (folder_id) as (
      select $1::uuid
      union
      select i.source_folder_id from reached r join secret_imports i on i.folder_id = r.folder_id
    )
    select exists (select from reached where folder_id = $2) as reaches`,
};

/** Whether a folder imports another, directly or through others. A folder reaches itself. */
export async function reaches(tx: Db, folderId: string, otherId: string): Promise<boolean> {
  const row = await tx.one<{ reaches: boolean }>(REACHES, [folderId, otherId]);
  return row.reaches;
}

const SHARED: Statement = {
  name: 'imports.shared-folder',
  text: `
    select f.project_id as "projectId", f.environment_id as "environmentId", f.id as "folderId"
      from folder_shares s
      join folders f on f.id = s.folder_id
      join environments e on e.id = f.environment_id
     where s.target_project_id = $1 and f.project_id = $2 and e.slug = $3 and f.path = $4`,
};

/** A folder of another project, if it is shared with this one. */
export async function findShared(
  tx: Db,
  targetProjectId: string,
  projectId: string,
  environment: string,
  path: string,
): Promise<Ends | undefined> {
  return tx.first<Ends>(SHARED, [targetProjectId, projectId, environment, path]);
}
