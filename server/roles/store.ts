import type { Db, Statement } from '../database/database.ts';
import { type RoleChange, type RoleWording, wordingValues } from './wording.ts';

/** A custom role of a project. */
export interface RoleRow extends RoleWording {
  readonly id: string;
  readonly projectId: string;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

const COLUMNS = `
  r.id, r.project_id as "projectId", r.slug, r.name, r.description, r.permissions,
  r.created_at as "createdAt", r.updated_at as "updatedAt"`;

const LIST: Statement = {
  name: 'roles.list',
  text: `select ${COLUMNS} from project_roles r where r.project_id = $1 and r.membership_id is null order by r.slug`,
};

export async function listRoles(db: Db, projectId: string): Promise<RoleRow[]> {
  return db.query<RoleRow>(LIST, [projectId]);
}

const LIST_OF: Statement = {
  name: 'roles.list-of-projects',
  text: `select ${COLUMNS} from project_roles r where r.project_id = any ($1::uuid[]) and r.membership_id is null order by r.slug`,
};

/** The roles that several projects have of their own. */
export async function listRolesOf(db: Db, projectIds: readonly string[]): Promise<RoleRow[]> {
  return db.query<RoleRow>(LIST_OF, [projectIds]);
}

const FIND: Statement = {
  name: 'roles.find',
  text: `select ${COLUMNS} from project_roles r where r.id = $1 and r.membership_id is null`,
};

export async function findRole(db: Db, id: string): Promise<RoleRow | undefined> {
  return db.first<RoleRow>(FIND, [id]);
}

const FIND_BY_SLUGS: Statement = {
  name: 'roles.find-by-slugs',
  text: `select ${COLUMNS} from project_roles r where r.project_id = $1 and r.membership_id is null and r.slug = any($2::text[])`,
};

export async function findRolesBySlug(db: Db, projectId: string, slugs: readonly string[]): Promise<RoleRow[]> {
  return db.query<RoleRow>(FIND_BY_SLUGS, [projectId, slugs]);
}

const INSERT: Statement = {
  name: 'roles.insert',
  text: `
    insert into project_roles as r (project_id, slug, name, description, permissions) values ($1, $2, $3, $4, $5)
    returning ${COLUMNS}`,
};

export async function insertRole(db: Db, projectId: string, role: RoleWording): Promise<RoleRow> {
  return db.one<RoleRow>(INSERT, [projectId, ...wordingValues(role)]);
}

const UPDATE: Statement = {
  name: 'roles.update',
  text: `
    update project_roles r
       set slug = coalesce($2, slug), name = coalesce($3, name), description = coalesce($4, description),
           permissions = coalesce($5::jsonb, permissions)
     where id = $1 returning ${COLUMNS}`,
};

export async function updateRole(db: Db, id: string, change: RoleChange): Promise<RoleRow> {
  return db.one<RoleRow>(UPDATE, [id, ...wordingValues(change)]);
}

const COUNT_HOLDERS: Statement = {
  name: 'roles.count-holders',
  text: 'select count(distinct membership_id)::int as count from project_membership_roles where custom_role_id = $1',
};

/** How many memberships have the role. */
export async function countHolders(db: Db, id: string): Promise<number> {
  return (await db.one<{ count: number }>(COUNT_HOLDERS, [id])).count;
}

const DELETE: Statement = { name: 'roles.delete', text: 'delete from project_roles where id = $1' };

export async function deleteRole(db: Db, id: string): Promise<void> {
  await db.query(DELETE, [id]);
}
