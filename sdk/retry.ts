import { KmsRefusal, KmsTimeout, KmsUnreachable } from './errors.ts';
import { sleep } from './sleep.ts';

/** How long to go on trying. */
export interface RetryOptions {
  /**
   * Further tries after the first.
   * @default 4
   */
  readonly retries?: number;
  /**
   * Upper bound of the first pause, in milliseconds; it doubles each time, up to 10 seconds.
   * @default 200
   */
  readonly firstPauseMs?: number;
}

const LONGEST_PAUSE_MS = 10_000;
/** A server that asks for a longer pause than this gets its error passed on: the caller knows better what to do then. */
const LONGEST_RETRY_AFTER_MS = 65_000;

/**
 * Tries again what may pass by itself. A 429 was turned away before anything was done, so any request can be repeated;
 * after a 5xx or a broken connection nobody knows whether a write happened, so only idempotent requests are.
 */
export async function withRetry<T>(
  attempt: () => Promise<T>,
  { retries = 4, firstPauseMs = 200 }: RetryOptions,
  idempotent: boolean,
  signal?: AbortSignal,
): Promise<T> {
  for (let tried = 0; ; tried++) {
    try {
      return await attempt();
    } catch (error) {
      const pause = pauseBefore(error, tried, firstPauseMs, idempotent);
      if (tried >= retries || pause === undefined) throw error;
      await sleep(pause, signal);
    }
  }
}

function pauseBefore(error: unknown, tried: number, firstPauseMs: number, idempotent: boolean): number | undefined {
  const passing =
    error instanceof KmsRefusal
      ? error.status === 429 || (idempotent && error.status >= 500)
      : idempotent && (error instanceof KmsUnreachable || error instanceof KmsTimeout);
  if (!passing) return undefined;
  // Full jitter: replicas that failed together do not come back together.
  const backoff = Math.random() * Math.min(LONGEST_PAUSE_MS, firstPauseMs * 2 ** tried);
  const asked = error instanceof KmsRefusal ? (error.retryAfterMs ?? 0) : 0;
  return asked > LONGEST_RETRY_AFTER_MS ? undefined : asked + backoff;
}

/** `retry-after` in either form of RFC 9110, section 10.2.3: seconds, or a date. */
export function parseRetryAfter(header: string | null, now = Date.now()): number | undefined {
  if (header === null || header.trim() === '') return undefined;
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - now;
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}
