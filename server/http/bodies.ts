import type { FastifyReply, FastifyRequest } from 'fastify';

export const JSON_TYPE = 'application/json; charset=utf-8';

/** Sends a body that is bytes already, or 304 when the client holds the same. */
export function sendBody(
  request: FastifyRequest,
  reply: FastifyReply,
  body: { json: Buffer; etag: string },
): FastifyReply {
  reply.header('etag', body.etag).header('cache-control', 'no-store');
  if (matches(request.headers['if-none-match'], body.etag)) return reply.code(304).send();
  return reply.type(JSON_TYPE).send(body.json);
}

/** Whether the client holds this already (RFC 9110, 13.1.2): a list of tags, weak comparison, or `*`. */
export function matches(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.split(',').some((given) => {
    const tag = given.trim().replace(/^W\//, '');
    return tag === '*' || tag === etag;
  });
}
