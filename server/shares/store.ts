import type { Db, Statement } from '../database/database.ts';

export interface ShareRow {
  readonly id: string;
  readonly projectId: string;
  readonly projectSlug: string;
  readonly environment: string;
  readonly path: string;
  readonly folderId: string;
  readonly targetProjectId: string;
  readonly targetProjectSlug: string;
  readonly createdAt: Date;
}

const SELECT = `
  select s.id, s.project_id as "projectId", p.slug as "projectSlug", e.slug as environment, f.path, s.folder_id as "folderId",
         s.target_project_id as "targetProjectId", t.slug as "targetProjectSlug", s.created_at as "createdAt"
    from folder_shares s
    join projects p on p.id = s.project_id
    join projects t on t.id = s.target_project_id
    join environments e on e.id = s.environment_id
    join folders f on f.id = s.folder_id`;

const GIVEN: Statement = {
  name: 'shares.given',
  text: `${SELECT} where s.project_id = $1 order by e.slug, f.path, t.slug`,
};
const RECEIVED: Statement = {
  name: 'shares.received',
  text: `${SELECT} where s.target_project_id = $1 order by p.slug, e.slug, f.path`,
};
const FIND: Statement = { name: 'shares.find', text: `${SELECT} where s.project_id = $1 and s.id = $2` };

/** What a project shares with others. */
export async function sharesOf(db: Db, projectId: string): Promise<ShareRow[]> {
  return db.query<ShareRow>(GIVEN, [projectId]);
}

/** What others share with a project. */
export async function sharesWith(db: Db, projectId: string): Promise<ShareRow[]> {
  return db.query<ShareRow>(RECEIVED, [projectId]);
}

export async function findShare(db: Db, projectId: string, id: string): Promise<ShareRow | undefined> {
  return db.first<ShareRow>(FIND, [projectId, id]);
}

const INSERT: Statement = {
  name: 'shares.insert',
  text: `
    insert into folder_shares (project_id, environment_id, folder_id, target_project_id)
    select f.project_id, f.environment_id, f.id, t.id
      from folders f
      join projects p on p.id = f.project_id
      join projects t on t.id = $2 and t.organization_id = p.organization_id
     where f.id = $1
    returning id`,
};

/** Shares a folder with a project. Nothing when that is no project of the same organization. */
export async function insertShare(tx: Db, folderId: string, targetProjectId: string): Promise<string | undefined> {
  return (await tx.first<{ id: string }>(INSERT, [folderId, targetProjectId]))?.id;
}

const DELETE: Statement = { name: 'shares.delete', text: 'delete from folder_shares where id = $1' };

export async function deleteShare(tx: Db, id: string): Promise<void> {
  await tx.query(DELETE, [id]);
}
