import { macFor } from '../../keys/index.ts';
import type { Database } from '../database/database.ts';
import type { Keyring } from '../keyring/keyring.ts';
import { networkOf } from '../universal-auth/wrong-secrets.ts';
import { countFailure, forgetFailures, waitOf } from './throttle-store.ts';
import { tooMany } from './too-many.ts';

interface Bucket {
  readonly id: Buffer;
  /** Failures that cost no wait. */
  readonly free: number;
  readonly longestSeconds: number;
}

/** Where a try comes from: an address, or a browser that was let in before. */
export interface TriedFrom {
  readonly ip: string;
  /** The number of a device cookie that belongs to this very account (people/devices.ts). */
  readonly device: string | undefined;
}

/**
 * Slows guessing down without ever shutting a person out. Failures are counted by account *and* address, so whoever guesses
 * from elsewhere slows only themselves; and a browser that was let in before is counted for itself, so that not even a
 * colleague behind the same address can keep its owner waiting. An account has no lock that strangers could throw.
 * What the counters are of is stored as a MAC. They live in the database: every replica sees the same ones.
 */
export class Throttle {
  readonly #db: Database;
  readonly #keyring: Keyring;

  constructor(options: { db: Database; keyring: Keyring }) {
    this.#db = options.db;
    this.#keyring = options.keyring;
  }

  /** A password for an account, whether there is one of that name or not. */
  password(email: string, from: TriedFrom): Attempt {
    const place = placeOf(from);
    const own = this.#bucket(['password', email, place], 5, 60);
    // Somebody who tries one password on many accounts: a known browser is none of them.
    return this.#attempt(from.device === undefined ? [own, this.#bucket(['address', place], 30, 60)] : [own]);
  }

  /** A code of the second factor. Six digits are few, so here the account itself counts, beyond the known browsers. */
  code(userId: string, kind: 'totp' | 'recovery', from: TriedFrom): Attempt {
    const place = from.device === undefined ? 'anywhere' : placeOf(from);
    return this.#attempt([this.#bucket(['code', kind, userId, place], 5, 3600)]);
  }

  #bucket(fields: readonly string[], free: number, longestSeconds: number): Bucket {
    return { id: macFor(this.#keyring.clientSecretMacKey, 'throttle', ...fields), free, longestSeconds };
  }

  #attempt(buckets: readonly Bucket[]): Attempt {
    const ids = buckets.map(({ id }) => id);
    return {
      begin: async () => {
        const seconds = await waitOf(this.#db, buckets);
        if (seconds > 0) throw tooMany(`too many wrong tries; try again in ${seconds} seconds`, seconds);
        // Counted before it is checked: a thousand tries at once are a thousand tries.
        await countFailure(this.#db, ids);
      },
      succeeded: () => forgetFailures(this.#db, ids[0]!, ids.slice(1)),
    };
  }
}

/** One try: begun before the check, and cleared when it was right. */
export interface Attempt {
  /** @throws Refusal 429 while this try has to wait */
  begin(): Promise<void>;
  succeeded(): Promise<void>;
}

const placeOf = ({ ip, device }: TriedFrom): string => (device === undefined ? networkOf(ip) : `device ${device}`);
