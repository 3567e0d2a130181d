import { randomBytes } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { createRequire } from 'node:module';
import type { FastifyInstance, InjectOptions } from 'fastify';
import pg from 'pg';
import { makeProof, newClientSecret, parseAuthSecret, parseRootKey } from '../../keys/index.ts';
import { createApp } from '../../server/app.ts';
import type { AppOptions } from '../../server/app-options.ts';
import { holdToContract } from './contract.ts';
import { createDatabase, noteFailure, type TestDatabase } from './database.ts';
import { LeakWatch } from './leaks.ts';

export interface Answer<Body = any> {
  readonly status: number;
  readonly headers: Record<string, unknown>;
  readonly body: Body;
  readonly text: string;
}

export interface Machine {
  readonly id: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly clientSecretId: string;
  readonly token: string;
}

/** A server of its own on a database of its own, with the requests that every test needs. */
export class TestServer {
  readonly app: FastifyInstance;
  readonly database: TestDatabase;
  readonly secrets: { readonly rootKey: string; readonly authSecret: string };
  /** An instance admin, who is admin of the organization `hanzo`. */
  admin = '';
  organizationId = '';
  readonly sql: pg.Client;
  readonly leaks: LeakWatch;

  constructor(
    app: FastifyInstance,
    database: TestDatabase,
    secrets: { rootKey: string; authSecret: string },
    sql: pg.Client,
    leaks = new LeakWatch(),
  ) {
    this.leaks = leaks;
    this.app = app;
    this.database = database;
    this.secrets = secrets;
    this.sql = sql;
  }

  /** Sends a request as the bearer of a token, or as a stranger. */
  async send(
    method: string,
    url: string,
    options: { token?: string | undefined; body?: unknown; headers?: Record<string, string> } = {},
  ): Promise<Answer> {
    const { token, body, headers } = options;
    const request: InjectOptions = {
      method: method as 'GET',
      url,
      headers: { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...headers },
      ...(body === undefined ? {} : { payload: body as object }),
    };
    const answer = await this.app.inject(request);
    const json = answer.headers['content-type']?.toString().startsWith('application/json') && answer.body !== '';
    return {
      status: answer.statusCode,
      headers: answer.headers,
      body: json ? answer.json() : undefined,
      text: answer.body,
    };
  }

  /** As `send`, and throws unless the answer is 200: for the steps that lead up to a test. */
  async do(method: string, url: string, options: Parameters<TestServer['send']>[2] = {}): Promise<any> {
    const answer = await this.send(method, url, { token: this.admin, ...options });
    if (answer.status !== 200) throw new Error(`${method} ${url}: ${answer.status} ${answer.text}`);
    return answer.body;
  }

  proof(method: string, path: string, body: unknown): string {
    const authSecret = parseAuthSecret(this.secrets.authSecret);
    return makeProof(authSecret, { method, path, body: JSON.stringify(body) });
  }

  async bootstrap(): Promise<void> {
    const path = '/api/v1/admin/bootstrap';
    const credential = newClientSecret();
    const body = { email: 'z@hanzo.ai', organization: 'Hanzo', credential };
    const headers = { 'x-kms-proof': this.proof('POST', path, body) };
    const { organization, identity } = await this.do('POST', path, { token: undefined, body, headers });
    this.organizationId = organization.id;
    this.admin = await this.login(identity.credentials.clientId, credential);
  }

  async login(clientId: string, clientSecret: string): Promise<string> {
    const path = '/api/v1/auth/universal-auth/login';
    return (await this.do('POST', path, { token: undefined, body: { clientId, clientSecret } })).accessToken;
  }

  /** A project with its three environments. */
  async project(slug: string, organizationId = this.organizationId): Promise<{ id: string; slug: string }> {
    return (await this.do('POST', '/api/v1/projects', { body: { projectName: slug, slug, organizationId } })).project;
  }

  async organization(slug: string): Promise<{ id: string; slug: string }> {
    return (await this.do('POST', '/api/v2/organizations', { body: { name: slug, slug } })).organization;
  }

