import type { Server } from 'node:http';
import type { ServerOptions } from 'node:https';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { answerInTurn } from './pipelining.ts';
import { endStalled, lookEveryMs } from './stalled.ts';
import { canonicalAddress, type TrustedProxies } from './trusted-proxies.ts';

/** How long and how many connections may be. */
export interface ConnectionLimits {
  /** A request must have arrived whole within this, headers and body. @default 30 seconds */
  readonly requestMs?: number | undefined;
  /** A connection on which nothing moves, in either direction, is ended: its client reads nothing. @default 60 seconds */
  readonly stalledMs?: number | undefined;
  /** Connections at once. @default 20,000 */
  readonly connections?: number | undefined;
  /** Of those, from one address; trusted proxies have no such limit. @default no limit */
  readonly perAddress?: number | undefined;
}

const REQUEST_MS = 30_000;
const STALLED_MS = 60_000;
const CONNECTIONS = 20_000;
const MOST_HEADERS = 100;

/** What Fastify is told of it, and of the certificate, where there is one. Node looks for late requests only so often: at least thirty times within the limit. */
export function connectionOptions(
  { requestMs = REQUEST_MS, stalledMs = STALLED_MS }: ConnectionLimits,
  tls: ServerOptions | undefined,
) {
  const http = {
    headersTimeout: Math.min(15_000, requestMs),
    connectionsCheckingInterval: Math.min(1_000, Math.ceil(requestMs / 3)),
  };
  return {
    requestTimeout: requestMs,
    connectionTimeout: lookEveryMs(stalledMs),
    keepAliveTimeout: 72_000,
    ...(tls === undefined ? { http } : { https: { ...http, ...tls } }),
  };
}

/** Bounds how many connections there are and what each may ask at once, so that whoever opens them and says nothing leaves room for others. */
export function limitConnections(
  app: FastifyInstance,
  limits: ConnectionLimits,
  proxies: TrustedProxies | undefined,
): void {
  const server = app.server as Server;
  server.maxConnections = limits.connections ?? CONNECTIONS;
  server.maxHeadersCount = MOST_HEADERS;
  answerInTurn(server);
  endStalled(server, limits.stalledMs ?? STALLED_MS);
  const most = limits.perAddress;
  if (most === undefined) return;
  const open = new Map<string, number>();
  server.on('connection', (socket: Socket) => {
    const address = canonicalAddress(socket.remoteAddress ?? '');
    if (address === undefined || proxies?.trusts(address)) return;
    const count = (open.get(address) ?? 0) + 1;
    open.set(address, count);
    socket.once('close', () => {
      const left = open.get(address)! - 1;
      if (left === 0) open.delete(address);
      else open.set(address, left);
    });
    if (count > most) socket.destroy();
  });
}
