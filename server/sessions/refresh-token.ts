import type { KeyObject } from 'node:crypto';
import { macFor, sameMac } from '../../keys/index.ts';

const FORM = /^([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})\.(\d{1,9})\.([A-Za-z0-9_-]{43})$/;

/** What a refresh token says: whose session it belongs to, and how often that one's token had been replaced. */
export interface RefreshClaims {
  readonly sessionId: string;
  readonly generation: number;
}

/**
 * The token that a session is refreshed with: its id, a count, and a MAC of both. Nothing of it is stored, so someone with
 * the database has no token. An old one is still known as ours, and that is how a stolen one gives itself away.
 */
export function refreshToken(key: KeyObject, { sessionId, generation }: RefreshClaims): string {
  return `${sessionId}.${generation}.${macFor(key, 'refresh', sessionId, generation).toString('base64url')}`;
}

/** The claims of a refresh token of ours, whether or not it is the newest. */
export function readRefreshToken(key: KeyObject, token: string | undefined): RefreshClaims | undefined {
  const [, sessionId, count, given] = FORM.exec(token ?? '') ?? [];
  if (sessionId === undefined || count === undefined || given === undefined) return undefined;
  const claims = { sessionId, generation: Number(count) };
  return sameMac(Buffer.from(refreshToken(key, claims)), Buffer.from(token!)) ? claims : undefined;
}
