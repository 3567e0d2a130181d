import type { FastifyReply, FastifyRequest } from 'fastify';
import { cookieOf, setCookie } from '../http/cookies.ts';
import { forbidden } from '../refusal.ts';

/** The name that Infisical's clients know. */
const COOKIE = 'jid';
/** Nothing but the two routes that use it gets to see it. */
const PATH = '/api/v1/auth';
const THIRTY_DAYS_SECONDS = 2_592_000;

export const setRefreshCookie = (reply: FastifyReply, token: string): void =>
  setCookie(reply, COOKIE, token, { path: PATH, maxAge: THIRTY_DAYS_SECONDS });

export const clearRefreshCookie = (reply: FastifyReply): void =>
  setCookie(reply, COOKIE, '', { path: PATH, maxAge: 0 });

/**
 * Refuses what a page of another origin sends, where the browser says so. The cookies are SameSite=Strict already; this
 * keeps a neighbour on the same domain from using a session, and anybody's page from logging a browser in as somebody else.
 */
export function requireOwnOrigin(request: FastifyRequest): void {
  const site = request.headers['sec-fetch-site'];
  if (site === 'cross-site' || site === 'same-site')
    throw forbidden('a page of another origin may not log in here, nor use a session');
}

/** The refresh token of a request that no other origin's page has sent. */
export function refreshCookieOf(request: FastifyRequest): string | undefined {
  requireOwnOrigin(request);
  return cookieOf(request, COOKIE);
}
