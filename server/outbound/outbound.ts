import { lookup as systemLookup } from 'node:dns/promises';
import type { IncomingMessage } from 'node:http';
import net, { isIP, type LookupFunction } from 'node:net';
import tls from 'node:tls';
import { VERSION } from '../../contracts/index.ts';
import { http, https } from '../http/node-http.ts';
import { AllowList } from './allow-list.ts';
import { readBody } from './body.ts';
import { asFailure, notAllowed, notPlain, OutboundFailure } from './failure.ts';

/** One call, beside its URL. */
export interface OutboundRequest {
  /** @default 'GET' */
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  /** The CA that the other server's certificate must come from, in PEM, instead of the public ones. */
  readonly ca?: string | undefined;
  /** For all of it: name, connection, request and answer. @default 5000 */
  readonly timeoutMs?: number;
  /** Longest body that is read. @default 262144 */
  readonly maxBytes?: number;
}

/** An answer, whole and within its bound. */
export interface OutboundAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

/** Finds the addresses of a host name. */
export type Resolve = (host: string) => Promise<readonly { address: string; family: number }[]>;

/** What the door lets through. */
export interface OutboundOptions {
  /** What may be called beyond the open internet; see AllowList. @default [] */
  readonly allow?: readonly string[] | undefined;
  /** @default the system's resolver */
  readonly resolve?: Resolve | undefined;
}

const TIMEOUT_MS = 5_000;
const MAX_BYTES = 256 * 1024;
const MAX_URL = 2048;
/** Calls under way at once; whoever makes others slow must not fill the memory with waiting ones. */
const UNDER_WAY_AT_MOST = 256;
const POOL = { keepAlive: true, maxSockets: 16, maxTotalSockets: 128, maxFreeSockets: 8, timeout: 30_000 };

/**
 * The one door to other servers. Every URL that a caller may choose (an issuer's discovery and keys, a cluster's
 * TokenReview, a webhook, single sign-on) is called through it: https only, and only addresses of the open internet unless
 * the configuration allows more. The address is checked where the connection is made, so a name that changes its
 * mind between a check and the call gains nothing. Redirects are not followed; time and size are bounded.
 */
export class Outbound {
  readonly #allow: AllowList;
  readonly #resolve: Resolve;
  readonly #plain = new http.Agent(POOL);
  readonly #secure = new https.Agent(POOL);
  #underWay = 0;

  constructor({ allow = [], resolve = (host) => systemLookup(host, { all: true }) }: OutboundOptions = {}) {
    this.#allow = new AllowList(allow);
    this.#resolve = resolve;
  }

