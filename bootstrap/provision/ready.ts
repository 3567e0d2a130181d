import { setTimeout as sleep } from 'node:timers/promises';
import { Kms, type KmsOptions } from '../../sdk/index.ts';
import { UserError } from '../problem.ts';

const BETWEEN_MS = 1000;
const TOLD_EVERY_MS = 10_000;
const ANSWER_MS = 5000;

/**
 * Waits until KMS can serve: its database is there and migrated, and its root key is the database's.
 *
 * @param say told now and then what is waited for
 * @throws UserError when it could not within the time, with what it lacked
 */
export async function untilReady(
  connection: Omit<KmsOptions, 'credentials'>,
  { seconds, signal, say }: { seconds: number; signal: AbortSignal; say: (line: string) => void },
): Promise<void> {
  const kms = new Kms({ ...connection, retries: 0, timeoutMs: ANSWER_MS });
  const began = performance.now();
  const passed = () => Math.round((performance.now() - began) / 1000);
  let told = Number.NEGATIVE_INFINITY;
  for (;;) {
    const lack = await kms.admin.status().then(
      () => undefined,
      (error: Error) => error.message,
    );
    if (lack === undefined) return;
    if (passed() >= seconds)
      throw new UserError(
        `${connection.url} is not ready after ${passed()} seconds: ${lack}`,
        'see the log of its pods; --ready-timeout gives it more time. To run this again is safe',
      );
    if (performance.now() - told >= TOLD_EVERY_MS) {
      told = performance.now();
      say(`waiting for ${connection.url}, ${passed()} of ${seconds} seconds: ${lack}`);
    }
    await sleep(BETWEEN_MS, undefined, { signal });
  }
}
