import type { OrganizationMembership, ShownOrganizationRole } from '../../contracts/index.ts';
import type { Db, Statement } from '../database/database.ts';
import { LAST_LOGIN } from '../last-seen/store.ts';

/** The organization's own role that a membership names. */
export type CustomRole = NonNullable<OrganizationMembership['customRole']>;

export interface MemberRow {
  readonly id: string;
  readonly organizationId: string;
  readonly userId: string;
  readonly role: ShownOrganizationRole;
  readonly customRole: CustomRole | null;
  readonly status: 'invited' | 'accepted';
  readonly isActive: boolean;
  readonly email: string;
  readonly firstName: string;
  readonly lastName: string;
  readonly lastLoginMethod: string | null;
  readonly lastLoginAt: Date | null;
}

/**
 * The custom role of membership `m`, as an expression. Not what it allows: that is for those who may read roles, and as large as its
 * author liked, once for each who holds it.
 */
export const CUSTOM_ROLE =
  "(select json_build_object('id', c.id, 'name', c.name, 'slug', c.slug, 'description', c.description) from organization_roles c where c.id = m.custom_role_id)";

const COLUMNS = `
  m.id, m.organization_id as "organizationId", u.id as "userId", m.role, m.status, m.is_active as "isActive", u.email,
  u.first_name as "firstName", u.last_name as "lastName", ${CUSTOM_ROLE} as "customRole",${LAST_LOGIN}`;

const LIST: Statement = {
  name: 'members.list',
  text: `
    select ${COLUMNS} from organization_memberships m join users u on u.id = m.actor_id
     where m.organization_id = $1 order by u.email`,
};

/** The people of an organization. */
export async function listMembers(db: Db, organizationId: string): Promise<MemberRow[]> {
  return db.query<MemberRow>(LIST, [organizationId]);
}

const FIND: Statement = {
  name: 'members.find',
  text: `
    select ${COLUMNS} from organization_memberships m join users u on u.id = m.actor_id
     where m.organization_id = $1 and m.id = $2`,
};

export async function findMember(db: Db, organizationId: string, membershipId: string): Promise<MemberRow | undefined> {
  return db.first<MemberRow>(FIND, [organizationId, membershipId]);
}

const FIND_BY_EMAIL: Statement = {
  name: 'members.find-by-email',
  text: `
    select ${COLUMNS} from organization_memberships m join users u on u.id = m.actor_id
     where m.organization_id = $1 and u.email = $2`,
};

export async function findMemberByEmail(db: Db, organizationId: string, email: string): Promise<MemberRow | undefined> {
  return db.first<MemberRow>(FIND_BY_EMAIL, [organizationId, email]);
}

const FIND_USER: Statement = { name: 'members.find-user', text: 'select id from users where email = $1' };
const INSERT_ACTOR: Statement = {
  name: 'members.insert-actor',
  text: "insert into actors (kind) values ('user') returning id",
};
const INSERT_USER: Statement = { name: 'members.insert-user', text: 'insert into users (id, email) values ($1, $2)' };

/** The account of an e-mail address, made if there is none: it has no password, so nobody can log in with it yet. */
export async function ensureUser(tx: Db, email: string): Promise<string> {
  const known = await tx.first<{ id: string }>(FIND_USER, [email]);
  if (known) return known.id;
  const actor = await tx.one<{ id: string }>(INSERT_ACTOR, []);
  await tx.query(INSERT_USER, [actor.id, email]);
  return actor.id;
}

const INSERT: Statement = {
  name: 'members.insert',
  text: `insert into organization_memberships (organization_id, actor_id, role, status, custom_role_id) values ($1, $2, $3, $4, $5) returning id`,
};

/** Makes an actor, a person or a machine, a member. */
export async function insertMembership(
  db: Db,
  membership: {
    readonly organizationId: string;
    readonly actorId: string;
    readonly role: string;
    readonly status: 'invited' | 'accepted';
    readonly customRoleId?: string | null;
  },
): Promise<string> {
  const { organizationId, actorId, role, status, customRoleId = null } = membership;
  const row = await db.one<{ id: string }>(INSERT, [organizationId, actorId, role, status, customRoleId]);
  return row.id;
}

const UPDATE_MEMBER: Statement = {
  name: 'members.update',
  text: `
    update organization_memberships set role = coalesce($3, role), custom_role_id = case when $3::text is null then custom_role_id else $5::uuid end,
           is_active = coalesce($4, is_active), updated_at = now()
     where organization_id = $1 and id = $2`,
};

/** Changes a membership's role, or whether it gives anything. */
export async function updateMembership(
  db: Db,
  organizationId: string,
  membershipId: string,
  change: {
    readonly role?: string | undefined;
    readonly customRoleId?: string | null | undefined;
    readonly isActive?: boolean | undefined;
  },
): Promise<void> {
  await db.query(UPDATE_MEMBER, [
    organizationId,
    membershipId,
    change.role ?? null,
    change.isActive ?? null,
    change.customRoleId ?? null,
  ]);
}

// A person who leaves an organization leaves its projects with it.
const LEAVE_PROJECTS: Statement = {
  name: 'members.leave-projects',
  text: `
    delete from project_memberships pm using projects p
     where p.id = pm.project_id and p.organization_id = $1 and pm.actor_id = $2`,
};
const LEAVE_SSO: Statement = {
  name: 'members.leave-sso',
  text: `
    with links as (delete from one_time_links where organization_id = $1 and user_id = $2)
    delete from sso_identities where organization_id = $1 and user_id = $2`,
};
const DELETE: Statement = {
  name: 'members.delete',
  text: 'delete from organization_memberships where organization_id = $1 and actor_id = $2',
};

export async function deleteMembership(tx: Db, organizationId: string, actorId: string): Promise<void> {
  await tx.query(LEAVE_PROJECTS, [organizationId, actorId]);
  await tx.query(LEAVE_SSO, [organizationId, actorId]);
  await tx.query(DELETE, [organizationId, actorId]);
}

const LOCK_ADMINS: Statement = {
  name: 'members.lock-admins',
  text: "select actor_id as id from organization_memberships where organization_id = $1 and role = 'admin' and is_active and status = 'accepted' for update",
};

/** The admins of an organization, locked: the last one cannot be taken away by two at once. */
export async function lockAdmins(tx: Db, organizationId: string): Promise<string[]> {
  return (await tx.query<{ id: string }>(LOCK_ADMINS, [organizationId])).map(({ id }) => id);
}
