import { columns } from '../database/columns.ts';
import type { Db, Statement } from '../database/database.ts';

/** How often a token was used since it was last written, and how long ago; in milliseconds. */
export interface TokenUse {
  readonly tokenId: string;
  readonly uses: number;
  readonly usedAgo: number | null;
  readonly renewedAgo: number | null;
}

/** Somebody's last login to an organization. */
export interface Login {
  readonly actorId: string;
  /** Absent: an identity's own. */
  readonly organizationId: string | null;
  readonly method: string;
  readonly ago: number;
}

// Times by the database's clock. Only tokens that some list shows: service tokens, whose id is their actor's, and those of Token Auth.
// In one order, since two replicas may write the same ones.
const ADD_USES: Statement = {
  name: 'last-seen.add-uses',
  text: `
    insert into token_uses (token_id, uses, used_at, renewed_at)
    select t.id, k.uses, now() - k.used_ago * interval '1 millisecond', now() - k.renewed_ago * interval '1 millisecond'
      from unnest($1::uuid[], $2::int[], $3::float8[], $4::float8[]) as k (token_id, uses, used_ago, renewed_ago)
      join access_tokens t on t.id = k.token_id
      left join machine_logins ml on ml.id = t.machine_login_id
     where t.actor_id = t.id or ml.method = 'token-auth'
     order by t.id
        on conflict (token_id) do update
       set uses = token_uses.uses + excluded.uses, used_at = greatest(token_uses.used_at, excluded.used_at),
           renewed_at = greatest(token_uses.renewed_at, excluded.renewed_at)`,
};

export async function addUses(db: Db, uses: readonly TokenUse[]): Promise<void> {
  await db.query(ADD_USES, columns(uses, 'tokenId', 'uses', 'usedAgo', 'renewedAgo'));
}

const SET_LOGINS: Statement = {
  name: 'last-seen.set-logins',
  text: `
    insert into last_logins (membership_id, method, at)
    select m.id, k.method, now() - k.ago * interval '1 millisecond'
      from unnest($1::uuid[], $2::uuid[], $3::text[], $4::float8[]) as k (actor_id, organization_id, method, ago)
      left join identities i on i.id = k.actor_id
      join organization_memberships m
        on m.actor_id = k.actor_id and m.organization_id = coalesce(k.organization_id, i.organization_id)
     order by m.id
        on conflict (membership_id) do update set method = excluded.method, at = excluded.at
     where last_logins.at < excluded.at`,
};

export async function setLogins(db: Db, logins: readonly Login[]): Promise<void> {
  await db.query(SET_LOGINS, columns(logins, 'actorId', 'organizationId', 'method', 'ago'));
}

/** The last login of membership `m`, as two expressions. */
export const LAST_LOGIN = `
  (select l.method from last_logins l where l.membership_id = m.id) as "lastLoginMethod",
  (select l.at from last_logins l where l.membership_id = m.id) as "lastLoginAt"`;
