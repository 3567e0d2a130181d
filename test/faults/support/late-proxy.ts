import { once } from 'node:events';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'vitest';

/** How often it asks each replica, in milliseconds. */
const LOOK_EVERY_MS = 100;

interface Backend {
  readonly address: string;
  /** What the replica said last. */
  ready: boolean;
  /** What the proxy goes by: what the replica said some time ago. */
  believed: boolean;
  /** It was asked, and has not answered yet. */
  asked: boolean;
  /** Requests sent to it although it had said that it wants none. */
  sentAfter: number;
}

/**
 * A proxy before replicas, as a cluster has: it asks for readiness, and what it learns takes effect late. It neither tries a
 * request again nor hides a broken connection: what a replica does wrong, the client sees as a 502.
 */
export class LateProxy {
  readonly #lateMs: number;
  readonly #backends = new Map<string, Backend>();
  readonly #agent = new http.Agent({ keepAlive: true });
  readonly #server: http.Server;
  readonly #looking: NodeJS.Timeout;
  readonly #late = new Set<NodeJS.Timeout>();
  #turn = 0;
  address = '';

  private constructor(lateMs: number) {
    this.#lateMs = lateMs;
    // A connection that nobody used for a while is never closed under a request that is on its way.
    this.#server = http.createServer({ keepAliveTimeout: 0 }, (request, response) => this.#pass(request, response));
    this.#looking = setInterval(() => {
      for (const backend of this.#backends.values()) void this.#look(backend);
    }, LOOK_EVERY_MS);
  }

  static async start(lateMs: number): Promise<LateProxy> {
    const proxy = new LateProxy(lateMs);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    proxy.address = `http://127.0.0.1:${(proxy.#server.address() as AddressInfo).port}`;
    return proxy;
  }

  /** Resolves when the proxy sends requests to it. */
  async add(address: string): Promise<void> {
    const backend = { address, ready: false, believed: false, asked: false, sentAfter: 0 };
    this.#backends.set(address, backend);
    await expect.poll(() => backend.believed, { timeout: 60_000, interval: 20 }).toBe(true);
  }

  /** How many requests went to a replica after it said that it wants none. */
  sentAfter(address: string): number {
    return this.#backends.get(address)!.sentAfter;
  }

  async #look(backend: Backend): Promise<void> {
    // One at a time: an answer that was overtaken would be taken for news.
    if (backend.asked) return;
    backend.asked = true;
    const ready = await fetch(`${backend.address}/api/status`).then(
      (response) => response.ok,
      () => false,
    );
    backend.asked = false;
    if (ready === backend.ready) return;
    backend.ready = ready;
    const timer = setTimeout(() => {
      backend.believed = ready;
      this.#late.delete(timer);
    }, this.#lateMs);
    this.#late.add(timer);
  }

  #pass(request: IncomingMessage, response: ServerResponse): void {
    const able = [...this.#backends.values()].filter(({ believed }) => believed);
    const backend = able[this.#turn++ % able.length];
    if (backend === undefined) return void response.writeHead(502).end('{"proxy":"no replica"}');
    if (!backend.ready) backend.sentAfter++;
    const { hostname, port } = new URL(backend.address);
    const { method, url: path, headers } = request;
    const onward = http.request({ hostname, port, method, path, headers, agent: this.#agent }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(response);
      answer.on('error', () => response.destroy());
    });
    onward.on('error', (error: NodeJS.ErrnoException) => {
      if (response.headersSent) response.destroy();
      else response.writeHead(502).end(JSON.stringify({ proxy: error.code ?? error.message }));
    });
    request.pipe(onward);
  }

  async close(): Promise<void> {
    clearInterval(this.#looking);
    for (const timer of this.#late) clearTimeout(timer);
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
    this.#agent.destroy();
  }
}
