import type { FastifyInstance, FastifyRequest } from 'fastify';
import ipaddr from 'ipaddr.js';
import type { Audit } from '../audit/audit.ts';
import { originOf } from '../http/authentication.ts';
import { Refusal } from '../refusal.ts';
import { begunFor } from '../shortcut/begun.ts';
import { classOf, type LimitClass } from './classes.ts';
import type { Limits, Standing } from './limits.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What requests of this route are counted as; false: not at all. @default by its address, see limits/classes.ts */
    rateLimit?: LimitClass | false;
    /** Set for every route by limits/enforce.ts. */
    limitClass?: LimitClass | false;
  }
}

/**
 * Counts every request, and refuses those beyond the limit of their caller: the identity, where the token's signature
 * tells it, and the address otherwise. The headers are Infisical's.
 */
export function enforceLimits(app: FastifyInstance, limits: Limits, audit: Audit): void {
  app.addHook('onRoute', (route) => {
    const method = [route.method].flat()[0]!;
    route.config = { ...route.config, limitClass: classOf({ method, url: route.url, config: route.config }) };
  });
  app.addHook('onRequest', (request, reply, done) => {
    const of = request.routeOptions.config.limitClass;
    if (of === undefined || of === false || request.is404) return done();
    const standing = begunFor(request.raw)?.standing ?? limits.take(of, callerOf(request));
    if (standing === undefined) return done();
    const { reset, refused } = standing;
    reply.headers(rateHeaders(standing));
    if (!refused) return done();
    reply.header('retry-after', reset);
    if (!request.caller) audit.refusedStranger('rate-limited');
    return done(new Refusal('rateLimited', `Rate limit exceeded. Please try again in ${reset} seconds`));
  });
}

/** Infisical's names. */
export const rateHeaders = ({ limit, remaining, reset }: Standing) => ({
  'x-ratelimit-limit': limit,
  'x-ratelimit-remaining': remaining,
  'x-ratelimit-reset': reset,
});

/** An IPv6 address counts by its network of 64 bits: whoever has one address there has all of them. */
function callerOf(request: FastifyRequest): string {
  if (request.caller) return request.caller.actorId;
  const { ip } = originOf(request);
  return ip.includes(':') ? ipaddr.IPv6.parse(ip).toByteArray().slice(0, 8).join('.') : ip;
}
