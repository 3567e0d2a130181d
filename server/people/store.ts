import type { Db, Statement } from '../database/database.ts';

/** A person's account. */
export interface PersonRow {
  readonly id: string;
  readonly email: string;
  readonly firstName: string;
  readonly lastName: string;
  readonly passwordHash: string | null;
  readonly instanceAdmin: boolean;
  /** Whether a second factor is set up, so that every login is asked for it. */
  readonly hasMfa: boolean;
  /** Whether an organization's provider can log this person in. */
  readonly hasSso: boolean;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

const PERSON = `
  select u.id, u.email, u.first_name as "firstName", u.last_name as "lastName", u.password_hash as "passwordHash",
         a.instance_admin as "instanceAdmin",
         exists (select from totp_factors f where f.user_id = u.id and f.confirmed_at is not null) as "hasMfa",
         exists (select from sso_identities i where i.user_id = u.id) as "hasSso",
         a.created_at as "createdAt", a.updated_at as "updatedAt"
    from users u join actors a on a.id = u.id`;

const FIND: Statement = { name: 'people.find', text: `${PERSON} where u.id = $1` };

export async function findPerson(db: Db, id: string): Promise<PersonRow | undefined> {
  return db.first<PersonRow>(FIND, [id]);
}

const FIND_BY_EMAIL: Statement = { name: 'people.find-by-email', text: `${PERSON} where u.email = $1` };

export async function findPersonByEmail(db: Db, email: string): Promise<PersonRow | undefined> {
  return db.first<PersonRow>(FIND_BY_EMAIL, [email]);
}

const LOCK_ROW: Statement = { name: 'people.lock', text: 'select id from users where id = $1 for update' };

/**
 * An account, locked: what decides who may get at it (its password, its memberships, who signs it on) is changed by one at
 * a time. Read after the lock is held, since a statement sees the rows of the moment it began.
 */
export async function lockPerson(tx: Db, id: string): Promise<PersonRow | undefined> {
  await tx.query(LOCK_ROW, [id]);
  return findPerson(tx, id);
}

const SET_PASSWORD: Statement = {
  name: 'people.set-password',
  text: 'with a as (update actors set updated_at = now() where id = $1) update users set password_hash = $2 where id = $1',
};

export async function setPassword(tx: Db, id: string, passwordHash: string): Promise<void> {
  await tx.query(SET_PASSWORD, [id, passwordHash]);
}

const SET_NAME: Statement = {
  name: 'people.set-name',
  text: `
    with a as (update actors set updated_at = now() where id = $1)
    update users set first_name = coalesce($2, first_name), last_name = coalesce($3, last_name) where id = $1`,
};

export async function setName(
  tx: Db,
  id: string,
  name: { readonly firstName?: string | undefined; readonly lastName?: string | undefined },
): Promise<void> {
  await tx.query(SET_NAME, [id, name.firstName ?? null, name.lastName ?? null]);
}

const DELETE: Statement = { name: 'people.delete', text: 'delete from actors where id = $1' };

/** Deletes an account with all that hangs on it; the audit keeps its name. */
export async function deletePerson(tx: Db, id: string): Promise<void> {
  await tx.query(DELETE, [id]);
}

const LOCK_INSTANCE_ADMINS: Statement = {
  name: 'people.lock-instance-admins',
  text: 'select id from actors where instance_admin order by id for update',
};

/** The instance's admins, locked: the last one cannot leave twice. */
export async function lockInstanceAdmins(tx: Db): Promise<string[]> {
  return (await tx.query<{ id: string }>(LOCK_INSTANCE_ADMINS, [])).map(({ id }) => id);
}

const MEMBERSHIPS: Statement = {
  name: 'people.memberships',
  text: `
    select m.id, m.organization_id as "organizationId", m.role, m.status, m.is_active as "isActive"
      from organization_memberships m where m.actor_id = $1 order by m.organization_id`,
};

/** A person's membership in an organization, whatever it gives. */
export interface PersonMembershipRow {
  readonly id: string;
  readonly organizationId: string;
  readonly role: string;
  readonly status: 'invited' | 'accepted';
  readonly isActive: boolean;
}

/** Every membership of a person: accepted or not, active or not. */
export async function membershipsOf(db: Db, id: string): Promise<PersonMembershipRow[]> {
  return db.query<PersonMembershipRow>(MEMBERSHIPS, [id]);
}

const FIND_ACTOR: Statement = {
  name: 'people.find-actor',
  text: 'select id, instance_admin as "instanceAdmin" from actors where id = $1',
};

/** A person or a machine, and whether it is an admin of the instance. */
export async function findActor(db: Db, id: string): Promise<{ id: string; instanceAdmin: boolean } | undefined> {
  return db.first<{ id: string; instanceAdmin: boolean }>(FIND_ACTOR, [id]);
}
