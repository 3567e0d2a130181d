import type { Rule } from '../../contracts/index.ts';
import type { Db, Statement } from '../database/database.ts';
import { AUTH_METHODS } from '../identities/store.ts';

/** Who a membership in a project is of. */
export interface Holder {
  readonly kind: 'identity' | 'user' | 'group';
  readonly id: string;
}

interface MembershipRoleRow {
  readonly id: string;
  readonly role: string;
  readonly customRoleId: string | null;
  readonly customRoleName: string | null;
  readonly customRoleSlug: string | null;
  readonly environments: string[] | null;
  readonly temporaryRange: string | null;
  readonly startsAt: string | null;
  readonly expiresAt: string | null;
  readonly createdAt: string;
  readonly updatedAt: string;
}

/** A membership in a project, of whomever it is. */
export interface MembershipRow {
  readonly id: string;
  readonly projectId: string;
  readonly projectName: string;
  readonly projectSlug: string;
  readonly organizationId: string;
  readonly holderId: string;
  /** An identity's name, a person's e-mail address, a group's name. */
  readonly name: string;
  /** Of groups. */
  readonly slug: string | null;
  /** Of people. */
  readonly firstName: string;
  readonly lastName: string;
  /** Of identities. */
  readonly authMethods: string[];
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly roles: MembershipRoleRow[];
}

// Rights of one membership alone (project_roles.membership_id) are shown and changed at their own address.
const SELECT = `
  select m.id, m.project_id as "projectId", p.name as "projectName", p.slug as "projectSlug", p.organization_id as "organizationId",
         coalesce(m.actor_id, m.group_id) as "holderId",
         coalesce(i.name, u.email, g.name) as name, g.slug, coalesce(u.first_name, '') as "firstName",
         coalesce(u.last_name, '') as "lastName",
         ${AUTH_METHODS} as "authMethods",
         m.created_at as "createdAt", m.updated_at as "updatedAt",
         (select coalesce(json_agg(json_build_object('id', r.id, 'role', coalesce(r.written_as, r.role), 'environments', r.environments,
                 'customRoleId', c.id, 'customRoleName', c.name, 'customRoleSlug', c.slug,
                 'temporaryRange', r.temporary_range, 'startsAt', r.starts_at, 'expiresAt', r.expires_at,
                 'createdAt', r.created_at, 'updatedAt', r.updated_at)
                 order by r.role, c.slug, r.id), '[]')
            from project_membership_roles r left join project_roles c on c.id = r.custom_role_id
           where r.membership_id = m.id and c.membership_id is null) as roles
    from project_memberships m
    join projects p on p.id = m.project_id
    left join identities i on i.id = m.actor_id
    left join users u on u.id = m.actor_id
    left join groups g on g.id = m.group_id`;

/** What a membership of a kind has: `$2` of each statement below. */
const OF_KIND = `case $2 when 'identity' then i.id when 'user' then u.id else g.id end is not null`;

const FIND: Statement = {
  name: 'memberships.find',
  text: `${SELECT} where m.project_id = $1 and ${OF_KIND} and (m.actor_id = $3 or m.group_id = $3)`,
};

export async function findMembershipOf(db: Db, projectId: string, holder: Holder): Promise<MembershipRow | undefined> {
  return db.first<MembershipRow>(FIND, [projectId, holder.kind, holder.id]);
}

const FIND_BY_ID: Statement = {
  name: 'memberships.find-by-id',
  text: `${SELECT} where m.project_id = $1 and ${OF_KIND} and m.id = $3`,
};

export async function findMembership(
  db: Db,
  projectId: string,
  kind: Holder['kind'],
  id: string,
): Promise<MembershipRow | undefined> {
  return db.first<MembershipRow>(FIND_BY_ID, [projectId, kind, id]);
}

/** Which members, and in which order; what is absent is not asked about. */
export interface MembershipFilter {
  readonly search?: string | undefined;
  /** By slug; members with one of them. */
  readonly roles?: readonly string[] | undefined;
  readonly offset: number;
  readonly limit: number;
  readonly descending?: boolean | undefined;
}

const NAME = 'coalesce(i.name, u.email, g.name)';
const MATCHES = `
  m.project_id = $1 and ${OF_KIND} and ($3::text is null or strpos(lower(${NAME}), lower($3)) > 0)
  and ($4::text[] is null or exists (
    select from project_membership_roles r left join project_roles c on c.id = r.custom_role_id
     where r.membership_id = m.id and c.membership_id is null and coalesce(c.slug, r.role) = any ($4)))`;
const ORDER = (name: string, id: string) =>
  `case when not $5 then ${name} end, case when $5 then ${name} end desc, ${id}`;

// Counted apart from the page, since a page beyond the last one has no row to carry the number.
const LIST: Statement = {
  name: 'memberships.list',
  text: `
    with counted as (
      select count(*)::int as "totalCount"
        from project_memberships m
        left join identities i on i.id = m.actor_id
        left join users u on u.id = m.actor_id
        left join groups g on g.id = m.group_id
       where ${MATCHES}
    )
    select page.*, "totalCount"
      from counted
      left join (${SELECT} where ${MATCHES} order by ${ORDER(NAME, 'm.id')} offset $6 limit $7) page on true
     order by ${ORDER('page.name', 'page.id')}`,
};

