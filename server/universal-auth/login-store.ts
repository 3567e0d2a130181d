import type { Origin } from '../audit/store.ts';
import type { Db, Statement } from '../database/database.ts';
import type { IssuedRow } from '../tokens/store.ts';
import { IS_SUPERSEDED } from './families-store.ts';

/** One who wants to log in: a client id, and the MAC of the secret that came with it. */
export interface LoginAsk extends Origin {
  readonly clientId: string;
  readonly mac: Buffer;
}

/** How a wrong secret is slowed down; see Throttle. */
export interface Lockout {
  readonly enabled: boolean;
  readonly threshold: number;
  readonly duration: number;
  readonly counterReset: number;
}

export interface Superseded {
  readonly clientSecretId: string;
  readonly familyId: string;
}

/** What came of it. `token` is there exactly when the login was let in, and then its audit record is stored. */
export interface LoginOutcome {
  /** Nothing when nobody has the client id. */
  readonly identity: { readonly id: string; readonly name: string; readonly organizationId: string } | undefined;
  readonly universalAuthId: string | undefined;
  readonly lockout: Lockout | undefined;
  /** Whether the secret is one of the client id's that are good. */
  readonly matches: boolean;
  readonly ipTrusted: boolean;
  /** The client secret's family, when it is of one whose successor has worked: whoever uses it now is somebody else. */
  readonly superseded: Superseded | undefined;
  readonly token: IssuedRow | undefined;
  /** The newest version of the key of MACs, by the database: a replica may not have heard of it. */
  readonly keyVersion: number;
}

// Everything that a login is, for a whole group: which secret it is, whether it is good, its uses, the token and the audit
// record, in one statement: none is ever there without the others. MACs are compared here, in ordinary time: whoever
// sends secrets cannot choose the MACs that they make, so how far a comparison went tells nothing.
// Secrets are locked in one order, so that two replicas never wait for each other. What a lock had to wait for is seen:
// a secret that was revoked meanwhile is not locked, and uses are counted from the latest number. Within the group those
// who came first get what is left.
const LOG_IN: Statement = {
  name: 'universal-auth.log-in',
  text: `
    with asked as (
      select * from unnest($1::int[], $2::uuid[], $3::bytea[], $4::inet[], $5::text[], $6::text[])
          as a (n, client_id, mac, ip, user_agent, request_id)
    ),
    known as (
      select a.n, a.ip, a.user_agent, a.request_id, i.id as identity_id, i.name, i.organization_id, ua.id as ua_id,
             a.ip <<= any (ua.client_secret_trusted_ips) as trusted, cs.id as secret_id,
             case when ua.access_token_period > 0 then ua.access_token_period else ua.access_token_ttl end as ttl,
             case when ua.access_token_period > 0 then 0 else ua.access_token_max_ttl end as max_ttl,
             ua.access_token_num_uses_limit as token_uses, ua.lockout_enabled, ua.lockout_threshold, ua.lockout_duration,
             ua.lockout_counter_reset, r.family_id, r.client_secret_id is not null and ${IS_SUPERSEDED} as superseded
        from asked a
        join universal_auths ua on ua.client_id = a.client_id
        join identities i on i.id = ua.identity_id
        left join client_secrets cs on cs.universal_auth_id = ua.id and cs.mac = a.mac and cs.revoked_at is null
                                   and (cs.expires_at is null or cs.expires_at > now())
        left join renewable_secrets r on r.client_secret_id = cs.id
    ),
    locked as (
      select cs.id, cs.num_uses, cs.num_uses_limit
        from client_secrets cs
       where cs.id = any (array(select secret_id from known where trusted and secret_id is not null and not superseded))
         and cs.revoked_at is null and (cs.expires_at is null or cs.expires_at > now())
       order by cs.id
         for no key update
    ),
    won as (
      select k.*, gen_random_uuid() as token_id, token_end(now(), now(), k.ttl, k.max_ttl) as ends
        from (select k.*, l.num_uses, l.num_uses_limit, row_number() over (partition by l.id order by k.n) as turn
                from known k join locked l on l.id = k.secret_id
               where k.trusted) k
       where k.num_uses_limit = 0 or k.num_uses + k.turn <= k.num_uses_limit
    ),
    used as (
      update client_secrets cs set num_uses = cs.num_uses + w.uses
        from (select secret_id, count(*)::int as uses from won group by secret_id) w
       where cs.id = w.secret_id
    ),
    issued as (
      insert into access_tokens (id, actor_id, client_secret_id, ttl, max_ttl, num_uses_limit, expires_at)
      select token_id, identity_id, secret_id, ttl, max_ttl, token_uses, ends from won
    ),
    audited as (
      insert into audit_log (action, event, outcome, actor_kind, actor_id, actor_name, organization_id, metadata, ip, user_agent, request_id)
      select 'login', 'login-identity-universal-auth', 'allowed', 'identity', identity_id, name, organization_id,
             jsonb_build_object('clientSecretId', secret_id, 'accessTokenId', token_id), ip, user_agent, request_id
        from won
    )
    select k.n, k.identity_id as "identityId", k.name as "identityName", k.organization_id as "organizationId", k.ua_id as "universalAuthId",
           k.secret_id is not null as "matches", k.superseded, k.family_id as "familyId", k.trusted as "ipTrusted", k.secret_id as "clientSecretId",
           k.lockout_enabled as "enabled", k.lockout_threshold as "threshold", k.lockout_duration as "duration",
           k.lockout_counter_reset as "counterReset",
           w.token_id as "tokenId", k.ttl, k.max_ttl as "maxTtl", k.token_uses > 0 as "usesLimited",
           (select max(version) from instance_keys where purpose = 'client-secret-mac') as "keyVersion",
           floor(extract(epoch from now()))::float8 as "issuedAt",
           greatest(floor(extract(epoch from w.ends)), floor(extract(epoch from now())) + 1)::float8 as "expiresAt"
      from known k left join won w on w.n = k.n`,
};

