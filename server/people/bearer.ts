import type { FastifyRequest } from 'fastify';

/** What stands as bearer in a request's header, on routes where that is no access token but a one-time one. */
export function bearerOf(request: FastifyRequest): string | undefined {
  return /^Bearer +(\S{1,4096})$/i.exec(request.headers.authorization ?? '')?.[1];
}
