/** Counts values by size. Observing is a few comparisons and two additions, so that the hot path can afford it. */
export class Histogram {
  /** Upper bounds, ascending; the last bucket is without one. */
  readonly bounds: readonly number[];
  readonly counts: Float64Array;
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    let bucket = 0;
    while (bucket < this.bounds.length && value > this.bounds[bucket]!) bucket++;
    this.counts[bucket]!++;
    this.sum += value;
  }
}

/** Of answers, in seconds: from a hit in memory to the longest wait that a caller is let have. */
export const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
/** Of groups that share a statement. */
export const GROUP_SIZES = [1, 2, 5, 10, 20, 50, 100, 200, 500];