type Row = Lockout & {
  readonly n: number;
  readonly identityId: string;
  readonly identityName: string;
  readonly organizationId: string;
  readonly universalAuthId: string;
  readonly matches: boolean;
  readonly superseded: boolean;
  readonly familyId: string | null;
  readonly ipTrusted: boolean;
  readonly clientSecretId: string;
  readonly tokenId: string | null;
  readonly keyVersion: number;
  readonly ttl: number;
  readonly maxTtl: number;
  readonly usesLimited: boolean;
  readonly issuedAt: number;
  readonly expiresAt: number;
};

/** Logs in everyone of a group who may, in one statement. */
export async function logIn(db: Db, asks: readonly LoginAsk[]): Promise<LoginOutcome[]> {
  const rows = await db.query<Row>(LOG_IN, [
    asks.map((_, n) => n),
    asks.map((a) => a.clientId),
    asks.map((a) => a.mac),
    asks.map((a) => a.ip),
    asks.map((a) => a.userAgent),
    asks.map((a) => a.requestId),
  ]);
  const outcomes = asks.map(() => NOBODY);
  for (const row of rows) outcomes[row.n] = outcomeOf(row);
  return outcomes;
}

const BY_MAC: Statement = {
  name: 'universal-auth.by-mac',
  text: `
    select cs.id from client_secrets cs join universal_auths ua on ua.id = cs.universal_auth_id
     where ua.client_id = $1 and cs.mac = $2 and cs.revoked_at is null and (cs.expires_at is null or cs.expires_at > now())`,
};

/** The client secret of a client id that has this MAC, when it is good. */
export async function findByMac(db: Db, clientId: string, mac: Buffer): Promise<string | undefined> {
  return (await db.first<{ id: string }>(BY_MAC, [clientId, mac]))?.id;
}

const NOBODY: LoginOutcome = {
  identity: undefined,
  universalAuthId: undefined,
  lockout: undefined,
  matches: false,
  ipTrusted: false,
  superseded: undefined,
  token: undefined,
  keyVersion: 0,
};

function outcomeOf(row: Row): LoginOutcome {
  const { enabled, threshold, duration, counterReset } = row;
  return {
    identity: { id: row.identityId, name: row.identityName, organizationId: row.organizationId },
    universalAuthId: row.universalAuthId,
    lockout: { enabled, threshold, duration, counterReset },
    matches: row.matches,
    ipTrusted: row.ipTrusted,
    superseded: row.superseded ? { clientSecretId: row.clientSecretId, familyId: row.familyId! } : undefined,
    keyVersion: row.keyVersion,
    token:
      row.tokenId === null
        ? undefined
        : {
            id: row.tokenId,
            actorId: row.identityId,
            actorKind: 'identity',
            clientSecretId: row.clientSecretId,
            ttl: row.ttl,
            maxTtl: row.maxTtl,
            usesLimited: row.usesLimited,
            issuedAt: row.issuedAt,
            expiresAt: row.expiresAt,
          },
  };
}
