import type { AddressInfo } from 'node:net';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** Passes connections on to a port of this machine, as long as it is let. */
export class Relay {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isOpen = true;

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
  }

  /** @param at where it listens @default - a free port of 127.0.0.1 */
  static async before(port: number, at = { host: '127.0.0.1', port: 0 }): Promise<Relay> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(at, resolve));
    const relay = new Relay(server);
    server.on('connection', (near) => {
      if (!relay.#isOpen) return void near.destroy();
      const far = connect(port, '127.0.0.1');
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        relay.#sockets.add(one);
        one.pipe(other);
        one.on('error', () => other.destroy());
        one.on('close', () => {
          other.destroy();
          relay.#sockets.delete(one);
        });
      }
    });
    return relay;
  }

  /** Breaks what is connected, and lets nobody in until `open`. */
  shut(): void {
    this.#isOpen = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  open(): void {
    this.#isOpen = true;
  }

  async close(): Promise<void> {
    this.shut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
