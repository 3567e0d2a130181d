import { setTimeout as sleep } from 'node:timers/promises';

const NEEDED_MS = 8_000;

/** Counts begin anew with each minute of the clock: a test that counts waits for the next one when little is left of this. */
export async function enoughOfTheMinute(): Promise<void> {
  const left = 60_000 - (Date.now() % 60_000);
  if (left < NEEDED_MS) await sleep(left + 50);
}
