import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { begunFor } from '../shortcut/begun.ts';
import { canonicalAddress, type TrustedProxies } from './trusted-proxies.ts';

/** Letters, digits and what ids are joined with: nothing that a log, a header or a terminal reads as something else. */
const WELL_FORMED = /^[A-Za-z0-9][A-Za-z0-9._:-]{7,127}$/;

/**
 * Names every request, in its answer (`x-request-id`, `reqId`), its log lines and its audit record. A trusted proxy's own
 * name is kept, so that its log and ours speak of the same; a stranger's is not, since two requests of one name would
 * muddle the audit.
 */
export class RequestIds {
  readonly #proxies: TrustedProxies | undefined;
  #random = Buffer.alloc(0);
  #at = 0;

  constructor(proxies?: TrustedProxies) {
    this.#proxies = proxies;
  }

  of(request: IncomingMessage): string {
    const begun = begunFor(request);
    if (begun) return begun.caller.origin.requestId;
    if (this.#proxies === undefined) return this.next();
    const given = request.headers['x-request-id'];
    const address = canonicalAddress(request.socket.remoteAddress ?? '');
    const kept =
      typeof given === 'string' && WELL_FORMED.test(given) && address !== undefined && this.#proxies.trusts(address);
    return kept ? given : this.next();
  }

  /** A new one. Random bytes are fetched for many at once, which costs a tenth. */
  next(): string {
    if (this.#at + 9 > this.#random.length) {
      this.#random = randomBytes(9 * 256);
      this.#at = 0;
    }
    const id = this.#random.toString('base64url', this.#at, this.#at + 9);
    this.#at += 9;
    return `req-${id}`;
  }
}
