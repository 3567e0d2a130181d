import { Agent, type RequestOptions } from 'node:https';

/** What a request to the API server is sent with besides what it says. */
export type Access = Pick<RequestOptions, 'headers' | 'agent' | 'ca' | 'cert' | 'key' | 'auth' | 'rejectUnauthorized'>;

/** An API server, and who we are to it. */
export interface Cluster {
  /** Its address. */
  readonly server: string;
  /** Whether the access brings an agent of its own, which goes through a proxy. */
  readonly isProxied: boolean;
  /** How to be let in now. @throws Error when a file cannot be read or a plugin fails */
  access(): Promise<Access>;
}

/** A ServiceAccount's token lasts an hour and is replaced in its file well before; exec plugins cost a process each. */
const KEPT_MS = 30_000;

/** Who we are to the API server, asked for now and then; and the connections to it, which all requests share. */
export class AccessSource {
  readonly #cluster: Cluster;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 32 });
  /** Each watch holds a connection for minutes: with the others in one agent, they would leave none to ask with. */
  readonly #watching = new Agent({ keepAlive: true });
  #kept: { readonly access: Promise<Access>; readonly until: number } | undefined;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  async access(isWatch: boolean): Promise<Access> {
    const access = await this.#present();
    return this.#cluster.isProxied ? access : { ...access, agent: isWatch ? this.#watching : this.#agent };
  }

  #present(): Promise<Access> {
    if (!this.#kept || performance.now() > this.#kept.until) {
      this.#kept = { access: this.#cluster.access(), until: performance.now() + KEPT_MS };
      // A failure is told to who asked, and is not kept for those who ask next.
      this.#kept.access.catch(() => this.refused());
    }
    return this.#kept.access;
  }

  /** The API server did not take it (401): ask anew. */
  refused(): void {
    this.#kept = undefined;
  }

  close(): void {
    this.#agent.destroy();
    this.#watching.destroy();
  }
}
