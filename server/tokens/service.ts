import type { AccessToken } from '../../contracts/index.ts';
import {
  type AccessTokenClaims,
  type SigningKeys,
  signAccessToken,
  TokenInvalid,
  verifyAccessToken,
} from '../../keys/index.ts';
import type { Audit } from '../audit/audit.ts';
import type { Origin } from '../audit/store.ts';
import type { Database } from '../database/database.ts';
import type { LastSeen } from '../last-seen/last-seen.ts';
import type { Jobs } from '../metrics/job.ts';
import { tokenRefused } from '../refusal.ts';
import { type IssuedRow, renewToken, revokeToken, sweepTokens } from './store.ts';

const SWEEP_MS = 3_600_000;

/** Access tokens: signed by this server, judged by the database. */
export class Tokens {
  readonly #db: Database;
  readonly #lastSeen: LastSeen;
  readonly #audit: Audit;
  readonly #keys: SigningKeys;
  #stopSweeping: (() => void) | undefined;

  constructor(options: { db: Database; audit: Audit; keys: SigningKeys; lastSeen: LastSeen }) {
    this.#db = options.db;
    this.#lastSeen = options.lastSeen;
    this.#audit = options.audit;
    this.#keys = options.keys;
  }

  start(jobs: Jobs): void {
    this.#stopSweeping = jobs.job('tokens-sweep').every(SWEEP_MS, () => sweepTokens(this.#db));
  }

  stop(): void {
    this.#stopSweeping?.();
  }

  /** The token of a row, in the body that HIP-27 shows. */
  answer(row: IssuedRow): AccessToken {
    const machine = row.actorKind === 'identity';
    const accessToken = signAccessToken(this.#keys, {
      ...(machine ? { identityId: row.actorId } : { userId: row.actorId }),
      ...(row.clientSecretId === null ? {} : { clientSecretId: row.clientSecretId }),
      identityAccessTokenId: row.id,
      authTokenType: machine ? 'identityAccessToken' : 'accessToken',
      ...(row.usesLimited ? { usesLimited: true } : {}),
      iat: row.issuedAt,
      exp: row.expiresAt,
    });
    const endless = row.ttl === 0 && row.maxTtl === 0;
    const expiresIn = endless ? 0 : row.expiresAt - row.issuedAt;
    return { accessToken, expiresIn, accessTokenMaxTTL: row.maxTtl, tokenType: 'Bearer' };
  }

  /**
   * Lengthens a token's life, up to its max TTL. The bearer proves itself by the token alone. What comes back says the new
   * end; the text that was sent stands for the same token, and goes on working just as long, for clients that keep it.
   */
  async renew(token: string, origin: Origin): Promise<AccessToken> {
    const { identityAccessTokenId, identityId, userId } = this.#read(token);
    const renewed = await renewToken(this.#db, identityAccessTokenId, (identityId ?? userId)!, origin);
    if (!renewed) throw tokenRefused('this access token has ended and cannot be renewed; log in again');
    this.#lastSeen.renewed(renewed.id);
    return this.answer(renewed);
  }

  /** Ends a token. Ending one that has ended already changes nothing. */
  async revoke(token: string, origin: Origin): Promise<void> {
    const owner = await revokeToken(this.#db, this.#read(token).identityAccessTokenId);
    if (!owner) return;
    await this.#audit.write({
      action: 'delete',
      event: 'revoke-access-token',
      outcome: 'allowed',
      actor: { kind: owner.actorKind, id: owner.actorId, name: owner.actorName },
      organizationId: owner.organizationId,
      origin,
    });
  }

  #read(token: string): AccessTokenClaims {
    try {
      return verifyAccessToken(this.#keys, token);
    } catch (error) {
      if (!(error instanceof TokenInvalid)) throw error;
      this.#audit.refusedStranger('token-forged');
      throw tokenRefused('this access token is not one of this server; log in again');
    }
  }
}
