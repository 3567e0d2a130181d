import { Agent, type RequestOptions } from 'node:https';
import type { KubeConfig } from '@kubernetes/client-node';

/** What a request to the API server is sent with besides what it says. */
export type Access = Pick<RequestOptions, 'headers' | 'agent' | 'ca' | 'cert' | 'key' | 'auth' | 'rejectUnauthorized'>;

/** A ServiceAccount's token lasts an hour and is replaced in its file well before; exec plugins cost a process each. */
const KEPT_MS = 30_000;

/**
 * Who we are to the API server, as the kubeconfig or the ServiceAccount says. One agent for all requests keeps their connections;
 * the library makes one for each request, which serves for proxies alone.
 */
export class AccessSource {
  readonly #config: KubeConfig;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 32 });
  /** Each watch holds a connection for minutes: with the others in one agent, they would leave none to ask with. */
  readonly #watching = new Agent({ keepAlive: true });
  #kept: { readonly access: Promise<Access>; readonly until: number } | undefined;

  constructor(config: KubeConfig) {
    this.#config = config;
  }

  async access(isWatch: boolean): Promise<Access> {
    const access = await this.#present();
    return isWatch && access.agent === this.#agent ? { ...access, agent: this.#watching } : access;
  }

  #present(): Promise<Access> {
    if (!this.#kept || performance.now() > this.#kept.until) {
      this.#kept = { access: this.#ask(), until: performance.now() + KEPT_MS };
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

  async #ask(): Promise<Access> {
    const options: RequestOptions = {};
    await this.#config.applyToHTTPSOptions(options);
    const proxied = this.#config.getCurrentCluster()?.proxyUrl !== undefined;
    return proxied ? options : { ...options, agent: this.#agent };
  }
}
