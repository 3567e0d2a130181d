import type { Labels } from './metrics.ts';

const NAMES_AT_MOST = 200;

/** Counts by a name. Beyond 200 names, which no part of this server has, the rest is counted as `other`. */
export class Tally {
  readonly #counts = new Map<string, number>();

  add(name: string, count = 1): void {
    const known = this.#counts.get(name);
    if (known === undefined && this.#counts.size >= NAMES_AT_MOST) this.#counts.set('other', this.of('other') + count);
    else this.#counts.set(name, (known ?? 0) + count);
  }

  of(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  /** As a metric reads it. */
  entries(label: string): (readonly [Labels, number])[] {
    return Array.from(this.#counts, ([name, count]) => [{ [label]: name }, count] as const);
  }
}
