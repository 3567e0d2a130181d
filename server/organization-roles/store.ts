import type { Rule, ShownOrganizationRole } from '../../contracts/index.ts';
import type { Db, Statement } from '../database/database.ts';
import { CUSTOM_ROLE, type CustomRole } from '../organizations/members-store.ts';
import { type RoleChange, type RoleWording, wordingValues } from '../roles/wording.ts';

/** A role of an organization. */
export interface OrganizationRoleRow extends RoleWording {
  readonly id: string;
  readonly organizationId: string;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

const COLUMNS = `
  r.id, r.organization_id as "organizationId", r.slug, r.name, r.description, r.permissions,
  r.created_at as "createdAt", r.updated_at as "updatedAt"`;

const LIST: Statement = {
  name: 'organization-roles.list',
  text: `select ${COLUMNS} from organization_roles r where r.organization_id = $1 order by r.slug`,
};

export async function listRoles(db: Db, organizationId: string): Promise<OrganizationRoleRow[]> {
  return db.query<OrganizationRoleRow>(LIST, [organizationId]);
}

const FIND: Statement = {
  name: 'organization-roles.find',
  text: `select ${COLUMNS} from organization_roles r where r.id = $1`,
};

export async function findRole(db: Db, id: string): Promise<OrganizationRoleRow | undefined> {
  return db.first<OrganizationRoleRow>(FIND, [id]);
}

const LOCK: Statement = { name: 'organization-roles.lock', text: `${FIND.text} for update` };

/** A role that is about to be edited: whoever gives it at this moment waits, and then compares the new wording. */
export async function lockRole(tx: Db, id: string): Promise<OrganizationRoleRow | undefined> {
  return tx.first<OrganizationRoleRow>(LOCK, [id]);
}

const FIND_BY_SLUG: Statement = {
  name: 'organization-roles.find-by-slug',
  text: `select ${COLUMNS} from organization_roles r where r.organization_id = $1 and r.slug = $2 for share`,
};

/** A role by its slug, in the wording that stays until this transaction ends. */
export async function findRoleBySlug(
  db: Db,
  organizationId: string,
  slug: string,
): Promise<OrganizationRoleRow | undefined> {
  return db.first<OrganizationRoleRow>(FIND_BY_SLUG, [organizationId, slug]);
}

const INSERT: Statement = {
  name: 'organization-roles.insert',
  text: `
    insert into organization_roles as r (organization_id, slug, name, description, permissions) values ($1, $2, $3, $4, $5)
    returning ${COLUMNS}`,
};

export async function insertRole(db: Db, organizationId: string, role: RoleWording): Promise<OrganizationRoleRow> {
  return db.one<OrganizationRoleRow>(INSERT, [organizationId, ...wordingValues(role)]);
}

const UPDATE: Statement = {
  name: 'organization-roles.update',
  text: `
    update organization_roles r
       set slug = coalesce($2, slug), name = coalesce($3, name), description = coalesce($4, description),
           permissions = coalesce($5::jsonb, permissions)
     where id = $1 returning ${COLUMNS}`,
};

export async function updateRole(db: Db, id: string, change: RoleChange): Promise<OrganizationRoleRow> {
  return db.one<OrganizationRoleRow>(UPDATE, [id, ...wordingValues(change)]);
}

const COUNT_HOLDERS: Statement = {
  name: 'organization-roles.count-holders',
  text: 'select count(*)::int as count from organization_memberships where custom_role_id = $1',
};

/** How many people and identities have the role. */
export async function countHolders(db: Db, id: string): Promise<number> {
  return (await db.one<{ count: number }>(COUNT_HOLDERS, [id])).count;
}

const DELETE: Statement = { name: 'organization-roles.delete', text: 'delete from organization_roles where id = $1' };

export async function deleteRole(db: Db, id: string): Promise<void> {
  await db.query(DELETE, [id]);
}

/** A role as somebody holds it. */
export interface HeldRoleRow {
  readonly role: ShownOrganizationRole;
  readonly customRole: CustomRole | null;
  /** Of a custom role. */
  readonly permissions: readonly Rule[] | null;
}

const ROLE_OF: Statement = {
  name: 'organization-roles.of-member',
  text: `
    select m.role, ${CUSTOM_ROLE} as "customRole", c.permissions
      from organization_memberships m left join organization_roles c on c.id = m.custom_role_id
     where m.organization_id = $1 and m.actor_id = $2`,
};

/** The role that somebody has in an organization, whether the membership counts or not. */
export async function roleOf(db: Db, organizationId: string, actorId: string): Promise<HeldRoleRow | undefined> {
  return db.first<HeldRoleRow>(ROLE_OF, [organizationId, actorId]);
}
