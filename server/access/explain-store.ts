import type { Rule } from '../../contracts/index.ts';
import type { Db, Statement } from '../database/database.ts';

/** Somebody of an organization. */
export interface SubjectRow {
  readonly id: string;
  readonly kind: 'user' | 'identity';
  readonly name: string;
  readonly organizationRole: string;
  /** False while an invitation is open, and after the membership was switched off. */
  readonly belongs: boolean;
}

const FIND: Statement = {
  name: 'explain.find-actor',
  text: `
    select x.id, x.kind, coalesce(i.name, u.email) as name, m.role as "organizationRole",
           m.is_active and m.status = 'accepted' as belongs
      from organization_memberships m
      join actors x on x.id = m.actor_id
      left join identities i on i.id = x.id
      left join users u on u.id = x.id
     where m.organization_id = $1 and m.actor_id = $2`,
};

export async function findActor(db: Db, organizationId: string, actorId: string): Promise<SubjectRow | undefined> {
  return db.first<SubjectRow>(FIND, [organizationId, actorId]);
}

/** A role that somebody has in a project, and where it comes from. */
export interface HeldRoleRow {
  readonly role: string;
  readonly permissions: readonly Rule[] | null;
  readonly environments: string[] | null;
  readonly active: boolean;
  readonly startsAt: Date | null;
  readonly endsAt: Date | null;
  readonly membershipId: string;
  readonly groupId: string | null;
  readonly groupName: string | null;
  /** A right of this one membership, and no role. */
  readonly isPrivilege: boolean;
}

const HELD: Statement = {
  name: 'explain.held-roles',
  text: `
    select coalesce(c.slug, r.role) as role, c.permissions, r.environments,
           r.expires_at is null or now() between r.starts_at and r.expires_at as active,
           r.starts_at as "startsAt", r.expires_at as "endsAt", m.id as "membershipId", g.id as "groupId", g.name as "groupName",
           c.membership_id is not null as "isPrivilege"
      from project_memberships m
      join project_membership_roles r on r.membership_id = m.id
      left join project_roles c on c.id = r.custom_role_id
      left join groups g on g.id = m.group_id
     where m.project_id = $1
       and (m.actor_id = $2 or m.group_id in (select group_id from group_members where actor_id = $2))
     order by g.name nulls first, role, r.id`,
};

export async function heldRoles(db: Db, projectId: string, actorId: string): Promise<HeldRoleRow[]> {
  return db.query<HeldRoleRow>(HELD, [projectId, actorId]);
}
