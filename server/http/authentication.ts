import type { KeyObject } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { readServiceToken, type SigningKeys, TokenInvalid } from '../../keys/index.ts';
import type { Caller } from '../access/access.ts';
import type { Audit } from '../audit/audit.ts';
import { type Origin, originFrom } from '../audit/origin.ts';
import type { LastSeen } from '../last-seen/last-seen.ts';
import { Refusal, tokenRefused, unauthorized } from '../refusal.ts';
import { begunFor } from '../shortcut/begun.ts';
import { KnownTokens } from './known-tokens.ts';
import { refuseToServiceTokens } from './service-tokens.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route answers strangers. Every other route wants a token; a test lists the public ones. */
    public?: boolean;
  }
  interface FastifyRequest {
    /** Who calls; set on every route that is not public. */
    caller: Caller;
    knownOrigin: Origin | null;
  }
}

/** Where a request came from: made once a request, since limits, the audit and the checks of addresses all ask. */
export function originOf(request: FastifyRequest): Origin {
  const known = request.knownOrigin;
  if (known) return known;
  const origin = originFrom(request.clientAddress(), request.headers['user-agent'], request.id);
  request.knownOrigin = origin;
  return origin;
}

/**
 * Checks the token's signature before anything else is done for a request: a forged one dies here, without a statement.
 * What the token is good for, the database decides later (access/).
 */
export function authenticate(
  app: FastifyInstance,
  keys: SigningKeys,
  keyring: { readonly clientSecretMacKey: KeyObject },
  audit: Audit,
  lastSeen: LastSeen,
): void {
  app.decorateRequest('caller', null as unknown as Caller);
  app.decorateRequest('knownOrigin', null);
  const tokens = new KnownTokens(keys);
  app.addHook('onRequest', (request, _reply, done) => {
    if (request.routeOptions.config.public || request.is404) return done();
    const begun = begunFor(request.raw);
    if (begun) {
      request.caller = begun.caller;
      return done(begun.fault);
    }
    const bearer = bearerOf(request, audit);
    const serviceTokenId = readServiceToken(keyring.clientSecretMacKey, bearer);
    if (serviceTokenId !== undefined) {
      refuseToServiceTokens(request, audit);
      const ids = { tokenId: serviceTokenId, actorId: serviceTokenId };
      request.caller = { ...ids, usesLimited: false, isServiceToken: true, isListed: true, origin: originOf(request) };
      return done();
    }
    const claims = readToken(bearer, tokens, audit);
    request.caller = {
      tokenId: claims.identityAccessTokenId,
      actorId: (claims.identityId ?? claims.userId)!,
      usesLimited: claims.usesLimited === true,
      isListed: claims.identityId !== undefined && claims.clientSecretId === undefined,
      origin: originOf(request),
    };
    done();
  });
  // A token that was refused was not used.
  app.addHook('onResponse', ({ caller }, reply, done) => {
    if (caller?.isListed && reply.statusCode !== 401) lastSeen.used(caller.tokenId);
    done();
  });
}

/** The token that a request sends; an empty text for a header that holds none. */
function bearerOf(request: FastifyRequest, audit: Audit): string {
  const header = request.headers.authorization;
  if (header === undefined) {
    audit.refusedStranger('token-missing');
    throw unauthorized('this route needs a token: send the header "Authorization: Bearer <access token>"');
  }
  return /^Bearer +(\S+)$/i.exec(header)?.[1] ?? '';
}

function readToken(token: string, tokens: KnownTokens, audit: Audit) {
  try {
    if (token !== '') return tokens.verify(token);
  } catch (error) {
    if (!(error instanceof TokenInvalid) && !(error instanceof Refusal)) throw error;
  }
  audit.refusedStranger('token-forged');
  throw tokenRefused('this access token is not one of this server; log in again');
}
