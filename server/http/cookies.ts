import type { FastifyReply, FastifyRequest } from 'fastify';

/** Cookies of this server: never readable by scripts, never over plain http (browsers take localhost for safe). */
export interface CookieOptions {
  /** Requests below this path carry it. */
  readonly path: string;
  /** `Lax` only where a page of somebody else's leads here, as an identity provider does. @default 'Strict' */
  readonly sameSite?: 'Strict' | 'Lax';
  /** Seconds; 0 takes it away. */
  readonly maxAge: number;
}

/** Sets a cookie, beside those that were set before. */
export function setCookie(reply: FastifyReply, name: string, value: string, options: CookieOptions): void {
  const { path, sameSite = 'Strict', maxAge } = options;
  const cookie = `${name}=${value}; Path=${path}; Max-Age=${maxAge}; HttpOnly; Secure; SameSite=${sameSite}`;
  const before = reply.getHeader('set-cookie');
  reply.header('set-cookie', before === undefined ? cookie : [before, cookie].flat().map(String));
}

/** A cookie of a request. The first of its name: a longer path comes first (RFC 6265, 5.4), and ours are the longest. */
export function cookieOf(request: FastifyRequest, name: string): string | undefined {
  for (const pair of (request.headers.cookie ?? '').split(';')) {
    const at = pair.indexOf('=');
    if (at > 0 && pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim();
  }
  return undefined;
}
