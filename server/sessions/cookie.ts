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
 * The refresh token of a request. The cookie is SameSite=Strict; a browser that says besides that a page of another origin
 * is asking is refused, so that a neighbour on the same domain can do nothing with it either.
 */
export function refreshCookieOf(request: FastifyRequest): string | undefined {
  const site = request.headers['sec-fetch-site'];
  if (site === 'cross-site' || site === 'same-site')
    throw forbidden('a page of another origin may not use this session');
  return cookieOf(request, COOKIE);
}
