import type { IncomingMessage } from 'node:http';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { canonicalAddress, type TrustedProxies } from './trusted-proxies.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /**
     * The caller's address, as far as it can be known: the other end of the connection, or what trusted proxies say
     * (http/trusted-proxies.ts). Nothing else in this server looks at a forwarded header.
     */
    clientAddress(): string;
    /** Whether the other end of the connection is a trusted proxy. */
    fromProxy(): boolean;
  }
}

/** A caller who is gone already has no address; it gets one that no list of trusted addresses holds, unless that holds all. */
const NOBODY = '0.0.0.0';

const socketAddress = (request: IncomingMessage): string =>
  canonicalAddress((request.socket.remoteAddress as string | undefined) ?? NOBODY) ?? NOBODY;

/** Tells where a request comes from. */
export type AddressOf = (request: IncomingMessage) => string;

/** Without trusted proxies no header is looked at. */
export const addressesBehind = (proxies: TrustedProxies | undefined): AddressOf =>
  proxies === undefined ? socketAddress : (request) => proxies.clientOf(socketAddress(request), request.headers);

/** Teaches requests where they come from. */
export function knowAddresses(app: FastifyInstance, proxies: TrustedProxies | undefined): void {
  const addressOf = addressesBehind(proxies);
  app.decorateRequest('clientAddress', function (this: FastifyRequest) {
    return addressOf(this.raw);
  });
  app.decorateRequest('fromProxy', function (this: FastifyRequest) {
    return proxies?.trusts(socketAddress(this.raw)) ?? false;
  });
}
