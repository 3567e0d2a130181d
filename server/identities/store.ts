import type { ShownOrganizationRole } from '../../contracts/index.ts';
import type { Db, Statement } from '../database/database.ts';
import { LAST_LOGIN } from '../last-seen/store.ts';
import { CUSTOM_ROLE, type CustomRole } from '../organizations/members-store.ts';

/** A machine identity as a member of its organization. */
export interface IdentityRow {
  readonly id: string;
  readonly organizationId: string;
  readonly name: string;
  /** Every login that the identity has, Universal Auth first. */
  readonly authMethods: string[];
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly membershipId: string;
  readonly role: ShownOrganizationRole;
  readonly customRole: CustomRole | null;
  readonly instanceAdmin: boolean;
  readonly hasDeleteProtection: boolean;
  readonly metadata: IdentityMetadata;
  readonly lastLoginMethod: string | null;
  readonly lastLoginAt: Date | null;
}

export type IdentityMetadata = readonly { readonly key: string; readonly value: string }[];

/** The logins of identity `i`, as an expression. */
export const AUTH_METHODS = `
  array(select 'universal-auth' from universal_auths ua where ua.identity_id = i.id)
  || array(select ml.method from machine_logins ml where ml.identity_id = i.id order by ml.method)`;

const COLUMNS = `
  i.id, i.organization_id as "organizationId", i.name, a.created_at as "createdAt", a.updated_at as "updatedAt",
  m.id as "membershipId", m.role, ${CUSTOM_ROLE} as "customRole", a.instance_admin as "instanceAdmin",
  i.delete_protection as "hasDeleteProtection", i.metadata, ${AUTH_METHODS} as "authMethods",${LAST_LOGIN}`;
const FROM = `
  from identities i join actors a on a.id = i.id
  join organization_memberships m on m.actor_id = i.id and m.organization_id = i.organization_id`;

const INSERT: Statement = {
  name: 'identities.insert',
  text: `
    with actor as (insert into actors (kind, instance_admin) values ('identity', $4) returning id),
    made as (insert into identities (id, organization_id, name, delete_protection, metadata) select id, $1, $2, $5, $6 from actor),
    member as (insert into organization_memberships (organization_id, actor_id, role, custom_role_id) select $1, id, $3, $7 from actor)
    select id from actor`,
};

export async function insertIdentity(
  db: Db,
  identity: {
    readonly organizationId: string;
    readonly name: string;
    readonly role: string;
    readonly instanceAdmin: boolean;
    /** @default false */
    readonly hasDeleteProtection?: boolean;
    /** @default [] */
    readonly metadata?: IdentityMetadata;
    /** @default null */
    readonly customRoleId?: string | null;
  },
): Promise<string> {
  const { organizationId, name, role, instanceAdmin, hasDeleteProtection = false, metadata = [] } = identity;
  const custom = identity.customRoleId ?? null;
  const values = [organizationId, name, role, instanceAdmin, hasDeleteProtection, JSON.stringify(metadata), custom];
  const row = await db.one<{ id: string }>(INSERT, values);
  return row.id;
}

const FIND: Statement = { name: 'identities.find', text: `select ${COLUMNS} ${FROM} where i.id = $1` };

export async function findIdentity(db: Db, id: string): Promise<IdentityRow | undefined> {
  return db.first<IdentityRow>(FIND, [id]);
}

/** Which identities of an organization, and in which order; what is absent is not asked about. */
export interface IdentityFilter {
  readonly offset: number;
  readonly limit: number;
  readonly contains?: string | undefined;
  readonly names?: readonly string[] | undefined;
  readonly roles?: readonly string[] | undefined;
  readonly orderBy?: 'name' | 'role' | undefined;
  readonly descending?: boolean | undefined;
}

const MATCHES = `
  i.organization_id = $1 and ($2::text is null or strpos(lower(i.name), lower($2)) > 0)
  and ($3::text[] is null or i.name = any ($3)) and ($4::text[] is null or m.role = any ($4))`;
const ORDER = (name: string, role: string, id: string) => `
  case when $5 = 'role' and not $6 then ${role} end, case when $5 = 'role' and $6 then ${role} end desc,
  case when not $6 then ${name} end, case when $6 then ${name} end desc, ${id}`;

// Counted apart from the page, since a page beyond the last one has no row to carry the number.
const LIST: Statement = {
  name: 'identities.list',
  text: `
    with counted as (select count(*)::int as "totalCount" ${FROM} where ${MATCHES})
    select page.*, "totalCount"
      from counted
      left join (select ${COLUMNS} ${FROM} where ${MATCHES}
                  order by ${ORDER('i.name', 'm.role', 'i.id')} offset $7 limit $8) page on true
     order by ${ORDER('page.name', 'page.role', 'page.id')}`,
};

/** A page of an organization's identities, with how many there are in all. */
export async function listIdentities(db: Db, organizationId: string, filter: IdentityFilter) {
  type Row = { [Column in keyof IdentityRow]: IdentityRow[Column] | null } & { totalCount: number };
  const { contains = null, names = null, roles = null, orderBy = 'name', descending = false, offset, limit } = filter;
  const values = [organizationId, contains, names, roles, orderBy, descending, offset, limit];
  const rows = await db.query<Row>(LIST, values);
  return { rows: rows.filter((row): row is Row & IdentityRow => row.id !== null), totalCount: rows[0]!.totalCount };
}

const UPDATE: Statement = {
  name: 'identities.update',
  text: `
    with touched as (update actors set updated_at = now() where id = $1)
    update identities
       set name = coalesce($2, name), delete_protection = coalesce($3, delete_protection), metadata = coalesce($4, metadata)
     where id = $1`,
};

/** Changes what is given, and leaves the rest. */
export async function updateIdentity(
  db: Db,
  id: string,
  change: {
    readonly name?: string | undefined;
    readonly hasDeleteProtection?: boolean | undefined;
    readonly metadata?: IdentityMetadata | undefined;
  },
): Promise<void> {
  const { name = null, hasDeleteProtection = null, metadata } = change;
  await db.query(UPDATE, [id, name, hasDeleteProtection, metadata === undefined ? null : JSON.stringify(metadata)]);
}

const SET_ROLE: Statement = {
  name: 'identities.set-role',
  text: `
    update organization_memberships m set role = $2, custom_role_id = $3, updated_at = now()
      from identities i where i.id = $1 and m.actor_id = i.id and m.organization_id = i.organization_id`,
};

export async function setIdentityRole(
  db: Db,
  id: string,
  { role, customRoleId }: { readonly role: string; readonly customRoleId: string | null },
): Promise<void> {
  await db.query(SET_ROLE, [id, role, customRoleId]);
}

const DELETE: Statement = { name: 'identities.delete', text: 'delete from actors where id = $1' };

/** Deletes an identity with its logins, tokens and memberships. */
export async function deleteIdentity(db: Db, id: string): Promise<void> {
  await db.query(DELETE, [id]);
}
