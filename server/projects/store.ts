import type { UnresolvedReferences } from '../../contracts/index.ts';
import type { Db, Statement } from '../database/database.ts';

export interface ProjectRow {
  readonly id: string;
  readonly organizationId: string;
  readonly slug: string;
  readonly name: string;
  readonly description: string;
  readonly deleteProtection: boolean;
  readonly unresolvedReferences: UnresolvedReferences;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly environments: readonly { readonly id: string; readonly slug: string; readonly name: string }[];
}

const COLUMNS = `
  p.id, p.organization_id as "organizationId", p.slug, p.name, p.description, p.delete_protection as "deleteProtection",
  p.unresolved_references as "unresolvedReferences",
  p.created_at as "createdAt", p.updated_at as "updatedAt",
  coalesce((select json_agg(json_build_object('id', e.id, 'slug', e.slug, 'name', e.name) order by e.position)
              from environments e where e.project_id = p.id), '[]') as environments`;

const INSERT: Statement = {
  name: 'projects.insert',
  text: `
    insert into projects (organization_id, slug, name, description, delete_protection)
    values ($1, $2, $3, $4, $5) returning id`,
};

export interface NewProject {
  readonly organizationId: string;
  readonly slug: string;
  readonly name: string;
  readonly description: string;
  readonly deleteProtection: boolean;
}

export async function insertProject(db: Db, project: NewProject): Promise<string> {
  const { organizationId, slug, name, description, deleteProtection } = project;
  const [row] = await db.query<{ id: string }>(INSERT, [organizationId, slug, name, description, deleteProtection]);
  return row!.id;
}

const FIND: Statement = { name: 'projects.find', text: `select ${COLUMNS} from projects p where p.id = $1` };

export async function findProject(db: Db, id: string): Promise<ProjectRow | undefined> {
  return (await db.query<ProjectRow>(FIND, [id]))[0];
}

// Admins of an organization see all of its projects; everybody else those that they are a member of.
const LIST: Statement = {
  name: 'projects.list-of-actor',
  text: `
    select ${COLUMNS}
      from organization_memberships m
      join projects p on p.organization_id = m.organization_id
     where m.actor_id = $1 and m.is_active and m.status = 'accepted' and ($2::uuid is null or m.organization_id = $2)
       and (m.role = 'admin'
            or exists (select from project_memberships pm where pm.project_id = p.id and pm.actor_id = m.actor_id)
            or exists (select from group_members gm join project_memberships pm on pm.group_id = gm.group_id
                        where gm.actor_id = m.actor_id and pm.project_id = p.id))
     order by p.slug, p.id`,
};

/** The projects that an actor can see, in one organization or in all of its own. */
export async function projectsOf(db: Db, actorId: string, organizationId: string | undefined): Promise<ProjectRow[]> {
  return db.query<ProjectRow>(LIST, [actorId, organizationId ?? null]);
}

const UPDATE: Statement = {
  name: 'projects.update',
  text: `
    update projects
       set slug = coalesce($2, slug), name = coalesce($3, name), description = coalesce($4, description),
           delete_protection = coalesce($5, delete_protection),
           unresolved_references = coalesce($6, unresolved_references), updated_at = now()
     where id = $1`,
};

export async function updateProject(
  db: Db,
  id: string,
  change: {
    readonly slug?: string | undefined;
    readonly name?: string | undefined;
    readonly description?: string | null | undefined;
    readonly hasDeleteProtection?: boolean | undefined;
    readonly unresolvedReferences?: UnresolvedReferences | undefined;
  },
): Promise<void> {
  const { slug, name, description, hasDeleteProtection, unresolvedReferences } = change;
  const values = [slug, name, description, hasDeleteProtection, unresolvedReferences];
  await db.query(UPDATE, [id, ...values.map((value) => value ?? null)]);
}

const EMPTY: Statement = { name: 'projects.empty', text: 'delete from environments where project_id = $1' };
const DELETE: Statement = { name: 'projects.delete', text: 'delete from projects where id = $1' };

/** The environments first, and with them the secrets: they hold on to the project's keys, which would otherwise go before them. */
export async function deleteProject(db: Db, id: string): Promise<void> {
  await db.query(EMPTY, [id]);
  await db.query(DELETE, [id]);
}

const INSERT_MEMBER: Statement = {
  name: 'projects.insert-member',
  text: `
    with member as (
      insert into project_memberships (project_id, actor_id) values ($1, $2) returning id
    )
    insert into project_membership_roles (membership_id, role) select id, $3 from member`,
};

/** Makes an actor a member with one role. */
export async function insertProjectMember(db: Db, projectId: string, actorId: string, role: string): Promise<void> {
  await db.query(INSERT_MEMBER, [projectId, actorId, role]);
}