const ALL: MembershipFilter = { offset: 0, limit: 1_000_000 };

/** Members of a kind, with how many match in all. */
export async function listMemberships(
  db: Db,
  projectId: string,
  kind: Holder['kind'],
  { search, roles, offset, limit, descending }: MembershipFilter = ALL,
): Promise<{ rows: MembershipRow[]; totalCount: number }> {
  const values = [projectId, kind, search ?? null, roles ?? null, descending ?? false, offset, limit];
  const rows = await db.query<MembershipRow & { readonly totalCount: number }>(LIST, values);
  return { rows: rows.filter(({ id }) => id !== null), totalCount: rows[0]!.totalCount };
}

const PROJECT_OF: Statement = {
  name: 'memberships.project-of',
  text: 'select project_id as id from project_memberships where id = $1',
};

/** The project that a membership is in. */
export async function projectOfMembership(db: Db, id: string): Promise<string | undefined> {
  return (await db.first<{ id: string }>(PROJECT_OF, [id]))?.id;
}

const LIST_OF_HOLDER: Statement = {
  name: 'memberships.list-of-holder',
  text: `${SELECT} where m.actor_id = $1 or m.group_id = $1 order by p.slug, p.id`,
};

/** The memberships of one holder in all projects, of whichever organization. */
export async function listMembershipsOf(db: Db, holderId: string): Promise<MembershipRow[]> {
  return db.query<MembershipRow>(LIST_OF_HOLDER, [holderId]);
}

const INSERT: Statement = {
  name: 'memberships.insert',
  text: `
    insert into project_memberships (project_id, actor_id, group_id)
    values ($1, case when $2 <> 'group' then $3::uuid end, case when $2 = 'group' then $3::uuid end) returning id`,
};

export async function insertMembership(db: Db, projectId: string, holder: Holder): Promise<string> {
  const row = await db.one<{ id: string }>(INSERT, [projectId, holder.kind, holder.id]);
  return row.id;
}

const CLEAR_ROLES: Statement = {
  name: 'memberships.clear-roles',
  text: `
    delete from project_membership_roles
     where membership_id = $1
       and (custom_role_id is null or custom_role_id in (select id from project_roles where membership_id is null))`,
};
const INSERT_ROLES: Statement = {
  name: 'memberships.insert-roles',
  text: `
    insert into project_membership_roles
           (membership_id, role, custom_role_id, environments, temporary_range, starts_at, expires_at, written_as)
    select $1, role, custom, case when environments is not null then array(select jsonb_array_elements_text(environments)) end,
           range, case when range is not null then coalesce(start, now()) end,
           case when range is not null then coalesce(start, now()) + seconds * interval '1 second' end, written_as
      from unnest($2::text[], $3::jsonb[], $4::text[], $5::timestamptz[], $6::int[], $7::uuid[],
                  $8::text[])
        as given (role, environments, range, start, seconds, custom, written_as)`,
};

export interface RoleWrite {
  readonly role: string;
  readonly customRoleId: string | null;
  /** By which other name it was given. @default the role's own */
  readonly writtenAs?: 'member' | undefined;
  readonly environments: readonly string[] | null;
  readonly temporary: { readonly range: string; readonly start: string | null; readonly seconds: number } | null;
}

/** Gives a membership exactly these roles, and leaves the rights that are its alone. */
export async function replaceRoles(tx: Db, membershipId: string, roles: readonly RoleWrite[]): Promise<void> {
  await tx.query(CLEAR_ROLES, [membershipId]);
  await addRoles(tx, membershipId, roles);
}

export async function addRoles(tx: Db, membershipId: string, roles: readonly RoleWrite[]): Promise<void> {
  await tx.query(INSERT_ROLES, [
    membershipId,
    roles.map(({ role }) => role),
    roles.map(({ environments }) => (environments === null ? null : JSON.stringify(environments))),
    roles.map(({ temporary }) => temporary?.range ?? null),
    roles.map(({ temporary }) => temporary?.start ?? null),
    roles.map(({ temporary }) => temporary?.seconds ?? null),
    roles.map(({ customRoleId }) => customRoleId),
    roles.map(({ writtenAs }) => writtenAs ?? null),
  ]);
}

/** A role of a membership with what it says, whether it is on time or has run out. */
export interface HeldRow {
  readonly role: string;
  readonly environments: readonly string[] | null;
  readonly permissions: readonly Rule[] | null;
}

const HELD: Statement = {
  name: 'memberships.held',
  text: `
    select r.role, r.environments, c.permissions
      from project_membership_roles r left join project_roles c on c.id = r.custom_role_id
     where r.membership_id = $1`,
};

/** All that a membership holds, its own rights too. */
export async function heldBy(tx: Db, membershipId: string): Promise<HeldRow[]> {
  return tx.query<HeldRow>(HELD, [membershipId]);
}

const DELETE: Statement = { name: 'memberships.delete', text: 'delete from project_memberships where id = $1' };

export async function deleteMembership(db: Db, membershipId: string): Promise<void> {
  await db.query(DELETE, [membershipId]);
}
