import type { SharedCounter } from './redis.ts';
import type { Count } from './window.ts';

const TELL_EVERY_MS = 500;
const AT_ONCE = 500;

interface Noted {
  readonly key: string;
  readonly window: number;
  readonly count: Count;
}

/** Keeps the counts of the replicas together, beside the path of requests: what was counted here is told in batches. */
export class SharedCounts {
  readonly #counter: SharedCounter;
  readonly #nameOf: (caller: string) => string;
  readonly #noted = new Map<Count, Noted>();
  #timer: NodeJS.Timeout | undefined;
  #telling: Promise<void> | undefined;
  /** It was away a moment ago: nothing is told before the timer, however much is counted. */
  #resting = false;
  #window = 0;

  /** @param nameOf hides who calls; see keys/limit-name.ts */
  constructor(counter: SharedCounter, nameOf: (caller: string) => string) {
    this.#counter = counter;
    this.#nameOf = nameOf;
  }

  /** Notes that a count grew. */
  note(of: string, window: number, count: Count, soon: boolean): void {
    this.#window = window;
    if (!this.#noted.has(count)) {
      const key = `{kms-limits}:${of}:${window}:${this.#nameOf(count.caller)}`;
      this.#noted.set(count, { key, window, count });
    }
    if (soon && !this.#resting) this.#telling ??= this.#tell();
    else this.#tellLater();
  }

  #tellLater(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#resting = false;
      this.#telling ??= this.#tell();
    }, TELL_EVERY_MS).unref();
  }

  /** Tells all of it, in pieces. What could not be told stays noted, and counts here alone until it can. */
  async #tell(): Promise<void> {
    try {
      // A turn later: what is counted in the same turn goes along.
      await new Promise(setImmediate);
      while (this.#noted.size > 0) {
        const piece = [...this.#noted.values()].slice(0, AT_ONCE);
        for (const { count } of piece) this.#noted.delete(count);
        if (!(await this.#tellPiece(piece))) return;
      }
    } finally {
      this.#telling = undefined;
    }
  }

  async #tellPiece(piece: readonly Noted[]): Promise<boolean> {
    const told = piece.map(({ key, count }) => ({ key, by: count.pending }));
    const totals = await this.#counter.add(told);
    piece.forEach((noted, n) => {
      const { count, window } = noted;
      if (totals !== undefined) {
        count.pending -= told[n]!.by;
        count.total = totals[n]!;
        // A minute that is over is of no use to anybody.
      } else if (window === this.#window) this.#noted.set(count, noted);
    });
    if (totals !== undefined) return true;
    this.#resting = true;
    this.#tellLater();
    return false;
  }

  /** Stops telling. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#noted.clear();
  }
}
