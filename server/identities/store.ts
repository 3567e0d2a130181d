import type { Db, Statement } from '../database/database.ts';

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
  readonly role: 'admin' | 'member' | 'no-access';
  readonly instanceAdmin: boolean;
}

/** The logins of identity `i`, as an expression. */
export const AUTH_METHODS = `
  array(select 'universal-auth' from universal_auths ua where ua.identity_id = i.id)
  || array(select ml.method from machine_logins ml where ml.identity_id = i.id order by ml.method)`;

const COLUMNS = `
  i.id, i.organization_id as "organizationId", i.name, a.created_at as "createdAt", a.updated_at as "updatedAt",
  m.id as "membershipId", m.role, a.instance_admin as "instanceAdmin",
  ${AUTH_METHODS} as "authMethods"`;
const FROM = `
  from identities i join actors a on a.id = i.id
  join organization_memberships m on m.actor_id = i.id and m.organization_id = i.organization_id`;

const INSERT: Statement = {
  name: 'identities.insert',
  text: `
    with actor as (insert into actors (kind, instance_admin) values ('identity', $4) returning id),
    made as (insert into identities (id, organization_id, name) select id, $1, $2 from actor),
    member as (insert into organization_memberships (organization_id, actor_id, role) select $1, id, $3 from actor)
    select id from actor`,
};

export async function insertIdentity(
  db: Db,
  identity: {
    readonly organizationId: string;
    readonly name: string;
    readonly role: string;
    readonly instanceAdmin: boolean;
  },
): Promise<string> {
  const { organizationId, name, role, instanceAdmin } = identity;
  const [row] = await db.query<{ id: string }>(INSERT, [organizationId, name, role, instanceAdmin]);
  return row!.id;
}

const FIND: Statement = { name: 'identities.find', text: `select ${COLUMNS} ${FROM} where i.id = $1` };

export async function findIdentity(db: Db, id: string): Promise<IdentityRow | undefined> {
  return (await db.query<IdentityRow>(FIND, [id]))[0];
}

// Counted apart from the page, since a page beyond the last one has no row to carry the number.
const LIST: Statement = {
  name: 'identities.list',
  text: `
    with counted as (select count(*)::int as "totalCount" from identities where organization_id = $1)
    select page.*, "totalCount"
      from counted
      left join (select ${COLUMNS} ${FROM}
                  where i.organization_id = $1 order by i.name, i.id offset $2 limit $3) page on true
     order by page.name, page.id`,
};

/** A page of an organization's identities, with how many there are in all. */
export async function listIdentities(db: Db, organizationId: string, offset: number, limit: number) {
  type Row = { [Column in keyof IdentityRow]: IdentityRow[Column] | null } & { totalCount: number };
  const rows = await db.query<Row>(LIST, [organizationId, offset, limit]);
  return { rows: rows.filter((row): row is Row & IdentityRow => row.id !== null), totalCount: rows[0]!.totalCount };
}

const RENAME: Statement = {
  name: 'identities.rename',
  text: `
    with touched as (update actors set updated_at = now() where id = $1)
    update identities set name = $2 where id = $1`,
};

export async function renameIdentity(db: Db, id: string, name: string): Promise<void> {
  await db.query(RENAME, [id, name]);
}

const SET_ROLE: Statement = {
  name: 'identities.set-role',
  text: `
    update organization_memberships m set role = $2, updated_at = now()
      from identities i where i.id = $1 and m.actor_id = i.id and m.organization_id = i.organization_id`,
};

export async function setIdentityRole(db: Db, id: string, role: string): Promise<void> {
  await db.query(SET_ROLE, [id, role]);
}

const DELETE: Statement = { name: 'identities.delete', text: 'delete from actors where id = $1' };

/** Deletes an identity with its logins, tokens and memberships. */
export async function deleteIdentity(db: Db, id: string): Promise<void> {
  await db.query(DELETE, [id]);
}
