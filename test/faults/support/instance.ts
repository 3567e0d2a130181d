import { newSecrets, ServerProcess } from '../../server/process/server-process.ts';
import { setUp } from '../../server/process/set-up.ts';
import { freePort } from '../../support/redis.ts';
import { Load } from './load.ts';
import type { Random } from './seeds.ts';

/** One instance of the product on a database: its keys, its replicas, its first admin. */
export class Instance {
  readonly secrets = newSecrets();
  readonly #databaseUri: () => string;
  authorization = '';

  /** @param databaseUri asked at each start: a database that was restarted may be elsewhere */
  constructor(databaseUri: () => string) {
    this.#databaseUri = databaseUri;
  }

  environment(more: Record<string, string> = {}): Record<string, string> {
    const { NODE_COMPILE_CACHE: cache } = process.env;
    return {
      ...this.secrets,
      ...(cache ? { NODE_COMPILE_CACHE: cache } : {}),
      DB_CONNECTION_URI: this.#databaseUri(),
      KMS_RATE_LIMITS: 'off',
      ...more,
    };
  }

  /** A port that is kept over restarts, so that clients find a server again where it was. */
  async fixedPort(): Promise<{ PORT: string }> {
    return { PORT: String(await freePort()) };
  }

  replica(more: Record<string, string> = {}, flags?: string[], main?: string): ServerProcess {
    return new ServerProcess(this.environment(more), [], flags, main);
  }

  /** Once for an instance: the first admin. */
  async setUp(address: string): Promise<void> {
    ({ authorization: this.authorization } = await setUp(address, this.secrets.AUTH_SECRET, 'set-up-value'));
  }

  async send(
    address: string,
    method: string,
    path: string,
    body?: object,
    more: Record<string, string> = {},
  ): Promise<{ status: number; headers: Headers; body: any }> {
    const response = await fetch(address + path, {
      method,
      headers: {
        authorization: this.authorization,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...more,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) };
  }

  /** A project of its own for a round, and clients that are about to write and read it. */
  async load(address: () => string, random: Random, more: { writers?: number; readers?: number } = {}): Promise<Load> {
    return new Load({
      address,
      authorization: this.authorization,
      projectId: await this.project(address()),
      random,
      ...more,
    });
  }

  async project(address: string): Promise<string> {
    const slug = `p-${crypto.randomUUID().slice(0, 13)}`;
    const { status, body } = await this.send(address, 'POST', '/api/v1/projects', { projectName: slug, slug });
    if (status !== 200) throw new Error(`a project: ${status} ${JSON.stringify(body)}`);
    return body.project.id;
  }
}
