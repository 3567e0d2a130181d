import { randomInt } from 'node:crypto';

/** How often each fault is tried, one after the other. `npm run test:faults` sets 10. */
export const ROUNDS = Number(process.env.FAULT_ROUNDS ?? 1);

/** The seeds of one fault: as many new ones as there are rounds, or the one of FAULT_SEED, to repeat what failed. */
export function seeds(): { readonly seed: number }[] {
  const given = process.env.FAULT_SEED;
  if (given !== undefined) return Array.from({ length: ROUNDS }, () => ({ seed: Number(given) }));
  return Array.from({ length: ROUNDS }, () => ({ seed: randomInt(2 ** 31) }));
}

/** Every random choice of a fault, from its seed (mulberry32). How processes interleave is not repeated. */
export class Random {
  #state: number;

  /** Says the seed: a failure of any round can be tried again. */
  constructor(seed: number, fault: string) {
    this.#state = seed;
    console.info(`faults: ${fault}: FAULT_SEED=${seed}`);
  }

  /** From 0 up to 1, without it. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** An integer; both ends are possible. */
  between(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.between(0, items.length - 1)]!;
  }
}
