interface Waiting {
  readonly key: string;
  readonly start: () => void;
}

/** How many go at once, and who is turned down. */
export interface TurnsOptions {
  /** Works under way at once. */
  readonly lanes: number;
  /** Of those, how many of one key. */
  readonly perKey: number;
  /** Works waiting at most; one more is turned down by `overflow`. */
  readonly waiting: number;
  /** The error of a work that finds no place to wait, or waited too long. */
  readonly overflow: () => Error;
  /** A work that waited longer is turned down as well: its caller has most likely gone. @default 15000 */
  readonly longestWaitMs?: number;
}

/**
 * Lets works take turns before they take a connection. Left to wait for each other in the database, sixty writers of one
 * project would hold every connection of the pool while they do, and nobody could log in.
 */
export class Turns {
  readonly #options: TurnsOptions;
  readonly #queue: Waiting[] = [];
  readonly #underWay = new Map<string, number>();
  #lanes = 0;

  constructor(options: TurnsOptions) {
    this.#options = options;
  }

  /** Runs `work` when it is its turn; those of one key in the order in which they came. */
  async take<Result>(key: string, work: () => Promise<Result>): Promise<Result> {
    const { waiting, overflow, longestWaitMs = 15_000 } = this.#options;
    if (this.#queue.length >= waiting) throw overflow();
    const since = performance.now();
    await new Promise<void>((start) => {
      this.#queue.push({ key, start });
      this.#next();
    });
    try {
      if (performance.now() - since > longestWaitMs) throw overflow();
      return await work();
    } finally {
      this.#count(key, -1);
      this.#next();
    }
  }

  #next(): void {
    while (this.#lanes < this.#options.lanes) {
      const next = this.#queue.findIndex(({ key }) => (this.#underWay.get(key) ?? 0) < this.#options.perKey);
      if (next < 0) return;
      const [waiting] = this.#queue.splice(next, 1);
      this.#count(waiting!.key, 1);
      waiting!.start();
    }
  }

  #count(key: string, change: 1 | -1): void {
    this.#lanes += change;
    const count = (this.#underWay.get(key) ?? 0) + change;
    if (count === 0) this.#underWay.delete(key);
    else this.#underWay.set(key, count);
  }
}
