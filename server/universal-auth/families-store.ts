import type { Db, Statement } from '../database/database.ts';
import { type ClientSecretRow, SECRET_COLUMNS } from './store.ts';

/**
 * Whether a client secret `cs`, with its row `r` of renewable_secrets, has had its time: a successor of it has worked, or another
 * successor of the same predecessor has. Nothing is written for that but the use itself.
 */
export const IS_SUPERSEDED = `
  exists (select from renewable_secrets other join client_secrets used on used.id = other.client_secret_id
           where (other.predecessor_id = r.client_secret_id or other.predecessor_id = r.predecessor_id)
             and other.client_secret_id <> r.client_secret_id and used.num_uses > 0)`;

/** Successors that nobody has used yet; the oldest beyond these is given up for a new one. */
const UNUSED_AT_MOST = 3;

/** What is known of a client secret that wants to make its successor. */
export interface Renewable {
  /** Nothing: no admin made it renewable. */
  readonly familyId: string | null;
  readonly superseded: boolean;
  readonly isLast: boolean;
  /** Secrets of the family that have not ended. */
  readonly kept: number;
}

const FIND: Statement = {
  name: 'families.find-renewable',
  text: `
    select r.family_id as "familyId", r.family_id is not null and ${IS_SUPERSEDED} as superseded,
           coalesce(cs.expires_at >= r.renewals_end_at, false) as "isLast",
           (select count(*)::int from renewable_secrets of join client_secrets s on s.id = of.client_secret_id
             where of.family_id = r.family_id and s.expires_at > now()) as kept
      from client_secrets cs join universal_auths ua on ua.id = cs.universal_auth_id
      left join renewable_secrets r on r.client_secret_id = cs.id
     where cs.id = $1 and ua.identity_id = $2 and cs.revoked_at is null and (cs.expires_at is null or cs.expires_at > now())`,
};

/** A client secret of an identity, when it is good. */
export async function findRenewable(tx: Db, id: string, identityId: string): Promise<Renewable | undefined> {
  return tx.first(FIND, [id, identityId]);
}

// On the terms of the one before; it ends with the family at the latest.
const INSERT: Statement = {
  name: 'families.insert-successor',
  text: `
    with of as (
      select cs.universal_auth_id, cs.description, cs.ttl, cs.num_uses_limit, r.family_id, r.renewals_end_at
        from client_secrets cs join renewable_secrets r on r.client_secret_id = cs.id
       where cs.id = $1
    ),
    cs as (
      insert into client_secrets (universal_auth_id, mac, prefix, description, ttl, num_uses_limit, expires_at, mac_key_version)
      select universal_auth_id, $2, $3, description, ttl, num_uses_limit,
             least(now() + ttl * interval '1 second', renewals_end_at), $4
        from of
      returning *
    ),
    r as (
      insert into renewable_secrets (client_secret_id, family_id, predecessor_id, renewals_end_at)
      select cs.id, of.family_id, $1, of.renewals_end_at from cs, of
      returning *
    )
    select ${SECRET_COLUMNS}, floor(extract(epoch from cs.expires_at - now()))::int as "expiresIn"
      from cs join r on r.client_secret_id = cs.id`,
};

export async function insertSuccessor(
  tx: Db,
  id: string,
  { mac, prefix, macKeyVersion }: { readonly mac: Buffer; readonly prefix: string; readonly macKeyVersion: number },
): Promise<ClientSecretRow & { readonly expiresIn: number }> {
  return tx.one(INSERT, [id, mac, prefix, macKeyVersion]);
}

// Uses are looked at once more outside: one that is first used at this moment is the holder's, and is waited for.
const GIVE_UP: Statement = {
  name: 'families.give-up-unused',
  text: `
    delete from client_secrets
     where num_uses = 0
       and id in (select cs.id from renewable_secrets r join client_secrets cs on cs.id = r.client_secret_id
                   where r.predecessor_id = $1 and cs.num_uses = 0
                   order by cs.created_at desc, cs.id offset ${UNUSED_AT_MOST})`,
};

/** Deletes successors that were asked for and never used, but for the newest few: whoever asks again may still come back to them. */
export async function giveUpUnused(tx: Db, predecessorId: string): Promise<void> {
  await tx.query(GIVE_UP, [predecessorId]);
}

// That one was used is what makes those beside it, and the one before, void: it goes after them.
const DELETE_ENDED: Statement = {
  name: 'families.delete-ended',
  text: `
    delete from client_secrets cs using renewable_secrets r
     where r.client_secret_id = cs.id and r.family_id = $1 and cs.expires_at < now()
       and not exists (select from access_tokens t
                        where t.client_secret_id = cs.id and t.revoked_at is null and t.expires_at > now())
       and not exists (select from renewable_secrets other join client_secrets void on void.id = other.client_secret_id
                        where (other.client_secret_id = r.predecessor_id or other.predecessor_id = r.predecessor_id)
                          and other.client_secret_id <> r.client_secret_id and void.expires_at >= now())`,
};

/** Deletes those of a family that have ended and whose tokens have, too: one that is renewed by the minute would grow without end. */
export async function deleteEnded(tx: Db, familyId: string): Promise<void> {
  await tx.query(DELETE_ENDED, [familyId]);
}

const REVOKE: Statement = {
  name: 'client-secrets.revoke',
  text: `
    update client_secrets set revoked_at = now(), updated_at = now()
     where (id = $1 or id in (select of.client_secret_id from renewable_secrets r join renewable_secrets of on of.family_id = r.family_id
                               where r.client_secret_id = $1))
       and revoked_at is null
    returning id`,
};

/** Revokes a client secret and all of its family, and with them their tokens; how many were still there. */
export async function revokeWithFamily(tx: Db, id: string): Promise<number> {
  return (await tx.query(REVOKE, [id])).length;
}
