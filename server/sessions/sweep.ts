import type { Db } from '../database/database.ts';
import { sweepFailures } from '../people/throttle-store.ts';
import { sweepSessions } from './store.ts';

/** Deletes what ended long ago: sessions with their tokens, links, sign-ons, counts of wrong tries. */
export async function sweepPeople(db: Db): Promise<void> {
  await sweepSessions(db);
  await sweepFailures(db);
}
