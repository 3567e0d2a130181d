import { createHash } from 'node:crypto';

/** Every random choice of a fault, from the seed of the run (mulberry32). How processes interleave is not repeated. */
export class Random {
  #state: number;

  /** @param fault faults of one run choose differently */
  constructor(fault: string) {
    // Made, and said, by vitest.config.ts beside this folder.
    this.#state = createHash('sha256').update(`${process.env.FAULT_SEED}:${fault}`).digest().readUInt32LE();
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
