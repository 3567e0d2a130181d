import type { Db, Statement } from '../database/database.ts';

export interface InstanceRow {
  readonly id: string;
  readonly organizationId: string | null;
  readonly userId: string | null;
  readonly identityId: string | null;
  readonly bootstrapped: boolean;
}

const COLUMNS = `
  id, bootstrap_organization_id as "organizationId", bootstrap_user_id as "userId", bootstrap_identity_id as "identityId",
  bootstrapped_at is not null as bootstrapped`;

const READ: Statement = { name: 'admin.read-instance', text: `select ${COLUMNS} from instance` };

export async function readInstance(db: Db): Promise<InstanceRow> {
  return db.one<InstanceRow>(READ, []);
}

const LOCK: Statement = { name: 'admin.lock-instance', text: `select ${COLUMNS} from instance for update` };

/** The instance's row, locked: of two first admins at once, the second is too late. */
export async function lockInstance(tx: Db): Promise<InstanceRow> {
  return tx.one<InstanceRow>(LOCK, []);
}

const MARK: Statement = {
  name: 'admin.mark-bootstrapped',
  text: `
    update instance set bootstrapped_at = now(), bootstrap_organization_id = $1, bootstrap_user_id = $2, bootstrap_identity_id = $3`,
};

export async function markBootstrapped(
  tx: Db,
  organizationId: string,
  userId: string,
  identityId: string,
): Promise<void> {
  await tx.query(MARK, [organizationId, userId, identityId]);
}

const INSERT_ADMIN: Statement = {
  name: 'admin.insert-user',
  text: `
    with actor as (insert into actors (kind, instance_admin) values ('user', true) returning id)
    insert into users (id, email, password_hash) select id, $1, $2 from actor returning id`,
};

export async function insertAdmin(tx: Db, email: string, passwordHash: string | null): Promise<string> {
  const row = await tx.one<{ id: string }>(INSERT_ADMIN, [email, passwordHash]);
  return row.id;
}

export interface UserRow {
  readonly id: string;
  readonly email: string;
  readonly firstName: string;
  readonly lastName: string;
  readonly instanceAdmin: boolean;
}

const USER = `u.id, u.email, u.first_name as "firstName", u.last_name as "lastName", a.instance_admin as "instanceAdmin"`;
const FIND_USER: Statement = {
  name: 'admin.find-user',
  text: `select ${USER} from users u join actors a on a.id = u.id where u.id = $1`,
};

export async function findUser(db: Db, id: string): Promise<UserRow | undefined> {
  return db.first<UserRow>(FIND_USER, [id]);
}

const FIND_BY_EMAIL: Statement = {
  name: 'admin.find-user-by-email',
  text: `select ${USER} from users u join actors a on a.id = u.id where u.email = $1`,
};

export async function findUserByEmail(db: Db, email: string): Promise<UserRow | undefined> {
  return db.first<UserRow>(FIND_BY_EMAIL, [email]);
}

const BOOTSTRAP_MACS: Statement = {
  name: 'admin.bootstrap-macs',
  text: `
    select cs.mac from client_secrets cs join universal_auths ua on ua.id = cs.universal_auth_id
     where ua.identity_id = $1`,
};

/** The HMACs of the first identity's client secrets, ended ones too: a repeated first call is known by them. */
export async function clientSecretMacs(db: Db, identityId: string): Promise<Buffer[]> {
  return (await db.query<{ mac: Buffer }>(BOOTSTRAP_MACS, [identityId])).map(({ mac }) => mac);
}

const USE_PROOF: Statement = {
  name: 'admin.use-proof',
  text: `
    with old as (delete from used_proofs where used_at < now() - interval '1 hour')
    insert into used_proofs (nonce) values ($1) on conflict do nothing returning nonce`,
};

/** Takes a proof's nonce. False when it was used before. */
export async function takeProof(db: Db, nonce: string): Promise<boolean> {
  return (await db.query(USE_PROOF, [nonce])).length === 1;
}
