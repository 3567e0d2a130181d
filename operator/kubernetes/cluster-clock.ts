/** An answer that was this much on its way says nothing against what is known; two seconds more say that the clock was set. */
const SLACK_MS = 2000;

/**
 * The time of the cluster: what is compared with the times in its objects, which other machines wrote. Each answer of the API server shows
 * its clock by the second; the more answers, the closer. This machine's own clock counts before the first one alone.
 */
export class ClusterClock {
  readonly #own: () => number;
  /** The latest that this clock cannot be behind, from the zero of the own one, which nobody sets. */
  #offset: number | undefined;

  /** @param own milliseconds of a clock that only goes on. @default performance.now */
  constructor(own: () => number = () => performance.now()) {
    this.#own = own;
  }

  /** @param header `date` of an answer; ignored when it is none */
  see(header: string | undefined): void {
    const shown = Date.parse(header ?? '');
    if (Number.isNaN(shown)) return;
    const atLeast = shown - this.#own();
    const wasSet = this.#offset !== undefined && this.#offset - atLeast > 1000 + SLACK_MS;
    this.#offset = this.#offset === undefined || wasSet ? atLeast : Math.max(this.#offset, atLeast);
  }

  now(): Date {
    return this.#offset === undefined ? new Date() : new Date(this.#offset + this.#own());
  }
}