  /** A machine identity, logged in; a member of the project with the roles, when both are given. */
  async machine(
    name: string,
    at: {
      projectId?: string;
      roles?: readonly { role: string; environments?: string[] }[];
      organizationId?: string;
      role?: string;
    } = {},
  ): Promise<Machine> {
    const organizationId = at.organizationId ?? this.organizationId;
    const body = { name, organizationId, role: at.role ?? 'no-access' };
    const { id } = (await this.do('POST', '/api/v1/identities', { body })).identity;
    const base = `/api/v1/auth/universal-auth/identities/${id}`;
    const { clientId } = (await this.do('POST', base)).identityUniversalAuth;
    const made = await this.do('POST', `${base}/client-secrets`);
    if (at.projectId) {
      await this.do('POST', `/api/v2/workspace/${at.projectId}/identity-memberships/${id}`, {
        body: { roles: at.roles },
      });
    }
    const token = await this.login(clientId, made.clientSecret);
    return { id, clientId, clientSecret: made.clientSecret, clientSecretId: made.clientSecretData.id, token };
  }

  async setSecrets(
    projectId: string,
    environment: string,
    values: Record<string, string>,
    secretPath = '/',
  ): Promise<void> {
    const secrets = Object.entries(values).map(([secretKey, secretValue]) => ({ secretKey, secretValue }));
    await this.do('POST', '/api/v4/secrets/batch', { body: { projectId, environment, secretPath, secrets } });
  }

  /** Closes the server, and drops its database unless a test failed. Fails when a secret was seen where none belongs. */
  async close(): Promise<void> {
    await this.app.close();
    await this.sql.end();
    const found = await this.leaks.findings(this.app, this.database.adminUri);
    if (found.length > 0) noteFailure();
    await this.database.drop();
    if (found.length > 0) throw new Error(`a secret of this test was seen in\n  ${found.slice(0, 10).join('\n  ')}`);
  }
}

/**
 * Injects requests where those of sockets come in. Fastify's own `inject` begins behind that, where nothing is that answers before
 * Fastify (server/shortcut).
 */
function injectAtTheDoor(app: FastifyInstance): FastifyInstance['inject'] {
  const dispatch = (...request: Parameters<RequestListener>) => void app.server.emit('request', ...request);
  return (async (options: InjectOptions) => {
    await app.ready();
    return lightMyRequest(dispatch, options);
  }) as FastifyInstance['inject'];
}
const lightMyRequest = createRequire(createRequire(import.meta.url).resolve('fastify'))('light-my-request');

/** Starts a server that has its first admin. */
export async function startServer(options: Partial<AppOptions> = {}): Promise<TestServer> {
  const server = await startEmptyServer(options);
  await server.bootstrap();
  return server;
}

/** Starts a server that was never set up. */
export async function startEmptyServer(options: Partial<AppOptions> = {}): Promise<TestServer> {
  const database = await createDatabase();
  const secrets = { rootKey: randomBytes(32).toString('base64'), authSecret: randomBytes(32).toString('base64') };
  const leaks = new LeakWatch();
  const app = await createApp({
    databaseUri: database.uri,
    rootKey: parseRootKey(secrets.rootKey),
    authSecret: parseAuthSecret(secrets.authSecret),
    // All tests come from one address; those of limits set their own.
    limits: {},
    // Tests count the statements of requests; those that are about seals turn them on.
    sealEveryMs: 0,
    ...options,
    // A request that is injected is answered when its stream has ended.
    events: { longestMs: 100, closeWithinMs: 0, ...options.events },
    logLevel: options.logLevel ?? 'debug',
    logStream: {
      write: (line) => {
        leaks.logStream.write(line);
        options.logStream?.write(line);
      },
    },
    prepare: (app) => {
      holdToContract(app);
      leaks.listen(app);
      options.prepare?.(app);
    },
  });
  app.inject = injectAtTheDoor(app);
  const sql = new pg.Client(database.uri);
  await sql.connect();
  return new TestServer(app, database, secrets, sql, leaks);
}
