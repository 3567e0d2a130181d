import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { AccessSource, type Cluster } from './access.ts';
import { ClusterClock } from './cluster-clock.ts';
import { KubernetesError } from './errors.ts';

export interface ApiOptions {
  /** @default 'kms-operator' */
  readonly userAgent?: string;
  /** Told of each answer. */
  readonly onAnswer?: (method: string, path: string, status: number) => void;
}

/** One request to the API server and its answer after another: who we are, how long to wait, and nothing about meaning. */
export class Exchange {
  readonly #access: AccessSource;
  readonly #base: URL;
  readonly #options: ApiOptions;
  readonly #clock = new ClusterClock();

  constructor(cluster: Cluster, options: ApiOptions) {
    this.#options = options;
    this.#access = new AccessSource(cluster);
    this.#base = new URL(cluster.server);
  }

  /** The time by the API server's clock. */
  now(): Date {
    return this.#clock.now();
  }

  /** Ends kept connections. */
  close(): void {
    this.#access.close();
  }

  /** @throws KubernetesError when there is no answer */
  async send(
    method: string,
    path: string,
    {
      query = {},
      body,
      contentType,
      accept = 'application/json',
      signal,
      timeoutMs,
    }: {
      query?: Record<string, string | undefined>;
      body?: string;
      contentType?: string;
      accept?: string;
      signal?: AbortSignal;
      timeoutMs: number;
    },
  ): Promise<IncomingMessage> {
    const url = new URL(this.#base.pathname.replace(/\/$/, '') + path, this.#base);
    for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, value);
    const access = await this.#access.access(signal !== undefined);
    const headers = {
      ...access.headers,
      accept,
      'user-agent': this.#options.userAgent ?? 'kms-operator',
      ...(body === undefined ? {} : { 'content-type': contentType, 'content-length': Buffer.byteLength(body) }),
    };
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const outgoing = request(url, { ...access, method, headers, ...(signal && { signal }) }, resolve);
      outgoing.setTimeout(timeoutMs, () => outgoing.destroy(new Error(`no word for ${timeoutMs / 1000} s`)));
      outgoing.on('error', (error) => {
        if (signal?.aborted) reject(error);
        else reject(new KubernetesError(0, '', `the API server cannot be reached: ${error.message}`));
      });
      outgoing.end(body);
    });
    this.#options.onAnswer?.(method, url.pathname + url.search, response.statusCode ?? 0);
    if (response.statusCode === 401) this.#access.refused();
    this.#clock.see(response.headers.date);
    return response;
  }
}

/** What the API server says of a failure. */
export interface Status {
  readonly code?: number;
  readonly reason?: string;
  readonly message?: string;
}

/** What an answer that is no success says. */
export function refusal(code: number, text: string, response: IncomingMessage): KubernetesError {
  let status: Status = {};
  try {
    status = JSON.parse(text) as Status;
  } catch {
    // A proxy's page, or nothing.
  }
  const wait = Number(response.headers['retry-after']);
  return new KubernetesError(
    code,
    status.reason ?? '',
    // The message may name objects and fields, and never holds a value of a Secret: the API server sees to that.
    status.message ?? `the API server answered ${code}`,
    Number.isFinite(wait) && wait > 0 ? wait : undefined,
  );
}

/** The whole of an answer. @throws KubernetesError when it breaks off */
export async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of response) chunks.push(chunk as Buffer);
  } catch (error) {
    throw new KubernetesError(0, '', `the API server's answer broke off: ${(error as Error).message}`);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** An answer line by line, as it comes. */
export async function* linesOf(response: IncomingMessage): AsyncGenerator<string, void, undefined> {
  let rest = '';
  const decoder = new TextDecoder();
  for await (const chunk of response) {
    const parts = (rest + decoder.decode(chunk as Buffer, { stream: true })).split('\n');
    rest = parts.pop()!;
    for (const part of parts) if (part !== '') yield part;
  }
}
