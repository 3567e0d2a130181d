import type { AccessToken } from '../contracts/access-tokens.ts';
import { claimsOf } from './claims.ts';
import { KmsRefusal } from './errors.ts';
import { number, object, readerOf, text } from './shape.ts';
import type { Transport } from './transport.ts';

/** A token as a login gives it, checked without zod. */
export const TokenAnswer = readerOf<AccessToken>(
  object({ accessToken: text, expiresIn: number, accessTokenMaxTTL: number, tokenType: text }),
);

/** Where a client's access tokens come from. */
export interface TokenSource {
  /** Machine identity that the present token is of, as the token says itself; undefined: none, or another kind of token. */
  readonly identityId: string | undefined;
  token(signal?: AbortSignal): Promise<string>;
  /** The server refused this token. True when another one can be had, so that one more try makes sense. */
  refused(token: string): boolean;
}

/** How a client proves who it is: a token that somebody else obtained, or a machine identity's credentials. */
export type Credentials =
  | {
      readonly token: string;
      /** Obtains another token when this one is refused. @default - none: the refusal is passed on */
      readonly renew?: () => Promise<string>;
    }
  | { readonly clientId: string; readonly clientSecret: string };

/** A token as it is, or one that is logged in for, renewed, and logged in for again before it ends. */
export function tokenSource(credentials: Credentials, transport: Transport): TokenSource {
  if ('token' in credentials) {
    return new GivenToken(credentials.token, credentials.renew);
  }
  return new UniversalAuth(credentials.clientId, credentials.clientSecret, transport);
}

/** A token of somebody else's, and whoever has the next one. */
class GivenToken implements TokenSource {
  #token: Promise<string>;
  #last: string;
  #isRenewing = false;
  readonly #renew: (() => Promise<string>) | undefined;

  constructor(token: string, renew: (() => Promise<string>) | undefined) {
    this.#token = Promise.resolve(token);
    this.#last = token;
    this.#renew = renew;
  }

  get identityId(): string | undefined {
    return identityOf(this.#last);
  }

  token(): Promise<string> {
    return this.#token;
  }

  refused(token: string): boolean {
    if (!this.#renew) return false;
    // Whoever is refused with an older one, or while another is obtained, takes the one that there is then.
    if (token !== this.#last || this.#isRenewing) return true;
    this.#isRenewing = true;
    this.#token = this.#renew()
      .then((next) => (this.#last = next))
      .finally(() => {
        this.#isRenewing = false;
      });
    this.#token.catch(() => {
      this.#token = Promise.resolve(token);
    });
    return true;
  }
}

interface Session {
  readonly accessToken: string;
  /** When to have another token, in milliseconds of the local monotonic clock. */
  readonly freshUntil: number;
  /** When renewals end, on the same clock. */
  readonly lastRenewal: number;
  readonly ttlMs: number;
}

/**
 * Universal Auth (HIP-27): logs in once, renews before the token ends while its longest life allows, logs in again
 * after that. Requests that arrive together wait for one login. Times are taken from the moment the request was sent,
 * so that a slow answer makes a token look older, never younger.
 */
class UniversalAuth implements TokenSource {
  readonly #clientId: string;
  readonly #clientSecret: string;
  readonly #transport: Transport;
  #session: Session | undefined;
  #pending: Promise<Session> | undefined;

  constructor(clientId: string, clientSecret: string, transport: Transport) {
    this.#clientId = clientId;
    this.#clientSecret = clientSecret;
    this.#transport = transport;
  }

  get identityId(): string | undefined {
    return this.#session && identityOf(this.#session.accessToken);
  }

  async token(signal?: AbortSignal): Promise<string> {
    if (this.#session && performance.now() < this.#session.freshUntil) return this.#session.accessToken;
    // The shared login carries nobody's signal: one caller who gives up must not fail the others.
    this.#pending ??= this.#obtain().finally(() => {
      this.#pending = undefined;
    });
    const session = await (signal ? abortable(this.#pending, signal) : this.#pending);
    return session.accessToken;
  }

  refused(token: string): boolean {
    if (this.#session?.accessToken === token) this.#session = undefined;
    return true;
  }

  async #obtain(): Promise<Session> {
    const old = this.#session;
    if (old && performance.now() + old.ttlMs < old.lastRenewal) {
      try {
        this.#session = await this.#ask('/api/v1/auth/token/renew', { accessToken: old.accessToken }, old.lastRenewal);
        return this.#session;
      } catch (error) {
        if (!(error instanceof KmsRefusal)) throw error;
      }
    }
    const credentials = { clientId: this.#clientId, clientSecret: this.#clientSecret };
    this.#session = await this.#ask('/api/v1/auth/universal-auth/login', credentials);
    return this.#session;
  }

  async #ask(path: string, body: object, lastRenewal?: number): Promise<Session> {
    const sent = performance.now();
    // A login that is repeated leaves at worst one more short-lived token behind.
    const { answer } = await this.#transport.send({
      method: 'POST',
      path,
      body,
      answer: TokenAnswer,
      idempotent: true,
    });
    const { accessToken, expiresIn, accessTokenMaxTTL } = answer as AccessToken;
    const ttlMs = expiresIn * 1000;
    const margin = Math.min(60_000, ttlMs / 5);
    return {
      accessToken,
      ttlMs,
      freshUntil: sent + ttlMs - margin,
      lastRenewal: lastRenewal ?? sent + accessTokenMaxTTL * 1000,
    };
  }
}

function identityOf(token: string): string | undefined {
  const { identityId } = Object(claimsOf(token)) as { identityId?: unknown };
  return typeof identityId === 'string' && /^[\w-]{1,64}$/.test(identityId) ? identityId : undefined;
}

function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}
