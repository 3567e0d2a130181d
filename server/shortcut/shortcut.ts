import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { FastifyBaseLogger, FastifyRequest } from 'fastify';
import type { Caller } from '../access/caller.ts';
import { originFrom } from '../audit/origin.ts';
import { JSON_TYPE } from '../http/bodies.ts';
import type { AddressOf } from '../http/client-address.ts';
import type { RequestIds } from '../http/request-ids.ts';
import { SECURITY_HEADERS } from '../http/security-headers.ts';
import type { LastSeen } from '../last-seen/last-seen.ts';
import { rateHeaders } from '../limits/enforce.ts';
import type { Limits, Standing } from '../limits/limits.ts';
import { nameOf, type Question } from '../secrets/question.ts';
import type { Body, Reads } from '../secrets/reads.ts';
import { begin } from './begun.ts';
import { KnownReads } from './known-reads.ts';

export interface ShortcutParts {
  readonly reads: Reads;
  readonly limits: Limits;
  readonly ids: RequestIds;
  readonly addressOf: AddressOf;
  readonly log: FastifyBaseLogger;
  readonly lastSeen: LastSeen;
}

/**
 * Answers the reads that services repeat before Fastify sees them: the same address with the same token, of which memory
 * holds the answer. It leaves out what comes to the same each time (routing, checking the query, parsing the token, hooks) and
 * nothing that may have changed: the address of the caller, the limit, and the one statement that asks whether token, rights
 * and content are still those of before and writes the audit. Whatever is not exactly so goes the whole way.
 */
export class Shortcut {
  readonly #known = new KnownReads();
  #parts: ShortcutParts | undefined;

  /** Stands before the listeners that the server has. */
  install(server: Server): void {
    const [handle] = server.listeners('request') as RequestListener[];
    server.removeAllListeners('request');
    server.on('request', (request, response) => {
      if (!this.#answers(request, response, handle!)) handle!(request, response);
    });
  }

  open(parts: ShortcutParts): void {
    this.#parts = parts;
  }

  /** From now on all goes the whole way, where a stopping server says so to its clients. */
  close(): void {
    this.#parts = undefined;
  }

  /** Remembers a read that went well. */
  keep(request: FastifyRequest, question: Question): void {
    const { caller, raw } = request;
    if (this.#parts === undefined || raw.method !== 'GET') return;
    const { limitClass, meter } = request.routeOptions.config;
    const { project } = question;
    this.#known.keep(raw.url!, raw.headers.authorization, caller, {
      project,
      name: nameOf(caller, question),
      limitClass,
      meter,
    });
  }

  #answers(request: IncomingMessage, response: ServerResponse, handle: RequestListener): boolean {
    const parts = this.#parts;
    if (parts === undefined || request.method !== 'GET') return false;
    const { headers } = request;
    const { authorization } = headers;
    // A request with a body is left to those who know what to do about it.
    if (authorization === undefined || 'content-length' in headers || 'transfer-encoding' in headers) return false;
    const read = this.#known.find(request.url!, authorization);
    if (read === undefined) return false;
    const since = performance.now();
    const { tokenId, actorId, isListed } = read;
    const origin = originFrom(parts.addressOf(request), headers['user-agent'], parts.ids.of(request));
    const caller: Caller = { tokenId, actorId, usesLimited: false, isListed, origin };
    const held = parts.reads.held(caller, read, headers['if-none-match']);
    if (held === undefined) return false;
    const standing = read.limitClass ? parts.limits.take(read.limitClass, actorId) : undefined;
    if (standing?.refused) {
      begin(request, { caller, standing });
      return false;
    }
    const goOn = (fault?: Error) => {
      begin(request, { caller, standing, fault });
      if (!request.socket.destroyed) handle(request, response);
    };
    parts.reads.serve(held).then((body) => {
      if (body === undefined) return goOn();
      if (isListed) parts.lastSeen.used(tokenId);
      const status = send(response, origin.requestId, standing, body);
      const ms = performance.now() - since;
      read.meter?.observe(status, ms / 1000);
      this.#log(parts.log, request.url!, status, ms, origin.requestId);
    }, goOn);
    return true;
  }

  /** The line that Fastify's hook writes for all others. */
  #log(
    log: FastifyBaseLogger & { isLevelEnabled?(level: string): boolean },
    url: string,
    status: number,
    ms: number,
    reqId: string,
  ): void {
    if (!log.isLevelEnabled?.('info')) return;
    log.info({ reqId, method: 'GET', path: url.split('?')[0], status, ms: Math.round(ms * 10) / 10 }, 'request');
  }
}

function send(response: ServerResponse, requestId: string, standing: Standing | undefined, body: Body): number {
  const { json, etag, unchanged } = body;
  const headers: Record<string, string | number> = {
    'x-request-id': requestId,
    ...SECURITY_HEADERS,
    ...(standing && rateHeaders(standing)),
    etag,
    'cache-control': 'no-store',
  };
  if (unchanged) {
    response.writeHead(304, headers).end();
    return 304;
  }
  headers['content-type'] = JSON_TYPE;
  headers['content-length'] = json.length;
  response.writeHead(200, headers).end(json);
  return 200;
}
