import { createHash, randomBytes } from 'node:crypto';

export const WINDOW_MS = 60_000;
/** Callers with a count of their own; the ones beyond share 1,024 counts. So memory is bounded, whoever calls. */
const OWN_AT_MOST = 20_000;
const SHARED = 1_024;

/** What one caller has used of one class, in this minute. */
export interface Count {
  readonly caller: string;
  /** Used here, and not yet told to the other replicas. */
  pending: number;
  /** Used on all replicas, ours included, as far as we were told. */
  total: number;
}

/** The counts of one class in one minute. */
export class Window {
  readonly number: number;
  readonly #counts = new Map<string, Count>();
  readonly #shared: Count[] = [];

  constructor(number: number) {
    this.number = number;
  }

  of(caller: string): Count {
    const known = this.#counts.get(caller);
    if (known) return known;
    if (this.#counts.size >= OWN_AT_MOST) return this.#sharedOf(caller);
    const count = { caller, pending: 0, total: 0 };
    this.#counts.set(caller, count);
    return count;
  }

  /** Whoever shares a count with whom nobody can foresee, and so nobody can aim at another. */
  #sharedOf(caller: string): Count {
    const place = createHash('sha256').update(SALT).update(caller).digest().readUInt16BE() % SHARED;
    this.#shared[place] ??= { caller: `shared ${place}`, pending: 0, total: 0 };
    return this.#shared[place];
  }
}

const SALT = randomBytes(16);
