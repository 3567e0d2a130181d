import type { Db, Statement } from '../database/database.ts';

/** A token that was made for an identity, as its list shows it. */
export interface TokenRow {
  readonly id: string;
  readonly identityId: string;
  readonly name: string | null;
  readonly ttl: number;
  readonly maxTtl: number;
  readonly numUses: number;
  readonly numUsesLimit: number;
  readonly period: number;
  readonly lastUsedAt: Date | null;
  readonly lastRenewedAt: Date | null;
  readonly revoked: boolean;
  readonly createdAt: Date;
}

const SELECT = `
  select t.id, t.actor_id as "identityId", t.name, t.ttl, t.max_ttl as "maxTtl", case when t.num_uses_limit > 0 then t.num_uses else least(coalesce(u.uses, 0), 2147483647)::int end as "numUses",
         t.num_uses_limit as "numUsesLimit", case when t.max_ttl = 0 and ml.access_token_period > 0 then t.ttl else 0 end as period,
         u.used_at as "lastUsedAt", u.renewed_at as "lastRenewedAt", t.revoked_at is not null as revoked, t.created_at as "createdAt"
    from access_tokens t join machine_logins ml on ml.id = t.machine_login_id and ml.method = 'token-auth'
    left join token_uses u on u.token_id = t.id`;

const LIST: Statement = {
  name: 'token-auth.list',
  text: `${SELECT} where ml.identity_id = $1 order by t.created_at desc, t.id offset $2 limit $3`,
};

export async function listTokens(db: Db, identityId: string, offset: number, limit: number): Promise<TokenRow[]> {
  return db.query<TokenRow>(LIST, [identityId, offset, limit]);
}

const FIND: Statement = { name: 'token-auth.find', text: `${SELECT} where t.id = $1` };

export async function findToken(db: Db, id: string): Promise<TokenRow | undefined> {
  return db.first<TokenRow>(FIND, [id]);
}

const RENAME: Statement = { name: 'token-auth.rename', text: 'update access_tokens set name = $2 where id = $1' };

export async function renameToken(tx: Db, id: string, name: string): Promise<void> {
  await tx.query(RENAME, [id, name]);
}

const REVOKE: Statement = {
  name: 'token-auth.revoke',
  text: 'update access_tokens set revoked_at = coalesce(revoked_at, now()) where id = $1',
};

export async function revokeToken(tx: Db, id: string): Promise<void> {
  await tx.query(REVOKE, [id]);
}
