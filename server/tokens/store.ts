import type { Origin } from '../audit/store.ts';
import type { Db, Statement } from '../database/database.ts';

/** A token as it was just issued or renewed. Times are the database's, in Unix seconds. */
export interface IssuedRow {
  readonly id: string;
  readonly actorId: string;
  readonly actorKind: 'user' | 'identity';
  readonly clientSecretId: string | null;
  /** Seconds; 0: as long as the max TTL, or for ever. */
  readonly ttl: number;
  /** Seconds; 0: renewals have no end. */
  readonly maxTtl: number;
  readonly usesLimited: boolean;
  readonly issuedAt: number;
  readonly expiresAt: number;
}

// Both times are rounded the same way, so that between them lie exactly the seconds of the TTL (HIP-27 shows 7200).
// Seconds as float8: as int4 they end in 2038, which a token of ten years reaches in 2028.
/** The columns of an IssuedRow, of a token `t` and its actor `a`. */
export const ISSUED = `
  t.id, t.actor_id as "actorId", a.kind as "actorKind", t.client_secret_id as "clientSecretId", t.ttl, t.max_ttl as "maxTtl",
  t.num_uses_limit > 0 as "usesLimited", floor(extract(epoch from now()))::float8 as "issuedAt",
  greatest(floor(extract(epoch from t.expires_at)), floor(extract(epoch from now())) + 1)::float8 as "expiresAt"`;

const INSERT: Statement = {
  name: 'tokens.insert',
  text: `
    with t as (
      insert into access_tokens (actor_id, ttl, max_ttl, expires_at)
      values ($1, $2::int, $2::int, now() + $2::int * interval '1 second') returning *
    )
    select ${ISSUED} from t join actors a on a.id = t.actor_id`,
};

/** Issues a token that stems from no login: a recovery session, the first admin of a caller without a credential. */
export async function insertToken(db: Db, actorId: string, ttlSeconds: number): Promise<IssuedRow> {
  return db.one<IssuedRow>(INSERT, [actorId, ttlSeconds]);
}

// To the end of its max TTL and no further; a token that may not be used any more is not renewed either.
const RENEW: Statement = {
  name: 'tokens.renew',
  text: `
    with t as (
      update access_tokens t
         set expires_at = token_end(created_at, now(), ttl, max_ttl)
       where id = $1 and actor_id = $5 and revoked_at is null and expires_at > now()
         and (max_ttl = 0 or created_at + max_ttl * interval '1 second' > now())
         and (num_uses_limit = 0 or num_uses < num_uses_limit)
         and not exists (select from client_secrets cs where cs.id = t.client_secret_id and cs.revoked_at is not null)
         and not exists (select from client_secrets cs join universal_auths ua on ua.id = cs.universal_auth_id
                          where cs.id = t.client_secret_id and not $2::inet <<= any (ua.access_token_trusted_ips))
         and not exists (select from machine_logins ml
                          where ml.id = t.machine_login_id and not $2::inet <<= any (ml.access_token_trusted_ips))
      returning *
    ),
    audited as (
      insert into audit_log (action, event, outcome, actor_kind, actor_id, actor_name, organization_id, metadata, ip, user_agent, request_id)
      select 'login', 'renew-access-token', 'allowed', a.kind, a.id, coalesce(i.name, u.email), i.organization_id,
             jsonb_build_object('accessTokenId', t.id), $2::inet, $3, $4
        from t join actors a on a.id = t.actor_id left join identities i on i.id = a.id left join users u on u.id = a.id
    )
    select ${ISSUED} from t join actors a on a.id = t.actor_id`,
};

/** @param actorId whose the token is by its signature; a row that says otherwise was changed past the server */
export async function renewToken(
  db: Db,
  id: string,
  actorId: string,
  { ip, userAgent, requestId }: Origin,
): Promise<IssuedRow | undefined> {
  return db.first<IssuedRow>(RENEW, [id, ip, userAgent, requestId, actorId]);
}

export interface TokenOwner {
  readonly actorId: string;
  readonly actorKind: string;
  readonly actorName: string;
  readonly organizationId: string | null;
}

const REVOKE: Statement = {
  name: 'tokens.revoke',
  text: `
    with t as (update access_tokens set revoked_at = now() where id = $1 and revoked_at is null returning actor_id)
    select a.id as "actorId", a.kind as "actorKind", coalesce(i.name, u.email) as "actorName", i.organization_id as "organizationId"
      from t join actors a on a.id = t.actor_id left join identities i on i.id = a.id left join users u on u.id = a.id`,
};

/** Ends a token; whose it was, or nothing when it had ended already. */
export async function revokeToken(db: Db, id: string): Promise<TokenOwner | undefined> {
  return db.first<TokenOwner>(REVOKE, [id]);
}

const SWEEP: Statement = {
  name: 'tokens.sweep',
  text: `
    delete from access_tokens
     where id in (select id from access_tokens where expires_at < now() - interval '1 day' limit 10000)`,
};

/** Deletes tokens that ended long ago. */
export async function sweepTokens(db: Db): Promise<void> {
  await db.query(SWEEP, []);
}
