import { createServer, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a request meets: passed on, refused by nobody being there, none at all, an answer that breaks off or is lost, or one of its own. */
export type Weather =
  | 'pass'
  | 'down'
  | 'hang'
  | { readonly lose: RegExp }
  | 'torn'
  | { readonly status: number; readonly body: unknown; readonly path?: RegExp };

/** Stands before KMS and lets a test decide what becomes of requests. Counts what passes. */
export class Gate {
  readonly url: string;
  /** Of every request alike, or of each by what it is. */
  weather: Weather | ((method: string, path: string) => Weather) = 'pass';
  /** Requests by method, path without query, and status. */
  readonly counts = new Map<string, number>();
  /** Answers of KMS that never arrived. */
  lost = 0;
  readonly #server: Server;
  readonly #hanging = new Set<ServerResponse>();

  /** Requests that will get no answer. */
  get hanging(): number {
    return this.#hanging.size;
  }

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async before(target: string): Promise<Gate> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const gate = new Gate(server);
    server.on('request', (incoming, outgoing) => {
      const path = incoming.url ?? '/';
      const weather = typeof gate.weather === 'function' ? gate.weather(incoming.method ?? '', path) : gate.weather;
      if (weather === 'down') return void incoming.socket.destroy();
      if (weather === 'hang') return void gate.#hanging.add(outgoing);
      if (typeof weather === 'object' && 'status' in weather && (weather.path ?? /./).test(path)) {
        incoming.resume();
        return void outgoing
          .writeHead(weather.status, { 'content-type': 'application/json' })
          .end(JSON.stringify(weather.body));
      }
      const passed = request(
        new URL(path, target),
        { method: incoming.method, headers: incoming.headers },
        (answer) => {
          gate.#count(`${incoming.method} ${path.split('?')[0]} ${answer.statusCode}`);
          if (typeof weather === 'object' && 'lose' in weather && weather.lose.test(path)) {
            gate.lost++;
            answer.resume();
            return void gate.#hanging.add(outgoing);
          }
          outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
          if (weather !== 'torn') return void answer.pipe(outgoing);
          answer.once('data', (part: Buffer) =>
            outgoing.write(part.subarray(0, part.length / 2), () => incoming.socket.destroy()),
          );
        },
      );
      passed.on('error', () => outgoing.destroy());
      outgoing.on('close', () => passed.destroy());
      incoming.pipe(passed);
    });
    return gate;
  }

  /** Ends connections that are open, such as event streams. */
  cut(): void {
    this.#server.closeAllConnections();
  }

  #count(key: string): void {
    this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
