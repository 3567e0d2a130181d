import { hash } from 'node:crypto';
import { type AccessTokenClaims, type SigningKeys, verifyAccessToken } from '../../keys/index.ts';

const KEPT_AT_MOST = 10_000;

/**
 * Checks signatures of access tokens, and keeps what the good ones say, by their SHA-256: the tokens themselves are not
 * kept, and one that differs in a single character is another. A service sends its token thousands of times; checking the
 * signature anew took a tenth of a read. Whether a token is still good is the database's to say, each time.
 */
export class KnownTokens {
  readonly #keys: SigningKeys;
  readonly #known = new Map<string, AccessTokenClaims>();

  constructor(keys: SigningKeys) {
    this.#keys = keys;
  }

  /** @throws TokenInvalid */
  verify(token: string): AccessTokenClaims {
    const digest = hash('sha256', token, 'base64');
    const known = this.#known.get(digest);
    if (known) return known;
    const claims = verifyAccessToken(this.#keys, token);
    if (this.#known.size >= KEPT_AT_MOST) this.#known.clear();
    this.#known.set(digest, claims);
    return claims;
  }
}
