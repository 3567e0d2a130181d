import { columns } from '../database/columns.ts';
import type { Db, Statement } from '../database/database.ts';

// Failures are forgotten a day after the last one. Each failure beyond the free ones doubles the wait, up to the longest.
const WAIT: Statement = {
  name: 'throttle.wait',
  text: `
    select coalesce(max(ceil(extract(epoch from
             f.last_at + least(2 ^ least(f.failures - b.free, 20), b.longest) * interval '1 second' - now()))), 0)::int as seconds
      from unnest($1::bytea[], $2::int[], $3::int[]) as b (bucket, free, longest)
      join login_failures f on f.bucket = b.bucket and f.failures > b.free and f.last_at > now() - interval '1 day'`,
};

/** How long the slowest of some buckets still waits, in seconds; 0 when all may be tried. */
export async function waitOf(
  db: Db,
  buckets: readonly { readonly id: Buffer; readonly free: number; readonly longestSeconds: number }[],
): Promise<number> {
  const row = await db.one<{ seconds: number }>(WAIT, columns(buckets, 'id', 'free', 'longestSeconds'));
  return Math.max(0, row.seconds);
}

const COUNT: Statement = {
  name: 'throttle.count',
  text: `
    insert into login_failures as f (bucket, failures)
    select distinct bucket, 1 from unnest($1::bytea[]) as b (bucket) order by bucket
        on conflict (bucket) do update
       set failures = case when f.last_at < now() - interval '1 day' then 1 else least(f.failures + 1, 1000000) end,
           last_at = now()`,
};

/** Counts a failure in each bucket. */
export async function countFailure(db: Db, buckets: readonly Buffer[]): Promise<void> {
  await db.query(COUNT, [buckets]);
}

const SUCCEED: Statement = {
  name: 'throttle.succeed',
  text: `
    with own as (delete from login_failures where bucket = $1)
    update login_failures set failures = failures - 1 where bucket = any ($2::bytea[]) and failures > 0`,
};

/** A try was right: its own failures are forgotten, and the others it shares a bucket with are not. */
export async function forgetFailures(db: Db, own: Buffer, shared: readonly Buffer[]): Promise<void> {
  await db.query(SUCCEED, [own, shared]);
}

const SWEEP: Statement = {
  name: 'throttle.sweep',
  text: "delete from login_failures where last_at < now() - interval '1 day'",
};

export async function sweepFailures(db: Db): Promise<void> {
  await db.query(SWEEP, []);
}
