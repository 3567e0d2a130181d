import type { MachineAuthMethod } from '../../contracts/index.ts';
import type { Origin } from '../audit/store.ts';
import type { Db, Statement } from '../database/database.ts';
import { NETWORKS } from '../database/networks.ts';
import { ISSUED, type IssuedRow } from '../tokens/store.ts';

export type MachineLoginMethod = Exclude<MachineAuthMethod, 'service-token'>;

/** What a login says of the tokens that it gives. Seconds. */
export interface TokenSettings {
  readonly accessTokenTTL: number;
  readonly accessTokenMaxTTL: number;
  readonly accessTokenNumUsesLimit: number;
  readonly accessTokenPeriod: number;
  readonly accessTokenTrustedIps: readonly string[];
}

/** An identity's login by one method. `settings` is what the method itself needs to know. */
export interface MachineLoginRow<Settings = unknown> extends TokenSettings {
  readonly id: string;
  readonly identityId: string;
  readonly settings: Settings;
  readonly sealedReviewerToken: Buffer | null;
  /** Counts the changes, so that a login under way sees that there was one. */
  readonly version: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

const COLUMNS = `
  ml.id, ml.identity_id as "identityId", ml.settings, ml.sealed_reviewer_token as "sealedReviewerToken", ml.version,
  ml.access_token_ttl as "accessTokenTTL", ml.access_token_max_ttl as "accessTokenMaxTTL",
  ml.access_token_num_uses_limit as "accessTokenNumUsesLimit", ml.access_token_period as "accessTokenPeriod",
  ml.access_token_trusted_ips::text[] as "accessTokenTrustedIps", ml.created_at as "createdAt", ml.updated_at as "updatedAt"`;

export interface MachineLoginWrite extends TokenSettings {
  readonly settings: unknown;
  readonly sealedReviewerToken: Buffer | null;
}

const written = (write: MachineLoginWrite) => [
  JSON.stringify(write.settings),
  write.sealedReviewerToken,
  write.accessTokenTTL,
  write.accessTokenMaxTTL,
  write.accessTokenNumUsesLimit,
  write.accessTokenPeriod,
  write.accessTokenTrustedIps,
];

const INSERT: Statement = {
  name: 'machine-logins.insert',
  text: `
    insert into machine_logins as ml (id, identity_id, method, settings, sealed_reviewer_token, access_token_ttl, access_token_max_ttl,
                                      access_token_num_uses_limit, access_token_period, access_token_trusted_ips)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, ${NETWORKS('$10')}) returning ${COLUMNS}`,
};

export async function insertMachineLogin<Settings>(
  tx: Db,
  login: { readonly id: string; readonly identityId: string; readonly method: MachineLoginMethod },
  write: MachineLoginWrite,
): Promise<MachineLoginRow<Settings>> {
  const { id, identityId, method } = login;
  return tx.one<MachineLoginRow<Settings>>(INSERT, [id, identityId, method, ...written(write)]);
}

const FIND: Statement = {
  name: 'machine-logins.find',
  text: `select ${COLUMNS} from machine_logins ml where ml.identity_id = $1 and ml.method = $2`,
};

export async function findMachineLogin<Settings>(
  db: Db,
  identityId: string,
  method: MachineLoginMethod,
): Promise<MachineLoginRow<Settings> | undefined> {
  return db.first<MachineLoginRow<Settings>>(FIND, [identityId, method]);
}

const LOCK: Statement = { name: 'machine-logins.lock', text: `${FIND.text} for update` };

/** As `findMachineLogin`, and keeps others from changing it. */
export async function lockMachineLogin<Settings>(
  tx: Db,
  identityId: string,
  method: MachineLoginMethod,
): Promise<MachineLoginRow<Settings> | undefined> {
  return tx.first<MachineLoginRow<Settings>>(LOCK, [identityId, method]);
}

const UPDATE: Statement = {
  name: 'machine-logins.update',
  text: `
    update machine_logins ml
       set settings = $2, sealed_reviewer_token = $3, access_token_ttl = $4, access_token_max_ttl = $5,
           access_token_num_uses_limit = $6, access_token_period = $7, access_token_trusted_ips = ${NETWORKS('$8')},
           version = version + 1, updated_at = now()
     where id = $1 returning ${COLUMNS}`,
};

export async function updateMachineLogin<Settings>(
  tx: Db,
  id: string,
  write: MachineLoginWrite,
): Promise<MachineLoginRow<Settings>> {
  return tx.one<MachineLoginRow<Settings>>(UPDATE, [id, ...written(write)]);
}

const DELETE: Statement = { name: 'machine-logins.delete', text: 'delete from machine_logins where id = $1' };

/** Takes the login away; its tokens go with it. */
export async function deleteMachineLogin(tx: Db, id: string): Promise<void> {
  await tx.query(DELETE, [id]);
}

/** A login as one who wants in finds it. */
export interface LoginRow<Settings> extends MachineLoginRow<Settings> {
  readonly identityName: string;
  readonly organizationId: string;
  readonly ipTrusted: boolean;
}

const FIND_LOGIN: Statement = {
  name: 'machine-logins.find-login',
  text: `
    select ${COLUMNS}, i.name as "identityName", i.organization_id as "organizationId",
           $3::inet <<= any (ml.access_token_trusted_ips) as "ipTrusted"
      from machine_logins ml join identities i on i.id = ml.identity_id
     where ml.identity_id = $1 and ml.method = $2`,
};

export async function findLogin<Settings>(
  db: Db,
  identityId: string,
  method: MachineLoginMethod,
  ip: string,
): Promise<LoginRow<Settings> | undefined> {
  return db.first<LoginRow<Settings>>(FIND_LOGIN, [identityId, method, ip]);
}

// Token and audit record, or neither. Between the check of a foreign token and this lies a call over the network: that the
// login is still as it was checked, and switched on, is asked again. The instance's row is locked against a switch that is
// under way: either it is seen here, or it sees this token and ends it.
const ISSUE: Statement = {
  name: 'machine-logins.issue',
  text: `
    with switched_on as materialized (
      select id from instance where $3 = any (machine_auth_methods) for share
    ),
    t as (
      insert into access_tokens (actor_id, machine_login_id, name, ttl, max_ttl, num_uses_limit, expires_at)
      select ml.identity_id, ml.id, $4, times.ttl, times.max_ttl, ml.access_token_num_uses_limit,
             token_end(now(), now(), times.ttl, times.max_ttl)
        from machine_logins ml
        cross join lateral (
          select case when ml.access_token_period > 0 then ml.access_token_period else ml.access_token_ttl end as ttl,
                 case when ml.access_token_period > 0 then 0 else ml.access_token_max_ttl end as max_ttl) times
       where ml.id = $1 and ml.version = $2 and exists (select from switched_on)
      returning *
    ),
    audited as (
      insert into audit_log (action, event, outcome, actor_kind, actor_id, actor_name, organization_id, metadata, ip, user_agent, request_id)
      select 'login', 'login-identity-' || $3, 'allowed', 'identity', i.id, i.name, i.organization_id,
             $5::jsonb || jsonb_build_object('accessTokenId', t.id), $6, $7, $8
        from t join identities i on i.id = t.actor_id
       where $3 <> 'token-auth'
    )
    select ${ISSUED} from t join actors a on a.id = t.actor_id`,
};

/** Issues a token of a login that is still the one that was looked at; nothing when it is not, or is off. */
export async function issueToken(
  db: Db,
  login: { readonly id: string; readonly version: number; readonly method: MachineLoginMethod },
  more: {
    readonly name?: string | undefined;
    readonly metadata?: Readonly<Record<string, unknown>>;
    readonly origin: Origin;
  },
): Promise<IssuedRow | undefined> {
  const { ip, userAgent, requestId } = more.origin;
  const values = [login.id, login.version, login.method, more.name ?? null, JSON.stringify(more.metadata ?? {})];
  return db.first<IssuedRow>(ISSUE, [...values, ip, userAgent, requestId]);
}
