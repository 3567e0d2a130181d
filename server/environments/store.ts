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
      values ($1, $2, $3, coalesce($4, (select coalesce(max(position), 0) + 1 from environments where project_id = $1)))
      returning ${COLUMNS}
    ),
    root as (
      insert into folders (project_id, environment_id, name, path) select "projectId", id, 'root', '/' from made
    )
    select * from made`,
};

/** Makes an environment with its root folder; without a position it comes last. */
export async function insertEnvironment(
  db: Db,
  environment: {
    readonly projectId: string;
    readonly slug: string;
    readonly name: string;
    readonly position?: number | undefined;
  },
): Promise<EnvironmentRow> {
  const { projectId, slug, name, position } = environment;
  const [row] = await db.query<EnvironmentRow>(INSERT, [projectId, slug, name, position ?? null]);
  return row!;
}

const FIND: Statement = {
  name: 'environments.find',
  text: `select ${COLUMNS} from environments e where e.project_id = $1 and e.id = $2`,
};

export async function findEnvironment(db: Db, projectId: string, id: string): Promise<EnvironmentRow | undefined> {
  return (await db.query<EnvironmentRow>(FIND, [projectId, id]))[0];
}

const UPDATE: Statement = {
  name: 'environments.update',
  text: `
    update environments e
       set slug = coalesce($3, slug), name = coalesce($4, name), position = coalesce($5, position), updated_at = now()
     where e.project_id = $1 and e.id = $2 returning ${COLUMNS}`,
};

export async function updateEnvironment(
  db: Db,
  projectId: string,
  id: string,
  change: {
    readonly slug?: string | undefined;
    readonly name?: string | undefined;
    readonly position?: number | undefined;
  },
): Promise<EnvironmentRow> {
  const [row] = await db.query<EnvironmentRow>(UPDATE, [
    projectId,
    id,
    change.slug ?? null,
    change.name ?? null,
    change.position ?? null,
  ]);
  return row!;
}

// Memberships are limited to environments by slug. They follow a renamed one, and let go of a deleted one: the next of that
// name is another environment, which nobody was let into.
const RENAME_IN_MEMBERSHIPS: Statement = {
  name: 'environments.rename-in-memberships',
  text: `
    update project_membership_roles r set environments = array_replace(r.environments, $2, $3), updated_at = now()
      from project_memberships m
     where m.id = r.membership_id and m.project_id = $1 and $2 = any (r.environments)`,
};
const REMOVE_FROM_MEMBERSHIPS: Statement = {
  name: 'environments.remove-from-memberships',
  text: `
    update project_membership_roles r set environments = array_remove(r.environments, $2), updated_at = now()
      from project_memberships m
     where m.id = r.membership_id and m.project_id = $1 and $2 = any (r.environments)`,
};

/** Lets the memberships of a project follow an environment to its new slug. */
export async function renameInMemberships(tx: Db, projectId: string, before: string, after: string): Promise<void> {
  await tx.query(RENAME_IN_MEMBERSHIPS, [projectId, before, after]);
}

const DELETE: Statement = {
  name: 'environments.delete',
  text: 'delete from environments where project_id = $1 and id = $2',
};

export async function deleteEnvironment(tx: Db, projectId: string, { id, slug }: EnvironmentRow): Promise<void> {
  await tx.query(REMOVE_FROM_MEMBERSHIPS, [projectId, slug]);
  await tx.query(DELETE, [projectId, id]);
}

const ENVIRONMENT_SLUGS: Statement = {
  name: 'environments.slugs',
  text: 'select slug from environments where project_id = $1 order by position',
};

/** The environments there are, for the message that names them. */
export async function environmentSlugs(db: Db, projectId: string): Promise<string[]> {
  return (await db.query<{ slug: string }>(ENVIRONMENT_SLUGS, [projectId])).map(({ slug }) => slug);
}
