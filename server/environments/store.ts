import type { Db, Statement } from '../database/database.ts';

export interface EnvironmentRow {
  readonly id: string;
  readonly projectId: string;
  readonly slug: string;
  readonly name: string;
  readonly position: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

const COLUMNS = `
  e.id, e.project_id as "projectId", e.slug, e.name, e.position, e.created_at as "createdAt", e.updated_at as "updatedAt"`;

const INSERT: Statement = {
  name: 'environments.insert',
  text: `
    with made as (
      insert into environments as e (project_id, slug, name, position)
      values ($1, $2, $3, (select coalesce(max(position), 0) + 1 from environments where project_id = $1))
      returning ${COLUMNS}
    ),
    root as (
      insert into folders (project_id, environment_id, name, path) select "projectId", id, 'root', '/' from made
    )
    select * from made`,
};

/** Makes an environment with its root folder, as the last one. */
export async function insertEnvironment(
  db: Db,
  environment: { readonly projectId: string; readonly slug: string; readonly name: string },
): Promise<EnvironmentRow> {
  const { projectId, slug, name } = environment;
  return db.one<EnvironmentRow>(INSERT, [projectId, slug, name]);
}

const FIND: Statement = {
  name: 'environments.find',
  text: `select ${COLUMNS} from environments e where e.project_id = $1 and e.id = $2`,
};

export async function findEnvironment(db: Db, projectId: string, id: string): Promise<EnvironmentRow | undefined> {
  return db.first<EnvironmentRow>(FIND, [projectId, id]);
}

const FIND_BY_ID: Statement = {
  name: 'environments.find-by-id',
  text: `select ${COLUMNS} from environments e where e.id = $1`,
};

export async function findEnvironmentById(db: Db, id: string): Promise<EnvironmentRow | undefined> {
  return db.first<EnvironmentRow>(FIND_BY_ID, [id]);
}

const UPDATE: Statement = {
  name: 'environments.update',
  text: `
    update environments e
       set slug = coalesce($3, slug), name = coalesce($4, name), updated_at = now()
     where e.project_id = $1 and e.id = $2`,
};

export async function updateEnvironment(
  db: Db,
  projectId: string,
  id: string,
  { slug, name }: { readonly slug?: string | undefined; readonly name?: string | undefined },
): Promise<void> {
  await db.query(UPDATE, [projectId, id, slug ?? null, name ?? null]);
}

const ARRANGE: Statement = {
  name: 'environments.arrange',
  text: `
    with others as (
      select id, row_number() over (order by position, created_at, id) as n
        from environments where project_id = $1 and id is distinct from $2
    ),
    placed as (
      select id, case when n >= $3 then n + 1 else n end as n from others
      union all
      select $2, least($3, (select count(*) + 1 from others)) where $2::uuid is not null
    )
    update environments e set position = p.n from placed p where p.id = e.id and e.position <> p.n`,
};

/** Numbers the environments of a project from 1 without gaps, with one of them put at a position, or as the last one. */
export async function arrange(
  db: Db,
  projectId: string,
  put?: { readonly id: string; readonly position: number },
): Promise<void> {
  await db.query(ARRANGE, [projectId, put?.id ?? null, put?.position ?? null]);
}

const DELETE: Statement = {
  name: 'environments.delete',
  text: 'delete from environments where project_id = $1 and id = $2',
};

/** Deletes an environment with all that is in it. */
export async function deleteEnvironment(tx: Db, projectId: string, id: string): Promise<void> {
  await tx.query(DELETE, [projectId, id]);
}

const LIST: Statement = {
  name: 'environments.list',
  text: `select ${COLUMNS} from environments e where e.project_id = $1 order by e.position`,
};

export async function listEnvironments(db: Db, projectId: string): Promise<EnvironmentRow[]> {
  return db.query<EnvironmentRow>(LIST, [projectId]);
}

const SHARED_WITH: Statement = {
  name: 'environments.shared-with',
  text: 'select distinct target_project_id as id from folder_shares where environment_id = $1',
};

/** The projects that folders of an environment are shared with. */
export async function projectsWithShares(db: Db, environmentId: string): Promise<string[]> {
  return (await db.query<{ id: string }>(SHARED_WITH, [environmentId])).map(({ id }) => id);
}

const ENVIRONMENT_SLUGS: Statement = {
  name: 'environments.slugs',
  text: 'select slug from environments where project_id = $1 order by position',
};

/** The environments there are, for the message that names them. */
export async function environmentSlugs(db: Db, projectId: string): Promise<string[]> {
  return (await db.query<{ slug: string }>(ENVIRONMENT_SLUGS, [projectId])).map(({ slug }) => slug);
}