  /**
   * Whether a URL could be called at all, for when it is configured. What its name stands for is asked at each call.
   *
   * @throws OutboundFailure 'bad-url' or 'not-allowed'
   */
  check(url: string): URL {
    if (url.length > MAX_URL || !URL.canParse(url)) throw new OutboundFailure('bad-url', 'this is not a URL');
    const parsed = new URL(url);
    // Decimal, octal and hexadecimal forms of an address are plain ones here: the parser has written them out.
    const host = hostOf(parsed);
    const address = isIP(host) === 0 ? undefined : host;
    if (parsed.protocol !== 'https:' && parsed.protocol !== 'http:') {
      throw new OutboundFailure('bad-url', 'only https URLs are called');
    }
    if (parsed.username !== '' || parsed.password !== '') {
      throw new OutboundFailure('bad-url', 'a URL with a user name or a password in it is not called');
    }
    if (host === '') throw new OutboundFailure('bad-url', 'this URL names no host');
    if (address !== undefined && !this.#allow.permits(host, address)) throw notAllowed(host);
    if (parsed.protocol === 'http:' && address !== undefined && !this.#allow.mayBePlain(host, address))
      throw notPlain(host);
    return parsed;
  }

  /** Makes one call and reads its whole answer, whatever the status; a redirect is a failure. */
  async fetch(url: string, request: OutboundRequest = {}): Promise<OutboundAnswer> {
    const parsed = this.check(url);
    if (this.#underWay >= UNDER_WAY_AT_MOST)
      throw new OutboundFailure('busy', 'too many calls to other servers are under way');
    this.#underWay++;
    try {
      return await this.#call(parsed, request);
    } finally {
      this.#underWay--;
    }
  }

  /**
   * Whether bytes could be delivered to a URL of syslog: `syslogs://host:port` (TLS), or `syslog://host:port` to what may be
   * called without TLS.
   *
   * @throws OutboundFailure 'bad-url' or 'not-allowed'
   */
  checkSyslog(url: string): { readonly host: string; readonly port: number; readonly secure: boolean } {
    const [, secure, port] = /^syslog(s?):\/\/[^/?#]+:(\d{1,5})\/?$/.exec(url) ?? [];
    if (secure === undefined) {
      throw new OutboundFailure(
        'bad-url',
        'syslog is called at syslogs://host:port, or syslog://host:port without TLS',
      );
    }
    // Read as a web address, whose parser writes out every form of an address; it alone is looked at below.
    const { hostname } = this.check(url.replace(/^syslog/, 'http'));
    const plain = hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
    return { host: plain, port: Number(port), secure: secure === 's' };
  }

  /**
   * Sends bytes over a connection of its own, and resolves when the other side has closed it behind the last of them:
   * syslog has no other receipt.
   */
  async deliverSyslog(url: string, bytes: Buffer, timeoutMs = TIMEOUT_MS): Promise<void> {
    const { host, port, secure } = this.checkSyslog(url);
    if (this.#underWay >= UNDER_WAY_AT_MOST)
      throw new OutboundFailure('busy', 'too many calls to other servers are under way');
    this.#underWay++;
    const signal = AbortSignal.timeout(timeoutMs);
    const lookup = this.#lookup(host, secure);
    const socket = secure
      ? tls.connect({ host, port, lookup, ...(isIP(host) === 0 ? { servername: host } : {}) })
      : net.connect({ host, port, lookup });
    try {
      await new Promise<void>((resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason));
        socket.once('error', reject);
        // TLS: not before the certificate was found good.
        socket.once(secure ? 'secureConnect' : 'connect', () => {
          socket.resume();
          socket.once('end', resolve).end(bytes);
        });
        socket.once('close', () =>
          reject(new OutboundFailure('unreachable', `${host} closed the connection too soon`)),
        );
      });
    } catch (error) {
      throw asFailure(error, host, signal.aborted);
    } finally {
      socket.destroy();
      this.#underWay--;
    }
  }

  /** As `fetch`, for JSON that answers 200 or 201. What the body holds is for the caller's schema to check. */
  async json(url: string, request: OutboundRequest = {}): Promise<unknown> {
    const { status, body } = await this.fetch(url, {
      ...request,
      headers: { accept: 'application/json', ...request.headers },
    });
    const host = hostOf(new URL(url));
    if (status !== 200 && status !== 201)
      throw new OutboundFailure('bad-answer', `${host} answered with status ${status}`);
    try {
      return JSON.parse(body.toString('utf8'));
    } catch {
      throw new OutboundFailure('bad-answer', `${host} answered with something that is no JSON`);
    }
  }

  /** Ends the connections that are kept for the next call. */
  close(): void {
    this.#plain.destroy();
    this.#secure.destroy();
  }

  async #call(url: URL, request: OutboundRequest): Promise<OutboundAnswer> {
    const host = hostOf(url);
    const secure = url.protocol === 'https:';
    const signal = AbortSignal.timeout(request.timeoutMs ?? TIMEOUT_MS);
    try {
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        const call = (secure ? https : http).request(
          url,
          {
            method: request.method ?? 'GET',
            headers: {
              'user-agent': `hanzo-kms/${VERSION}`,
              'accept-encoding': 'identity',
              ...(request.body === undefined ? {} : { 'content-length': String(Buffer.byteLength(request.body)) }),
              ...request.headers,
            },
            agent: secure ? this.#secure : this.#plain,
            lookup: this.#lookup(host, secure),
            signal,
            maxHeaderSize: 16 * 1024,
            ...(secure && request.ca ? { ca: request.ca } : {}),
          },
          resolve,
        );
        call.on('error', reject);
        call.end(request.body);
      });
      const status = response.statusCode ?? 0;
      if (status >= 300 && status < 400) {
        response.destroy();
        throw new OutboundFailure('redirected', `${host} answered with a redirect, and redirects are not followed`);
      }
      const body = await readBody(response, host, request.maxBytes ?? MAX_BYTES);
      return { status, headers: response.headers, body };
    } catch (error) {
      throw asFailure(error, host, signal.aborted);
    }
  }

  /** Resolves a name for one connection, and refuses it when any of its addresses is not to be called. */
  #lookup(host: string, secure: boolean): LookupFunction {
    return (_name, options, done) => {
      const found = (addresses: readonly { address: string; family: number }[]) => {
        const plain = addresses.map(({ address, family }) => ({ address: address.replace(/%.*$/, ''), family }));
        if (plain.length === 0) throw new OutboundFailure('unreachable', `${host} has no address`);
        for (const { address } of plain) {
          if (!this.#allow.permits(host, address)) throw notAllowed(host);
          if (!secure && !this.#allow.mayBePlain(host, address)) throw notPlain(host);
        }
        return plain;
      };
      this.#resolve(host)
        .then(found)
        .then(
          (addresses) =>
            options.all ? done(null, addresses as never) : done(null, addresses[0]!.address, addresses[0]!.family),
          (error) => done(error as NodeJS.ErrnoException, ''),
        );
    };
  }
}

/** A URL's host as names are compared: lower case, no brackets, no dot at the end. */
const hostOf = (url: URL): string =>
  url.hostname
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '');
