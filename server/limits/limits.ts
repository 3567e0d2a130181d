import { Tally } from '../metrics/tally.ts';
import type { LimitClass, Limits as Numbers } from './classes.ts';
import type { SharedCounts } from './shared-counts.ts';
import { type Count, WINDOW_MS, Window } from './window.ts';

/** How far a caller is from its limit. */
export interface Standing {
  readonly limit: number;
  readonly remaining: number;
  /** Seconds until the count begins anew. */
  readonly reset: number;
  readonly refused: boolean;
}

/** The part of a limit that a replica may use before it tells the others. */
const UNTOLD = 1 / 100;

/**
 * Counts requests by caller, in minutes of the clock. Counting is in memory and never waits. With Redis the replicas tell
 * each other what they counted (shared-counts.ts): at the latest after half a second, and sooner when a caller has used a
 * hundredth of its limit, so that a small limit is shared nearly at once. While Redis is away each counts for itself.
 */
export class Limits {
  readonly #numbers: Numbers;
  readonly #shared: SharedCounts | undefined;
  readonly #windows = new Map<LimitClass, Window>();
  readonly #now: () => number;
  readonly refusals = new Tally();

  /** @param now milliseconds since 1970, of a clock that nobody sets back. @default this process's own */
  constructor(numbers: Numbers, shared?: SharedCounts, now = () => performance.timeOrigin + performance.now()) {
    this.#numbers = numbers;
    this.#shared = shared;
    this.#now = now;
  }

  has(of: LimitClass): boolean {
    return this.#numbers[of] !== undefined;
  }

  /** Takes one request of a caller's limit. Nothing when the class has none. */
  take(of: LimitClass, caller: string): Standing | undefined {
    const limit = this.#numbers[of];
    if (limit === undefined) return undefined;
    const now = this.#now();
    const count = this.#window(of, now).of(caller);
    const used = count.total + count.pending;
    const refused = used >= limit;
    if (refused) this.refusals.add(of);
    else this.#count(of, count, limit);
    return {
      limit,
      remaining: refused ? 0 : limit - used - 1,
      reset: Math.max(1, Math.ceil((WINDOW_MS - (now % WINDOW_MS)) / 1000)),
      refused,
    };
  }

  #window(of: LimitClass, now: number): Window {
    const number = Math.floor(now / WINDOW_MS);
    const current = this.#windows.get(of);
    if (current?.number === number) return current;
    const fresh = new Window(number);
    this.#windows.set(of, fresh);
    return fresh;
  }

  #count(of: LimitClass, count: Count, limit: number): void {
    count.pending++;
    this.#shared?.note(of, this.#windows.get(of)!.number, count, count.pending >= limit * UNTOLD);
  }
}
