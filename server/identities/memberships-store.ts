import type { Db, Statement } from '../database/database.ts';

interface MembershipRoleRow {
  readonly id: string;
  readonly role: string;
  readonly environments: string[] | null;
  readonly temporaryRange: string | null;
  readonly startsAt: string | null;
  readonly expiresAt: string | null;
}

/** A machine identity's membership in a project. */
export interface ProjectIdentityRow {
  readonly id: string;
  readonly projectId: string;
  readonly projectName: string;
  readonly identityId: string;
  readonly identityName: string;
  readonly hasUniversalAuth: boolean;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly roles: MembershipRoleRow[];
}

const SELECT = `
  select m.id, m.project_id as "projectId", p.name as "projectName", i.id as "identityId", i.name as "identityName",
         exists (select from universal_auths ua where ua.identity_id = i.id) as "hasUniversalAuth",
         m.created_at as "createdAt", m.updated_at as "updatedAt",
         (select coalesce(json_agg(json_build_object('id', r.id, 'role', r.role, 'environments', r.environments,
                 'temporaryRange', r.temporary_range, 'startsAt', r.starts_at, 'expiresAt', r.expires_at) order by r.role, r.id), '[]')
            from project_membership_roles r where r.membership_id = m.id) as roles
    from project_memberships m
    join projects p on p.id = m.project_id
    join identities i on i.id = m.actor_id`;

const FIND: Statement = {
  name: 'identity-memberships.find',
  text: `${SELECT} where m.project_id = $1 and m.actor_id = $2`,
};

export async function findProjectIdentity(
  db: Db,
  projectId: string,
  identityId: string,
): Promise<ProjectIdentityRow | undefined> {
  return (await db.query<ProjectIdentityRow>(FIND, [projectId, identityId]))[0];
}

const LIST_OF_PROJECT: Statement = {
  name: 'identity-memberships.list-of-project',
  text: `${SELECT} where m.project_id = $1 order by i.name, i.id`,
};

export async function listProjectIdentities(db: Db, projectId: string): Promise<ProjectIdentityRow[]> {
  return db.query<ProjectIdentityRow>(LIST_OF_PROJECT, [projectId]);
}

const LIST_OF_IDENTITY: Statement = {
  name: 'identity-memberships.list-of-identity',
  text: `${SELECT} where m.actor_id = $1 order by p.slug, p.id`,
};

export async function listMembershipsOfIdentity(db: Db, identityId: string): Promise<ProjectIdentityRow[]> {
  return db.query<ProjectIdentityRow>(LIST_OF_IDENTITY, [identityId]);
}

const INSERT: Statement = {
  name: 'identity-memberships.insert',
  text: 'insert into project_memberships (project_id, actor_id) values ($1, $2) returning id',
};

export async function insertProjectIdentity(db: Db, projectId: string, identityId: string): Promise<string> {
  const [row] = await db.query<{ id: string }>(INSERT, [projectId, identityId]);
  return row!.id;
}

const CLEAR_ROLES: Statement = {
  name: 'identity-memberships.clear-roles',
  text: 'delete from project_membership_roles where membership_id = $1',
};
const INSERT_ROLES: Statement = {
  name: 'identity-memberships.insert-roles',
  text: `
    insert into project_membership_roles (membership_id, role, environments, temporary_range, starts_at, expires_at)
    select $1, role, case when environments is not null then array(select jsonb_array_elements_text(environments)) end, range,
           case when range is not null then coalesce(start, now()) end,
           case when range is not null then coalesce(start, now()) + seconds * interval '1 second' end
      from unnest($2::text[], $3::jsonb[], $4::text[], $5::timestamptz[], $6::int[]) as given (role, environments, range, start, seconds)`,
};

export interface RoleWrite {
  readonly role: string;
  readonly environments: readonly string[] | null;
  readonly temporary: { readonly range: string; readonly start: string | null; readonly seconds: number } | null;
}

/** Gives a membership exactly these roles. */
export async function replaceRoles(tx: Db, membershipId: string, roles: readonly RoleWrite[]): Promise<void> {
  await tx.query(CLEAR_ROLES, [membershipId]);
  await tx.query(INSERT_ROLES, [
    membershipId,
    roles.map(({ role }) => role),
    roles.map(({ environments }) => (environments === null ? null : JSON.stringify(environments))),
    roles.map(({ temporary }) => temporary?.range ?? null),
    roles.map(({ temporary }) => temporary?.start ?? null),
    roles.map(({ temporary }) => temporary?.seconds ?? null),
  ]);
}

const DELETE: Statement = {
  name: 'identity-memberships.delete',
  text: 'delete from project_memberships where id = $1',
};

export async function deleteProjectIdentity(db: Db, membershipId: string): Promise<void> {
  await db.query(DELETE, [membershipId]);
}
