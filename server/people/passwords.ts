import { randomBytes } from 'node:crypto';
import { Turns } from '../database/turns.ts';
import { tooMany } from './too-many.ts';

/** OWASP's first choice for argon2id, which is the library's default too: 19 MiB, two passes. A login costs some 30 ms of one core. */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;
// Loaded with the first password: machines log in without it.
const argon2 = () => import('@node-rs/argon2');

const hashOf = async (password: string): Promise<string> => (await argon2()).hash(password, COST);

/** At once, so that a crowd of logins takes 38 MiB and half of the pool's threads, and nobody else's disk or DNS waits. */
const LANES = 2;

/**
 * Makes and checks password hashes, on libuv's threads and never on the event loop. Few at once and each address in turn:
 * whoever sends a thousand logins waits behind their own.
 */
export class Passwords {
  readonly #turns = new Turns({
    lanes: LANES,
    perKey: 1,
    waiting: 200,
    longestWaitMs: 10_000,
    overflow: () => tooMany('too many logins are waiting; try again in a moment', 5),
  });
  /** The hash of a password that nobody has. */
  #nobody: Promise<string> | undefined;

  /** @param from the caller's address */
  hash(password: string, from: string): Promise<string> {
    return this.#turns.take(from, () => hashOf(password.normalize('NFKC')));
  }

  /** Whether a password is the one that was hashed. Without a hash it is not, and that takes the same work to say. */
  async verify(hashed: string | null | undefined, password: string, from: string): Promise<boolean> {
    this.#nobody ??= hashOf(randomBytes(32).toString('hex'));
    const against = hashed ?? (await this.#nobody);
    const right = await this.#turns.take(from, async () =>
      (await argon2()).verify(against, password.normalize('NFKC')),
    );
    return right && hashed != null;
  }
}
