import type { Db, Statement } from '../database/database.ts';
import { NETWORKS } from '../database/networks.ts';

export interface UniversalAuthRow {
  readonly id: string;
  readonly identityId: string;
  readonly clientId: string;
  readonly accessTokenTTL: number;
  readonly accessTokenMaxTTL: number;
  readonly accessTokenNumUsesLimit: number;
  readonly accessTokenPeriod: number;
  readonly clientSecretTrustedIps: string[];
  readonly accessTokenTrustedIps: string[];
  readonly lockoutEnabled: boolean;
  readonly lockoutThreshold: number;
  readonly lockoutDurationSeconds: number;
  readonly lockoutCounterResetSeconds: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export interface ClientSecretRow {
  readonly id: string;
  readonly universalAuthId: string;
  readonly prefix: string;
  readonly description: string;
  readonly ttl: number;
  readonly numUses: number;
  readonly numUsesLimit: number;
  readonly revoked: boolean;
  /** Nothing: it never ends. */
  readonly expiresAt: Date | null;
  /** Nothing: it cannot be renewed. */
  readonly familyId: string | null;
  readonly renewalsEndAt: Date | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

const UA_COLUMNS = `
  id, identity_id as "identityId", client_id as "clientId", access_token_ttl as "accessTokenTTL",
  access_token_max_ttl as "accessTokenMaxTTL", access_token_num_uses_limit as "accessTokenNumUsesLimit",
  access_token_period as "accessTokenPeriod", lockout_enabled as "lockoutEnabled", lockout_threshold as "lockoutThreshold",
  lockout_duration as "lockoutDurationSeconds", lockout_counter_reset as "lockoutCounterResetSeconds",
  client_secret_trusted_ips::text[] as "clientSecretTrustedIps", access_token_trusted_ips::text[] as "accessTokenTrustedIps",
  created_at as "createdAt", updated_at as "updatedAt"`;

export type UniversalAuthWrite = Pick<
  UniversalAuthRow,
  | 'accessTokenTTL'
  | 'accessTokenMaxTTL'
  | 'accessTokenNumUsesLimit'
  | 'accessTokenPeriod'
  | 'lockoutEnabled'
  | 'lockoutThreshold'
  | 'lockoutDurationSeconds'
  | 'lockoutCounterResetSeconds'
> & {
  readonly clientSecretTrustedIps: readonly string[];
  readonly accessTokenTrustedIps: readonly string[];
};

const settings = (write: UniversalAuthWrite) => [
  write.accessTokenTTL,
  write.accessTokenMaxTTL,
  write.accessTokenNumUsesLimit,
  write.clientSecretTrustedIps,
  write.accessTokenTrustedIps,
  write.accessTokenPeriod,
  write.lockoutEnabled,
  write.lockoutThreshold,
  write.lockoutDurationSeconds,
  write.lockoutCounterResetSeconds,
];

const INSERT: Statement = {
  name: 'universal-auth.insert',
  text: `
    insert into universal_auths (identity_id, access_token_ttl, access_token_max_ttl, access_token_num_uses_limit,
                                 client_secret_trusted_ips, access_token_trusted_ips, access_token_period, lockout_enabled,
                                 lockout_threshold, lockout_duration, lockout_counter_reset)
    values ($1, $2, $3, $4, ${NETWORKS('$5')}, ${NETWORKS('$6')}, $7, $8, $9, $10, $11) returning ${UA_COLUMNS}`,
};

export async function insertUniversalAuth(
  db: Db,
  identityId: string,
  write: UniversalAuthWrite,
): Promise<UniversalAuthRow> {
  return db.one<UniversalAuthRow>(INSERT, [identityId, ...settings(write)]);
}

const FIND: Statement = {
  name: 'universal-auth.find',
  text: `select ${UA_COLUMNS} from universal_auths where identity_id = $1`,
};

export async function findUniversalAuth(db: Db, identityId: string): Promise<UniversalAuthRow | undefined> {
  return db.first<UniversalAuthRow>(FIND, [identityId]);
}

const LOCK: Statement = { name: 'universal-auth.lock', text: `${FIND.text} for update` };

/** As `findUniversalAuth`, and keeps others from changing it. */
export async function lockUniversalAuth(tx: Db, identityId: string): Promise<UniversalAuthRow | undefined> {
  return tx.first<UniversalAuthRow>(LOCK, [identityId]);
}

const UPDATE: Statement = {
  name: 'universal-auth.update',
  text: `
    update universal_auths
       set access_token_ttl = $2, access_token_max_ttl = $3, access_token_num_uses_limit = $4,
           client_secret_trusted_ips = ${NETWORKS('$5')}, access_token_trusted_ips = ${NETWORKS('$6')},
           access_token_period = $7, lockout_enabled = $8, lockout_threshold = $9, lockout_duration = $10,
           lockout_counter_reset = $11, updated_at = now()
     where identity_id = $1 returning ${UA_COLUMNS}`,
};

export async function updateUniversalAuth(
  db: Db,
  identityId: string,
  write: UniversalAuthWrite,
): Promise<UniversalAuthRow> {
  return db.one<UniversalAuthRow>(UPDATE, [identityId, ...settings(write)]);
}

const DELETE: Statement = { name: 'universal-auth.delete', text: 'delete from universal_auths where identity_id = $1' };

/** Takes the login away; client secrets and their tokens go with it. */
export async function deleteUniversalAuth(db: Db, identityId: string): Promise<void> {
  await db.query(DELETE, [identityId]);
}

export const SECRET_COLUMNS = `
  cs.id, cs.universal_auth_id as "universalAuthId", cs.prefix, cs.description, cs.ttl, cs.num_uses as "numUses",
  cs.num_uses_limit as "numUsesLimit", cs.revoked_at is not null as revoked, cs.expires_at as "expiresAt",
  r.family_id as "familyId", r.renewals_end_at as "renewalsEndAt", cs.created_at as "createdAt", cs.updated_at as "updatedAt"`;

// The last of a family ends with it.
const INSERT_SECRET: Statement = {
  name: 'client-secrets.insert',
  text: `
    with terms as (
      select case when $8::bool and $9::int > 0 then now() + $9::int * interval '1 second' end as renewals_end_at
    ),
    cs as (
      insert into client_secrets (universal_auth_id, mac, prefix, description, ttl, num_uses_limit, expires_at, mac_key_version)
      select $1, $2, $3, $4, $5::int, $6,
             case when $5::int > 0 then least(now() + $5::int * interval '1 second', renewals_end_at) end, $7
        from terms
      returning *
    ),
    r as (
      insert into renewable_secrets (client_secret_id, family_id, renewals_end_at)
      select cs.id, cs.id, terms.renewals_end_at from cs, terms where $8::bool
      returning *
    )
    select ${SECRET_COLUMNS} from cs left join r on r.client_secret_id = cs.id`,
};

export interface ClientSecretWrite {
  readonly mac: Buffer;
  /** Of the key that made the MAC. */
  readonly macKeyVersion: number;
  readonly prefix: string;
  readonly description: string;
  readonly ttl: number;
  readonly numUsesLimit: number;
  /** Whether it may make its successor. @default false */
  readonly renewable?: boolean;
  /** Seconds after which that ends; 0: never. @default 0 */
  readonly renewableFor?: number;
}

export async function insertClientSecret(
  db: Db,
  universalAuthId: string,
  write: ClientSecretWrite,
): Promise<ClientSecretRow> {
  const { mac, macKeyVersion, prefix, description, ttl, numUsesLimit, renewable = false, renewableFor = 0 } = write;
  const values = [universalAuthId, mac, prefix, description, ttl, numUsesLimit, macKeyVersion, renewable, renewableFor];
  return db.one<ClientSecretRow>(INSERT_SECRET, values);
}

const LIST_SECRETS: Statement = {
  name: 'client-secrets.list',
  text: `
    select ${SECRET_COLUMNS} from client_secrets cs join universal_auths ua on ua.id = cs.universal_auth_id
      left join renewable_secrets r on r.client_secret_id = cs.id
     where ua.identity_id = $1 and cs.revoked_at is null order by cs.created_at, cs.id`,
};

/** The client secrets of an identity that were not revoked. */
export async function listClientSecrets(db: Db, identityId: string): Promise<ClientSecretRow[]> {
  return db.query<ClientSecretRow>(LIST_SECRETS, [identityId]);
}

const COUNT_LIVE: Statement = {
  name: 'client-secrets.count-live',
  text: `
    select count(distinct coalesce(r.family_id, cs.id))::int as count
      from client_secrets cs join universal_auths ua on ua.id = cs.universal_auth_id
      left join renewable_secrets r on r.client_secret_id = cs.id
     where ua.identity_id = $1 and cs.revoked_at is null and (cs.expires_at is null or cs.expires_at > now())`,
};

/** How many client secrets of an identity are good. Those that descend from one another count as one, which an admin made. */
export async function countLiveSecrets(db: Db, identityId: string): Promise<number> {
  return (await db.one<{ count: number }>(COUNT_LIVE, [identityId])).count;
}

const FIND_SECRET: Statement = {
  name: 'client-secrets.find',
  text: `
    select ${SECRET_COLUMNS} from client_secrets cs join universal_auths ua on ua.id = cs.universal_auth_id
      left join renewable_secrets r on r.client_secret_id = cs.id
     where ua.identity_id = $1 and cs.id = $2`,
};

export async function findClientSecret(db: Db, identityId: string, id: string): Promise<ClientSecretRow | undefined> {
  return db.first<ClientSecretRow>(FIND_SECRET, [identityId, id]);
}

const REPLACE_MAC: Statement = {
  name: 'universal-auth.replace-mac',
  text: 'update client_secrets set mac = $3, mac_key_version = $4 where id = $1 and mac = $2',
};

/** Has a client secret known by another key from now on. */
export async function replaceMac(
  db: Db,
  { id, mac: former }: { readonly id: string; readonly mac: Buffer },
  { mac, version }: { readonly mac: Buffer; readonly version: number },
): Promise<void> {
  await db.query(REPLACE_MAC, [id, former, mac, version]);
}
