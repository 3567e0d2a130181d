import { randomBytes } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { expect } from 'vitest';
import { parseAuthSecret, parseRootKey } from '../../../keys/index.ts';
import { createApp } from '../../../server/app.ts';
import type { AppOptions } from '../../../server/app-options.ts';
import { Attestor } from '../../../server/audit/attestor.ts';
import { Audit } from '../../../server/audit/audit.ts';
import { Database } from '../../../server/database/database.ts';
import { openKeyring } from '../../../server/keyring/open.ts';
import type { Rotation } from '../../../server/rotation/rotation.ts';
import { person } from '../../support/people.ts';
import { startServer, type TestServer } from '../../support/server.ts';

export const newKey = () => randomBytes(32).toString('hex');

/** A running server with secrets, history and a personal value, and what a rotation needs besides. */
export class Rig {
  readonly server: TestServer;
  readonly db: Database;
  readonly apps: FastifyInstance[] = [];
  readonly said: string[] = [];
  project = { id: '', slug: 'gateway' };
  person = '';
  #stopped = false;

  constructor(server: TestServer) {
    this.server = server;
    this.db = new Database({ uri: server.database.uri, connections: 3 });
  }

  /** @param people whether there is a person with a value of their own, whom the audit knows nothing of */
  static async start({ people = true, ...options }: Partial<AppOptions> & { people?: boolean } = {}): Promise<Rig> {
    const rig = new Rig(await startServer({ replicas: { name: 'one', everyMs: 20 }, ...options }));
    const { server } = rig;
    rig.project = await server.project('gateway');
    await server.setSecrets(rig.project.id, 'dev', { A: 'first', B: 'kept', OTHER: 'other' });
    await rig.write('A', 'second');
    if (!people) return rig;
    rig.person = (await person(server, 'dev@hanzo.ai', { projectId: rig.project.id, role: 'developer' })).token;
    await server.do('POST', '/api/v4/secrets/B', {
      token: rig.person,
      body: { projectId: rig.project.id, environment: 'dev', secretValue: 'my own', type: 'personal' },
    });
    return rig;
  }

  write(key: string, secretValue: string): Promise<unknown> {
    const body = { projectId: this.project.id, environment: 'dev', secretValue };
    return this.server.do('PATCH', `/api/v4/secrets/${key}`, { body });
  }

  async read(app = this.server.app, query = '', key = ''): Promise<any> {
    const at = `/api/v4/secrets${key === '' ? '' : `/${key}`}?projectId=${this.project.id}&environment=dev${query}`;
    const headers = { authorization: `Bearer ${this.server.admin}` };
    const answer = await app.inject({ method: 'GET', url: at, headers });
    if (answer.statusCode !== 200) throw new Error(`${answer.statusCode} ${answer.body}`);
    return answer.json();
  }

  async values(app = this.server.app): Promise<Record<string, string>> {
    const { secrets } = await this.read(app);
    return Object.fromEntries(secrets.map((secret: any) => [secret.secretKey, secret.secretValue]));
  }

  /** Another replica, with other keys perhaps. */
  async replica(options: Partial<AppOptions>): Promise<FastifyInstance> {
    const app = await createApp({
      databaseUri: this.server.database.uri,
      rootKey: parseRootKey(this.server.secrets.rootKey),
      authSecret: parseAuthSecret(this.server.secrets.authSecret),
      events: { closeWithinMs: 0 },
      ...options,
      replicas: { name: 'two', everyMs: 20, ...options.replicas },
    });
    this.apps.push(app);
    return app;
  }

  async rotation(root = this.server.secrets.rootKey, previous?: string): Promise<Rotation> {
    const keyring = await openKeyring(this.db, parseRootKey(root), previous ? parseRootKey(previous) : undefined);
    const say = (line: string) => this.said.push(line);
    this.db.guardCommits(new Attestor(keyring));
    return { db: this.db, keyring, audit: new Audit(this.db, keyring), say };
  }

  /** Ends every replica, and what this rig has of the database: it can be cloned then. */
  async stop(): Promise<void> {
    for (const app of this.apps.splice(0)) await app.close();
    await this.db.close();
    this.#stopped = true;
  }

  async close(): Promise<void> {
    if (!this.#stopped) await this.stop();
    await this.server.close();
  }
}

/** Reads and writes without a pause until told to stop; any failure of any of them is thrown by `stop`. */
export function load(rig: Rig, apps: readonly FastifyInstance[]): { stop(): Promise<number> } {
  let going = true;
  let rounds = 0;
  const work = (async () => {
    for (let n = 0; going; n++) {
      await rig.write('A', `value ${n}`);
      for (const app of apps) expect((await rig.values(app)).A).toBe(`value ${n}`);
      expect((await rig.read(apps[0], '&viewSecretValue=true', 'OTHER')).secret.secretValue).toBe('other');
      rounds++;
    }
  })();
  work.catch(() => undefined);
  return {
    stop: async () => {
      going = false;
      await work;
      return rounds;
    },
  };
}
