import { randomBytes } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import pg from 'pg';
import { parseAuthSecret, parseRootKey } from '../keys/index.ts';
import { createApp } from '../server/app.ts';
import { migrate } from '../server/database/migrate.ts';

/** How many projects the writes are spread over: writes to one project come one after another. */
const WRITTEN_PROJECTS = 10;
const SIZES = [20, 200];

interface Keys {
  readonly rootKey: string;
  readonly authSecret: string;
}

/** What the lines of the bench work on, made through the API by a server of its own. */
export interface World {
  readonly keys: Keys;
  /** A service that reads; it is viewer of all projects. */
  readonly token: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** Who writes: admin of the projects that are written. */
  readonly adminToken: string;
  readonly writtenProjects: readonly string[];
  readonly lists: ReadonlyMap<number, { readonly path: string; readonly etag: string }>;
  readonly get: string;
  /** For each path that is asked for, the bytes that ours answers: the baselines answer the same. */
  readonly bodies: Record<string, string>;
}

type Send = (
  method: 'GET' | 'POST',
  url: string,
  payload?: object,
) => Promise<Awaited<ReturnType<FastifyInstance['inject']>>>;

/** Migrates the database and fills it. */
export async function makeWorld(databaseUri: string): Promise<World> {
  await migrate(databaseUri);
  await makeBaselineTable(databaseUri);
  const keys = { rootKey: randomBytes(32).toString('base64'), authSecret: randomBytes(32).toString('base64') };
  const app = await createApp({
    databaseUri,
    rootKey: parseRootKey(keys.rootKey),
    authSecret: parseAuthSecret(keys.authSecret),
    allowUnprovenBootstrap: true,
  });
  try {
    return await fill(app, keys);
  } finally {
    await app.close();
  }
}

async function makeBaselineTable(uri: string): Promise<void> {
  const sql = new pg.Client(uri);
  await sql.connect();
  await sql.query('create table bench_rows (id uuid primary key, at timestamptz default now(), token text, path text)');
  await sql.end();
}

async function fill(app: FastifyInstance, keys: Keys): Promise<World> {
  const as =
    (token?: string): Send =>
    async (method, url, payload) => {
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
      const answer = await app.inject({ method, url, headers, ...(payload ? { payload } : {}) });
      if (answer.statusCode !== 200) throw new Error(`${method} ${url}: ${answer.body}`);
      return answer;
    };
  const first = { email: 'a@example.com', password: 'seldom-tried-granite-otter', organization: 'bench' };
  const { organization, identity } = (await as()('POST', '/api/v1/admin/bootstrap', first)).json();
  const adminToken: string = identity.credentials.token;
  const admin = as(adminToken);
  const newProject = async (slug: string): Promise<string> =>
    (await admin('POST', '/api/v1/projects', { projectName: slug, slug, organizationId: organization.id })).json()
      .project.id;

  const reader = await makeReader(admin, as(), organization.id);
  const lists = new Map<number, { path: string; etag: string }>();
  const bodies: Record<string, string> = {};
  for (const size of SIZES) {
    const slug = `bench-${size}`;
    const projectId = await newProject(slug);
    const secrets = Array.from({ length: size }, (_, n) => ({
      secretKey: `KEY_${n}`,
      secretValue: randomBytes(24).toString('hex'),
    }));
    await admin('POST', '/api/v4/secrets/batch', { projectId, environment: 'prod', secrets });
    await admin('POST', `/api/v2/workspace/${projectId}/identity-memberships/${reader.id}`, { role: 'viewer' });
    const path = `/api/v3/secrets/raw?environment=prod&workspaceSlug=${slug}&secretPath=/`;
    const { body, headers } = await as(reader.token)('GET', path);
    lists.set(size, { path, etag: String(headers.etag) });
    bodies[path] = body;
  }
  const get = '/api/v3/secrets/raw/KEY_7?environment=prod&workspaceSlug=bench-20&secretPath=/';
  bodies[get] = (await as(reader.token)('GET', get)).body;
  const login = { clientId: reader.clientId, clientSecret: reader.clientSecret };
  bodies['/api/v1/auth/universal-auth/login'] = (await as()('POST', '/api/v1/auth/universal-auth/login', login)).body;

  const writtenProjects: string[] = [];
  for (let n = 0; n < WRITTEN_PROJECTS; n++) {
    const projectId = await newProject(`written-${n}`);
    writtenProjects.push(projectId);
    const secret = { projectId, environment: 'dev', secretValue: 'a value' };
    bodies['/api/v4/secrets/KEY'] = (await admin('POST', '/api/v4/secrets/KEY', secret)).body;
  }
  return { keys, ...reader, adminToken, writtenProjects, lists, get, bodies };
}

async function makeReader(admin: Send, stranger: Send, organizationId: string) {
  const { id } = (await admin('POST', '/api/v1/identities', { name: 'bench', organizationId })).json().identity;
  const base = `/api/v1/auth/universal-auth/identities/${id}`;
  const { clientId } = (await admin('POST', base, {})).json().identityUniversalAuth;
  const { clientSecret } = (await admin('POST', `${base}/client-secrets`, {})).json();
  const login = await stranger('POST', '/api/v1/auth/universal-auth/login', { clientId, clientSecret });
  return { id, clientId, clientSecret, token: login.json().accessToken as string };
}
