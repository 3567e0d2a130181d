import { GROUP_SIZES, Histogram } from '../metrics/histogram.ts';
import { isOutage } from './sqlstate.ts';

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/** How large groups are, how many there are at once, and who is turned down. */
export interface BatchOptions<Item = unknown> {
  /** Items in one group at most. */
  readonly size: number;
  /** Groups under way at once. While all are, new items wait, and so the next group grows by itself. */
  readonly lanes: number;
  /** Items waiting at most; one more is turned down by `overflow`. */
  readonly waiting: number;
  /** The error of an item that finds no place to wait. */
  readonly overflow: () => Error;
  /** What an item is about: no two groups that are under way hold items of one key. @default - nothing in particular */
  readonly keyOf?: (item: Item) => string;
  /**
   * Lets a further group wait until it is as large as those under way, which it overlaps: many small ones cost more than few
   * large ones, and nothing waits for long, since a group that ends makes room. @default false
   */
  readonly even?: boolean;
  /**
   * How long after the last arrival a group waits for more while it is smaller than the one before it, in microseconds; four
   * times that at most. Those who were answered together ask again together, and mostly are under way. @default 0
   */
  readonly gatherUs?: number;
}

/** Turns of the event loop that a group waits at most, whatever the clock says; an idle turn takes some microseconds. */
const MOST_TURNS = 500;

/** How busy a batch is. */
export interface Load {
  /** Items that are in no group yet. */
  readonly waiting: number;
  /** How many items shared a run. */
  readonly sizes: Histogram;
}

/**
 * Gathers items that wait at the same moment and answers them together: ten requests cost one round trip and one flush
 * of the disk. When a group fails for a reason that lies in one of its items, it is split and run again, so that only
 * the culprit fails; an outage fails them all at once.
 */
export class Batch<Item, Result> implements Load {
  readonly #run: (items: readonly Item[]) => Promise<readonly Result[]>;
  readonly #options: BatchOptions<Item>;
  #queue: Waiting<Item, Result>[] = [];
  readonly #underWay = new Set<readonly Waiting<Item, Result>[]>();
  #scheduled = false;
  /** Size of the group before. */
  #before = 0;
  readonly sizes = new Histogram(GROUP_SIZES);

  /** @param run answers a whole group, in its order; it is all or nothing, since a failed group may be run again */
  constructor(options: BatchOptions<Item>, run: (items: readonly Item[]) => Promise<readonly Result[]>) {
    this.#options = options;
    this.#run = run;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  /** Adds an item and resolves to its own result. */
  add(item: Item): Promise<Result> {
    if (this.#queue.length >= this.#options.waiting) return Promise.reject(this.#options.overflow());
    return new Promise((resolve, reject) => {
      this.#queue.push({ item, resolve, reject });
      this.#schedule();
    });
  }

  // One turn of the event loop later: requests that arrived in the same read of the sockets join the same group.
  #schedule(): void {
    if (this.#scheduled || this.#underWay.size >= this.#options.lanes) return;
    this.#scheduled = true;
    const wait = (this.#options.gatherUs ?? 0) / 1000;
    const latest = performance.now() + 4 * wait;
    let known = 0;
    let until = 0;
    let turns = 0;
    const look = () => {
      if (wait > 0 && this.#queue.length < this.#before) {
        const now = performance.now();
        if (this.#queue.length > known) until = Math.min(now + wait, latest);
        known = this.#queue.length;
        if (now < until && ++turns < MOST_TURNS) return void setImmediate(look);
      }
      this.#scheduled = false;
      while (this.#queue.length > 0 && this.#underWay.size < this.#options.lanes) {
        const group = this.#take();
        if (group.length === 0) return;
        this.#underWay.add(group);
        this.#before = group.length;
        this.sizes.observe(group.length);
        void this.#answer(group).finally(() => {
          this.#underWay.delete(group);
          if (this.#queue.length > 0) this.#schedule();
        });
      }
    };
    setImmediate(look);
  }

  /** The next group: the first that wait, except those about what a group is busy with. Empty: they go on waiting. */
  #take(): Waiting<Item, Result>[] {
    const { size, keyOf, even } = this.#options;
    const groups = [...this.#underWay];
    const busy = new Set(keyOf && groups.flatMap((group) => group.map(({ item }) => keyOf(item))));
    const taken = new Set(this.#queue.filter(({ item }) => !keyOf || !busy.has(keyOf(item))).slice(0, size));
    if (even && groups.some(({ length }) => length > taken.size)) return [];
    this.#queue = this.#queue.filter((waiting) => !taken.has(waiting));
    return [...taken];
  }

  async #answer(group: readonly Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await this.#run(group.map(({ item }) => item));
      group.forEach(({ resolve }, n) => {
        resolve(results[n]!);
      });
    } catch (error) {
      if (group.length === 1 || isOutage(error)) {
        for (const { reject } of group) reject(error);
        return;
      }
      const half = group.length >> 1;
      await this.#answer(group.slice(0, half));
      await this.#answer(group.slice(half));
    }
  }
}
