import type { Rule } from '../../contracts/index.ts';
import type { Db, Statement } from '../database/database.ts';

/** Rights of one identity's membership alone. */
export interface PrivilegeRow {
  readonly id: string;
  readonly slug: string;
  readonly projectId: string;
  readonly membershipId: string;
  readonly identityId: string;
  readonly permissions: readonly Rule[];
  readonly temporaryRange: string | null;
  readonly startsAt: Date | null;
  readonly expiresAt: Date | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

const SELECT = `
  select c.id, c.slug, c.project_id as "projectId", c.membership_id as "membershipId", m.actor_id as "identityId", c.permissions,
         r.temporary_range as "temporaryRange", r.starts_at as "startsAt", r.expires_at as "expiresAt",
         c.created_at as "createdAt", c.updated_at as "updatedAt"
    from project_roles c
    join project_memberships m on m.id = c.membership_id
    join identities i on i.id = m.actor_id
    join project_membership_roles r on r.custom_role_id = c.id`;

const FIND: Statement = { name: 'privileges.find', text: `${SELECT} where c.id = $1` };

export async function findPrivilege(db: Db, id: string): Promise<PrivilegeRow | undefined> {
  return db.first<PrivilegeRow>(FIND, [id]);
}

const LIST: Statement = {
  name: 'privileges.list',
  text: `${SELECT} where c.project_id = $1 and m.actor_id = $2 order by c.slug`,
};

export async function listPrivileges(db: Db, projectId: string, identityId: string): Promise<PrivilegeRow[]> {
  return db.query<PrivilegeRow>(LIST, [projectId, identityId]);
}

const INSERT: Statement = {
  name: 'privileges.insert',
  text: `
    insert into project_roles (project_id, membership_id, slug, name, permissions)
    values ($1, $2, $3, $3, $4) returning id`,
};

export async function insertPrivilege(
  db: Db,
  privilege: Pick<PrivilegeRow, 'projectId' | 'membershipId' | 'slug' | 'permissions'>,
): Promise<string> {
  const { projectId, membershipId, slug, permissions } = privilege;
  return (await db.one<{ id: string }>(INSERT, [projectId, membershipId, slug, JSON.stringify(permissions)])).id;
}

const UNTIMED: Statement = {
  name: 'privileges.clear-time',
  text: 'delete from project_membership_roles where custom_role_id = $1',
};

/** Takes the privilege from its membership, to be given with another time. */
export async function takePrivilege(db: Db, id: string): Promise<void> {
  await db.query(UNTIMED, [id]);
}
