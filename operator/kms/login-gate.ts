import type { Fetch } from '../../sdk/index.ts';

/** A login with credentials that have a successor: it was not sent. Whoever wanted it reads the credentials anew. */
class LoginHeld extends Error {
  constructor() {
    super('these credentials have a successor');
    this.name = 'LoginHeld';
  }
}

/** Whether an error comes of a login that was held back. */
export const isHeld = (error: unknown): boolean =>
  error instanceof Error && (error instanceof LoginHeld || isHeld(error.cause));

const LOGIN_PATH = /\/api\/v1\/auth\/universal-auth\/login$/;
/** One short digest for each. */
const REMEMBERED = 10_000;

/**
 * Sees to it that nothing logs in with a client secret whose successor this process knows: KMS takes that for a thief, and ends both.
 * A token that ends at the wrong moment, or a stream that is opened again, would.
 */
export class LoginGate {
  readonly #closed = new Set<string>();
  readonly #underWay = new Map<string, Set<Promise<unknown>>>();

  /** Whether a successor of it is known here. */
  isClosed(secret: string): boolean {
    return this.#closed.has(secret);
  }

  /** No login with it begins from now on. */
  close(secret: string): void {
    this.#closed.delete(secret);
    this.#closed.add(secret);
    const [oldest] = this.#closed;
    if (this.#closed.size > REMEMBERED && oldest !== undefined) this.#closed.delete(oldest);
  }

  /**
   * A fetch that lets the logins of one client secret through.
   *
   * @param secret its digest
   * @param former digests of those before it: their logins that are under way are waited for
   */
  guard(secret: string, former: readonly string[], fetch: Fetch): Fetch {
    return async (url, init) => {
      if (!LOGIN_PATH.test(url.pathname)) return fetch(url, init);
      await Promise.allSettled(former.flatMap((one) => [...(this.#underWay.get(one) ?? [])]));
      if (this.#closed.has(secret)) throw new LoginHeld();
      return this.#through(secret, fetch(url, init));
    };
  }

  async #through<Answer>(secret: string, login: Promise<Answer>): Promise<Answer> {
    const those = this.#underWay.get(secret) ?? new Set();
    this.#underWay.set(secret, those.add(login));
    try {
      return await login;
    } finally {
      those.delete(login);
      if (those.size === 0) this.#underWay.delete(secret);
    }
  }
}
