import * as http from 'node:http';
import * as https from 'node:https';
import { createSecureContext } from 'node:tls';
import type { Fetch } from '../../sdk/index.ts';
import { boundedAnswer, pacedStream } from './bounded-answer.ts';
import { lookupOfKms } from './hosts.ts';

/** Questions to one KMS that are under way at once; the others wait for a connection that is free. */
const MOST_QUESTIONS = 32;
/** How long a connection that nobody uses is kept, in milliseconds, unless the server names less. */
const IDLE_MS = 60_000;

/**
 * The connections to one KMS, for all identities that speak with it: who asks is in a header of each request. Through `node:http`, since an agent
 * and a web stream of `fetch` for each identity took some 70 KB more (docs/performance.md).
 */
export class Connections {
  readonly #http: typeof http | typeof https;
  readonly #asking: http.Agent;
  /** An event stream holds its connection: among the others, a thousand would leave none to ask with. */
  readonly #streaming: http.Agent;

  /** @param ca PEM; undefined: the public authorities */
  constructor(url: string, ca: string | undefined) {
    const isSecure = new URL(url).protocol === 'https:';
    this.#http = isSecure ? https : http;
    const { Agent } = this.#http;
    // Once, and not for each connection: a certificate authority can be a long list.
    const trusted = {
      lookup: lookupOfKms,
      ...(ca === undefined ? {} : { secureContext: createSecureContext({ ca }) }),
    };
    this.#asking = new Agent({ ...trusted, keepAlive: true, maxSockets: MOST_QUESTIONS, timeout: IDLE_MS });
    this.#streaming = new Agent(trusted);
  }

  /** As `fetch` does it, as far as the client needs. @throws Error of the connection */
  readonly fetch: Fetch = (url, init) => this.#send(url, init, init.method === 'GET');

  async #send(url: URL, init: Parameters<Fetch>[1], mayRepeat: boolean): ReturnType<Fetch> {
    const { method, headers, body, signal } = init;
    const isStream = headers.accept === 'text/event-stream';
    const agent = isStream ? this.#streaming : this.#asking;
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
    const outgoing = this.#http.request(url, { agent, method, headers: { ...headers, ...length }, signal });
    try {
      const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
        outgoing.once('response', resolve).on('error', reject).end(body);
      });
      const status = response.statusCode!;
      if (status >= 300 && status < 400 && status !== 304) {
        response.destroy();
        throw new Error(`it answers ${status}, a redirect: name the address that it points to`);
      }
      const answered = { status, headers: { get: (name: string) => String(response.headers[name] ?? '') || null } };
      return {
        ...answered,
        body: isStream && status === 200 ? pacedStream(response, signal) : boundedAnswer(response),
      };
    } catch (error) {
      // The server closed a kept connection at the moment when it was used again (RFC 9112, section 9.3.1).
      const wasClosed = outgoing.reusedSocket && (error as NodeJS.ErrnoException).code === 'ECONNRESET';
      if (mayRepeat && wasClosed && !signal.aborted) return this.#send(url, init, false);
      throw error;
    }
  }

  /** Ends all of them, those in use too. */
  close(): void {
    this.#asking.destroy();
    this.#streaming.destroy();
  }
}
