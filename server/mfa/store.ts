import type { Db, Statement } from '../database/database.ts';

export interface FactorRow {
  readonly sealedSeed: Buffer;
  readonly confirmed: boolean;
  readonly lastStep: number;
  /** The database's clock, in Unix seconds. */
  readonly now: number;
}

const FACTOR = `
  select sealed_seed as "sealedSeed", confirmed_at is not null as confirmed, last_step::float8 as "lastStep",
         extract(epoch from now())::float8 as now
    from totp_factors where user_id = $1`;

const FIND: Statement = { name: 'mfa.find', text: FACTOR };

export async function findFactor(db: Db, userId: string): Promise<FactorRow | undefined> {
  return db.first<FactorRow>(FIND, [userId]);
}

const LOCK: Statement = { name: 'mfa.lock', text: `${FACTOR} for update` };

/** A person's factor, locked: of two who send one code at once, the second is a repeat. */
export async function lockFactor(tx: Db, userId: string): Promise<FactorRow | undefined> {
  return tx.first<FactorRow>(LOCK, [userId]);
}

const PUT: Statement = {
  name: 'mfa.put',
  text: `
    insert into totp_factors as f (user_id, sealed_seed) values ($1, $2)
        on conflict (user_id) do update set sealed_seed = excluded.sealed_seed, last_step = 0, created_at = now()
     where f.confirmed_at is null`,
};

/** Stores a seed that is not confirmed yet, in place of another such one. */
export async function putSeed(tx: Db, userId: string, sealedSeed: Buffer): Promise<void> {
  await tx.query(PUT, [userId, sealedSeed]);
}

const USE_STEP: Statement = {
  name: 'mfa.use-step',
  text: 'update totp_factors set last_step = $2, confirmed_at = coalesce(confirmed_at, now()) where user_id = $1',
};

/** Marks a code's time step as used, and the factor as one that works. */
export async function useStep(tx: Db, userId: string, step: number): Promise<void> {
  await tx.query(USE_STEP, [userId, step]);
}

const DELETE: Statement = {
  name: 'mfa.delete',
  text: `
    with codes as (delete from recovery_codes where user_id = $1)
    delete from totp_factors where user_id = $1 returning user_id`,
};

/** Takes the second factor away, recovery codes and all. False when there was none. */
export async function deleteFactor(tx: Db, userId: string): Promise<boolean> {
  return (await tx.query(DELETE, [userId])).length === 1;
}

const CLEAR_CODES: Statement = { name: 'mfa.clear-codes', text: 'delete from recovery_codes where user_id = $1' };
const INSERT_CODES: Statement = {
  name: 'mfa.insert-codes',
  text: 'insert into recovery_codes (user_id, mac) select $1, mac from unnest($2::bytea[]) as m (mac)',
};

/** Puts new recovery codes in place of all older ones. */
export async function replaceCodes(tx: Db, userId: string, macs: readonly Buffer[]): Promise<void> {
  await tx.query(CLEAR_CODES, [userId]);
  await tx.query(INSERT_CODES, [userId, macs]);
}

const COUNT_CODES: Statement = {
  name: 'mfa.count-codes',
  text: 'select count(*)::int as count from recovery_codes where user_id = $1',
};

export async function countCodes(db: Db, userId: string): Promise<number> {
  const row = await db.one<{ count: number }>(COUNT_CODES, [userId]);
  return row.count;
}

const USE_CODE: Statement = {
  name: 'mfa.use-code',
  text: 'delete from recovery_codes where user_id = $1 and mac = $2 returning mac',
};

/** Uses a recovery code up. False when it is none. */
export async function useCode(tx: Db, userId: string, mac: Buffer): Promise<boolean> {
  return (await tx.query(USE_CODE, [userId, mac])).length === 1;
}

const ENFORCING: Statement = {
  name: 'mfa.enforcing',
  text: `
    select o.slug from organization_memberships m join organizations o on o.id = m.organization_id
     where m.actor_id = $1 and m.status = 'accepted' and o.enforce_mfa order by o.slug`,
};

/** The organizations of a person that ask for a second factor. */
export async function enforcingOrganizations(db: Db, userId: string): Promise<string[]> {
  return (await db.query<{ slug: string }>(ENFORCING, [userId])).map(({ slug }) => slug);
}
