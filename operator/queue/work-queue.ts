import { type Party, Turns } from './turns.ts';

/** What came of one piece of work: when to look at it again, in milliseconds; undefined: when something happens. */
export interface Outcome {
  readonly againInMs?: number;
}

export interface WorkQueueOptions {
  readonly work: (key: string) => Promise<Outcome>;
  /** Told of a failure; the work is tried again by itself. */
  readonly onFailure: (key: string, error: unknown, waitMs: number) => void;
  /** How many pieces are worked on at once, without those that take long. @default 16 */
  readonly concurrency?: number;
  /** Wait after the first failure, in milliseconds; doubled with each that follows. @default 500 */
  readonly firstWaitMs?: number;
  /** Longest wait after failures, in milliseconds. @default 300000 */
  readonly longestWaitMs?: number;
  /** Whose a piece of work is, so that each gets its turn. @default - all of one party */
  readonly partyOf?: (key: string) => Party;
  /** For tests. @default Math.random */
  readonly random?: () => number;
}

/** Work that takes longer than this waits for somebody, and leaves its place to others. */
const SLOW_AFTER_MS = 2000;
/** Pieces of slow work at once, of one lane and of one party: they cost little but their place. */
const SLOW_OF_LANE = 8;
const SLOW_OF_PARTY = 32;
/** A timer that is set for longer goes off at once (Node, `setTimeout`). */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

const ONE_PARTY: Party = { name: '', lane: '' };

/**
 * Pieces of work by key. One key is never worked on twice at once; what is asked for meanwhile is done once afterwards. A failure
 * is tried again after a wait that doubles and is scattered, or at once when something changed (`add`). Parties take turns, and what is slow
 * takes nobody else's place: somebody whose servers never answer would hold up all others.
 */
export class WorkQueue {
  readonly #options: Required<WorkQueueOptions>;
  readonly #ready: Turns;
  readonly #running = new Set<string>();
  /** Of those that run, how many have taken long, by party and by lane. */
  readonly #slow = new Map<string, number>();
  #fast = 0;
  /** Asked for while it ran. */
  readonly #again = new Set<string>();
  readonly #timers = new Map<string, { readonly timer: NodeJS.Timeout; readonly at: number }>();
  readonly #failures = new Map<string, number>();
  readonly #idle: (() => void)[] = [];
  #stopped = false;

  constructor(options: WorkQueueOptions) {
    this.#options = {
      ...{ concurrency: 16, firstWaitMs: 500, longestWaitMs: 300_000, random: Math.random, partyOf: () => ONE_PARTY },
      ...options,
    };
    this.#ready = new Turns(this.#options.partyOf);
  }

  /** Number of keys that wait for their turn now. */
  get depth(): number {
    return this.#ready.size;
  }

  /** Now, whatever waits are under way: something changed. */
  add(key: string): void {
    if (this.#stopped) return;
    this.#clearTimer(key);
    if (this.#running.has(key)) this.#again.add(key);
    else this.#ready.add(key);
    this.#start();
  }

  /** Not later than in so many milliseconds. */
  addIn(key: string, ms: number): void {
    if (this.#stopped || this.#ready.has(key)) return;
    const wait = Math.min(ms, LONGEST_TIMER_MS);
    const at = performance.now() + wait;
    const waiting = this.#timers.get(key);
    if (waiting && waiting.at <= at) return;
    this.#clearTimer(key);
    this.#timers.set(key, { at, timer: setTimeout(() => this.add(key), wait).unref() });
  }

  /** What there was to do is no more: waits and the memory of failures go. */
  forget(key: string): void {
    this.#clearTimer(key);
    this.#failures.delete(key);
    this.#ready.delete(key);
    this.#again.delete(key);
  }

  /** Takes nothing new and resolves when what is under way has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#ready.clear();
    this.#again.clear();
    for (const key of [...this.#timers.keys()]) this.#clearTimer(key);
    if (this.#running.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #clearTimer(key: string): void {
    clearTimeout(this.#timers.get(key)?.timer);
    this.#timers.delete(key);
  }

  #start(): void {
    while (this.#fast < this.#options.concurrency) {
      const next = this.#ready.take((party) => this.#mayBegin(party));
      if (!next) return;
      this.#running.add(next.key);
      void this.#run(next.key, next.party);
    }
  }

  #mayBegin({ name, lane }: Party): boolean {
    return this.#slowOf(name) < SLOW_OF_PARTY && this.#slowOf(name, lane) < SLOW_OF_LANE;
  }

  #slowOf(...place: string[]): number {
    return this.#slow.get(JSON.stringify(place)) ?? 0;
  }

  #countSlow({ name, lane }: Party, by: 1 | -1): void {
    for (const place of [[name], [name, lane]]) {
      const count = this.#slowOf(...place) + by;
      if (count > 0) this.#slow.set(JSON.stringify(place), count);
      else this.#slow.delete(JSON.stringify(place));
    }
  }

  async #run(key: string, party: Party): Promise<void> {
    this.#fast++;
    let isSlow = false;
    const timer = setTimeout(() => {
      isSlow = true;
      this.#fast--;
      this.#countSlow(party, 1);
      this.#start();
    }, SLOW_AFTER_MS).unref();
    try {
      const { againInMs } = await this.#options.work(key);
      this.#failures.delete(key);
      if (againInMs !== undefined) this.addIn(key, againInMs);
    } catch (error) {
      const failures = (this.#failures.get(key) ?? 0) + 1;
      this.#failures.set(key, failures);
      const wait = this.#waitAfter(failures);
      this.#options.onFailure(key, error, wait);
      this.addIn(key, wait);
    } finally {
      clearTimeout(timer);
      if (isSlow) this.#countSlow(party, -1);
      else this.#fast--;
      this.#running.delete(key);
      if (this.#again.delete(key)) this.add(key);
      this.#start();
      if (this.#stopped && this.#running.size === 0) for (const resolve of this.#idle.splice(0)) resolve();
    }
  }

  #waitAfter(failures: number): number {
    const { firstWaitMs, longestWaitMs, random } = this.#options;
    const wait = Math.min(firstWaitMs * 2 ** Math.min(failures - 1, 30), longestWaitMs);
    return wait * (0.5 + random() / 2);
  }
}
