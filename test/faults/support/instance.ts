import { freePort } from '../../../tools/cluster/free-ports.ts';
import { newSecrets, ServerProcess } from '../../server/process/server-process.ts';
import { setUp } from '../../server/process/set-up.ts';
import { Load, type LoadOptions } from './load.ts';
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
    const { FAULT_COMPILE_CACHE: cache } = process.env;
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

  /** As `send`, and throws unless the answer is 200: for the steps that lead up to a fault. */
  async do(address: string, method: string, path: string, body?: object): Promise<any> {
    const answer = await this.send(address, method, path, body);
    if (answer.status !== 200) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
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
  async load(
    address: () => string,
    random: Random,
    more: Pick<LoadOptions, 'writers' | 'readers' | 'pauseMs'> = {},
  ): Promise<Load> {
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
    const { project } = await this.do(address, 'POST', '/api/v1/projects', { projectName: slug, slug });
    return project.id;
  }

  /** A machine identity that reads and writes a project. */
  async machine(address: string, projectId: string, about: object = {}): Promise<MachineLogin> {
    const { organizations } = await this.do(address, 'GET', '/api/v1/organization');
    const body = { name: 'service', organizationId: organizations[0].id, role: 'no-access' };
    const { identity } = await this.do(address, 'POST', '/api/v1/identities', body);
    const base = `/api/v1/auth/universal-auth/identities/${identity.id}`;
    const { clientId } = (await this.do(address, 'POST', base, about)).identityUniversalAuth;
    const { clientSecret } = await this.do(address, 'POST', `${base}/client-secrets`, {});
    const membership = `/api/v2/workspace/${projectId}/identity-memberships/${identity.id}`;
    await this.do(address, 'POST', membership, { roles: [{ role: 'admin' }] });
    return { clientId, clientSecret };
  }

  /** What came of a login, and the header that it gives. */
  async login(address: string, machine: MachineLogin, more: Record<string, string> = {}) {
    const path = '/api/v1/auth/universal-auth/login';
    const { status, body } = await this.send(address, 'POST', path, machine, more);
    return { status, authorization: `Bearer ${body.accessToken}` };
  }
}

export interface MachineLogin {
  readonly clientId: string;
  readonly clientSecret: string;
}
