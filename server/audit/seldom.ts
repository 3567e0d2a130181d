const NAMES_AT_MOST = 10_000;

/**
 * Lets something through once in a time for each name. What a stranger can repeat at will is recorded so, and counted
 * besides: the record is there for those who look, and nobody fills the disk with it.
 */
export class Seldom {
  readonly #everyMs: number;
  readonly #last = new Map<string, number>();

  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  /** Whether this is the first of its name within the time. */
  isFirst(name: string): boolean {
    const now = performance.now();
    const last = this.#last.get(name);
    if (last !== undefined && now - last < this.#everyMs) return false;
    if (this.#last.size >= NAMES_AT_MOST) this.#last.clear();
    this.#last.set(name, now);
    return true;
  }
}
