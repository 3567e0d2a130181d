import type { FastifyInstance } from 'fastify';
import { badRequest } from '../refusal.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The body as it came, for the proofs that cover it. */
    rawBody?: Buffer;
  }
}

/** Bytes that are no UTF-8 are refused here: replaced by U+FFFD, they would be stored as a value nobody sent. */
const utf8 = new TextDecoder('utf-8', { fatal: true });

function decode(body: Buffer): string {
  try {
    return utf8.decode(body);
  } catch {
    throw badRequest('the request body is not valid UTF-8');
  }
}

/** Bodies: JSON, and the forms that Infisical's server reads too. An empty one is no body. */
export function parseBodies(app: FastifyInstance): void {
  app.decorateRequest('rawBody', undefined);
  app.removeAllContentTypeParsers();
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    const bytes = body as Buffer;
    request.rawBody = bytes;
    if (bytes.length === 0) return done(null, undefined);
    try {
      parseJson(request, decode(bytes), (error, parsed) =>
        done(error && badRequest('the request body is not valid JSON'), parsed),
      );
    } catch (error) {
      done(error as Error);
    }
  });
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'buffer' }, (request, body, done) => {
    request.rawBody = body as Buffer;
    try {
      done(null, Object.fromEntries(new URLSearchParams(decode(body as Buffer))));
    } catch (error) {
      done(error as Error);
    }
  });
}
