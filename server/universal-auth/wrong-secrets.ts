import { isIPv6 } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lockout } from './login-store.ts';

interface Count {
  wrong: number;
  /** When the last wrong secret came, and until when wrong ones are slowed down. Milliseconds of this process. */
  last: number;
  until: number;
}

const PAIRS_AT_MOST = 20_000;
/** How long the answer to a wrong secret is held back once there were too many. */
const HOLD_MS = 500;
/** Answers held back at once; the next ones go out at once, since holding costs us a socket each. */
const HELD_AT_MOST = 500;

/**
 * Slows down whoever sends wrong secrets for a client id, by address, and refuses no right one. Client ids are public: a
 * lockout that turned right secrets away would let anyone stop production with three requests. So each secret is checked,
 * which takes microseconds, and the wrong ones are answered late, with 429 and the time to wait. Guessing is hopeless
 * either way (2^256 secrets); this keeps it cheap for us, and seen.
 */
export class WrongSecrets {
  readonly #counts = new Map<string, Count>();
  #held = 0;

  /** Notes a wrong secret. The seconds to wait, when there were too many; by then the answer was held back. */
  async note(clientId: string, address: string, lockout: Lockout): Promise<number> {
    if (!lockout.enabled) return 0;
    const seconds = this.#count(`${clientId} ${networkOf(address)}`, lockout);
    if (seconds > 0 && this.#held < HELD_AT_MOST) {
      this.#held++;
      await sleep(HOLD_MS);
      this.#held--;
    }
    return seconds;
  }

  /** Forgets what came for a client id; how many addresses were slowed down. */
  clear(clientId: string): number {
    const now = performance.now();
    let slowed = 0;
    for (const [pair, { until }] of this.#counts) {
      if (!pair.startsWith(`${clientId} `)) continue;
      if (until > now) slowed++;
      this.#counts.delete(pair);
    }
    return slowed;
  }

  #count(pair: string, { threshold, duration, counterReset }: Lockout): number {
    const now = performance.now();
    const count = this.#counts.get(pair) ?? { wrong: 0, last: now, until: 0 };
    if (now < count.until) return Math.ceil((count.until - now) / 1000);
    if (now - count.last > counterReset * 1000) count.wrong = 0;
    count.wrong++;
    count.last = now;
    if (count.wrong >= threshold) {
      count.wrong = 0;
      count.until = now + duration * 1000;
    }
    // The pair that was heard of last goes to the end, and the one at the front is forgotten first.
    this.#counts.delete(pair);
    this.#counts.set(pair, count);
    if (this.#counts.size > PAIRS_AT_MOST) this.#counts.delete(this.#counts.keys().next().value!);
    return 0;
  }
}

/** Whoever has an IPv6 address has a /64 of them. */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const [head, tail] = address.split('::') as [string, string?];
  const before = head.split(':').filter((group) => group !== '');
  const after = tail === undefined ? [] : tail.split(':').filter((group) => group !== '');
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length;
  return [...before, ...Array<string>(Math.max(0, zeros)).fill('0'), ...after].slice(0, 4).join(':');
}
