import type { Db, Statement } from '../database/database.ts';
import { LAST_LOGIN } from '../last-seen/store.ts';
import { AUTH_METHODS } from './store.ts';

/** A membership of an identity: in its organization, or in a project of it. */
export interface FoundRow {
  readonly id: string;
  readonly scope: Scope;
  readonly identityId: string;
  readonly name: string;
  readonly hasDeleteProtection: boolean;
  readonly authMethods: readonly string[];
  readonly projectId: string | null;
  readonly projectName: string | null;
  readonly projectSlug: string | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly lastLoginMethod: string | null;
  readonly lastLoginAt: Date | null;
  readonly roles: readonly FoundRole[];
}

export interface FoundRole {
  readonly id: string;
  readonly role: string;
  readonly customRoleId: string | null;
  readonly customRoleName: string | null;
  readonly customRoleSlug: string | null;
  readonly customRoleDescription: string | null;
  readonly temporaryRange: string | null;
  readonly startsAt: string | null;
  readonly expiresAt: string | null;
}

export type Scope = 'organization' | 'project';

/** Which memberships, and in which order; what is absent is not asked about. */
export interface Search {
  readonly scopes: readonly Scope[];
  readonly contains?: string | undefined;
  readonly names?: readonly string[] | undefined;
  readonly roles?: readonly string[] | undefined;
  readonly orderBy: 'name' | 'role';
  readonly descending: boolean;
  readonly offset: number;
  readonly limit: number;
}

const NAMED = `
  i.organization_id = $1 and ($3::text is null or strpos(lower(i.name), lower($3)) > 0) and ($4::text[] is null or i.name = any ($4))`;

// Rights of one membership alone (project_roles.membership_id) are no role of it.
const FOUND = `
  found as (
    select m.id, 'organization' as scope, i.id as identity, coalesce(c.slug, m.role) as role, m.created_at, m.updated_at,
           null::uuid as project
      from identities i
      join organization_memberships m on m.actor_id = i.id and m.organization_id = i.organization_id
      left join organization_roles c on c.id = m.custom_role_id
     where 'organization' = any ($2) and ${NAMED} and ($5::text[] is null or coalesce(c.slug, m.role) = any ($5))
    union all
    select m.id, 'project', i.id, min(coalesce(c.slug, r.role)), m.created_at, m.updated_at, m.project_id
      from identities i
      join project_memberships m on m.actor_id = i.id
      left join project_membership_roles r on r.membership_id = m.id
      left join project_roles c on c.id = r.custom_role_id
     where 'project' = any ($2) and ${NAMED} and c.membership_id is null
     group by m.id, i.id
    having $5::text[] is null or bool_or(coalesce(c.slug, r.role) = any ($5))
  )`;

const ORDER = (name: string, role: string, id: string) => `
  case when $6 = 'role' and not $7 then ${role} end, case when $6 = 'role' and $7 then ${role} end desc,
  case when not $7 then ${name} end, case when $7 then ${name} end desc, ${id}`;

const SEARCH: Statement = {
  name: 'identities.search-memberships',
  text: `
    with ${FOUND},
    page as (
      select f.*, i.name from found f join identities i on i.id = f.identity
       order by ${ORDER('i.name', 'f.role', 'f.id')} offset $8 limit $9
    )
    select f.id, f.scope, f.identity as "identityId", i.name, i.delete_protection as "hasDeleteProtection", ${AUTH_METHODS} as "authMethods",
           p.id as "projectId", p.name as "projectName", p.slug as "projectSlug", f.created_at as "createdAt", f.updated_at as "updatedAt",${LAST_LOGIN},
           case when f.scope = 'organization' then (
             select json_build_array(json_build_object('id', m.id, 'role', m.role, 'customRoleId', c.id, 'customRoleName', c.name,
                    'customRoleSlug', c.slug, 'customRoleDescription', c.description))
               from organization_memberships m left join organization_roles c on c.id = m.custom_role_id where m.id = f.id)
           else (
             select coalesce(json_agg(json_build_object('id', r.id, 'role', coalesce(r.written_as, r.role), 'customRoleId', c.id, 'customRoleName', c.name,
                    'customRoleSlug', c.slug, 'customRoleDescription', c.description, 'temporaryRange', r.temporary_range,
                    'startsAt', r.starts_at, 'expiresAt', r.expires_at) order by r.role, c.slug, r.id), '[]')
               from project_membership_roles r left join project_roles c on c.id = r.custom_role_id
              where r.membership_id = f.id and c.membership_id is null) end as roles
      from page f
      join identities i on i.id = f.identity
      join organization_memberships m on m.actor_id = i.id and m.organization_id = i.organization_id
      left join projects p on p.id = f.project
     order by ${ORDER('i.name', 'f.role', 'f.id')}`,
};

const COUNT: Statement = {
  name: 'identities.count-memberships',
  text: `with ${FOUND} select scope, count(*)::int as count from found group by scope`,
};

const valuesOf = (organizationId: string, { scopes, contains, names, roles }: Omit<Search, 'offset' | 'limit'>) => [
  organizationId,
  scopes,
  contains ?? null,
  names ?? null,
  roles ?? null,
];

/** A page of the memberships of an organization's identities. */
export async function searchMemberships(db: Db, organizationId: string, search: Search): Promise<FoundRow[]> {
  const { orderBy, descending, offset, limit } = search;
  return db.query<FoundRow>(SEARCH, [...valuesOf(organizationId, search), orderBy, descending, offset, limit]);
}

/** How many memberships match, by where they are. */
export async function countMemberships(
  db: Db,
  organizationId: string,
  search: Omit<Search, 'offset' | 'limit' | 'orderBy' | 'descending'>,
): Promise<Partial<Record<Scope, number>>> {
  const values = valuesOf(organizationId, { orderBy: 'name', descending: false, ...search });
  const rows = await db.query<{ scope: Scope; count: number }>(COUNT, values);
  return Object.fromEntries(rows.map(({ scope, count }) => [scope, count]));
}
