import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseAuthSecret, parseRootKey } from '../../../keys/index.ts';
import { createApp } from '../../../server/app.ts';
import { migrate } from '../../../server/database/migrate.ts';
import { OwnPostgres } from '../../support/own-postgres.ts';
import { type Machine, TestServer } from '../../support/server.ts';

let postgres: OwnPostgres;
let server: TestServer;
let project: { id: string };
let service: Machine;

const list = '/api/v3/secrets/raw?workspaceSlug=gateway&environment=prod';
const read = (client: string) => server.send('GET', list, { token: service.token, headers: { 'user-agent': client } });

beforeAll(async () => {
  postgres = await OwnPostgres.start();
  await migrate(postgres.uri);
  const secrets = { rootKey: randomBytes(32).toString('hex'), authSecret: randomBytes(32).toString('base64') };
  const app = await createApp({
    databaseUri: postgres.uri,
    rootKey: parseRootKey(secrets.rootKey),
    authSecret: parseAuthSecret(secrets.authSecret),
  });
  const { uri, adminUri } = postgres;
  const database = { uri, adminUri, name: 'kms', drop: async () => undefined };
  server = new TestServer(app, database, secrets, await connect());
  await server.bootstrap();
  project = await server.project('gateway');
  await server.setSecrets(project.id, 'prod', { API_KEY: 'value-of-the-key' });
  service = await server.machine('gateway-service', { projectId: project.id, roles: [{ role: 'admin' }] });
});
afterAll(async () => {
  await server?.close();
  await postgres?.close();
});

async function connect(): Promise<pg.Client> {
  const client = new pg.Client(postgres.uri);
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

async function auditedClients(like: string): Promise<string[]> {
  const client = await connect();
  try {
    const { rows } = await client.query(
      `select user_agent as client from audit_log where user_agent like $1 and outcome = 'allowed' order by at`,
      [like],
    );
    return rows.map((row) => row.client);
  } finally {
    await client.end();
  }
}

test('a killed Postgres keeps the record of every answer', async () => {
  await read('warm');
  const answered: string[] = [];
  for (let n = 1; n <= 10; n++) {
    const { status, body } = await read(`crash-${n}`);
    expect({ status, value: body.secrets[0].secretValue }).toEqual({ status: 200, value: 'value-of-the-key' });
    answered.push(`crash-${n}`);
  }
  const last = await read('crash-last');
  await postgres.kill();
  expect(last.status).toBe(200);

  await postgres.restart();
  expect(await auditedClients('crash-%')).toEqual([...answered, 'crash-last']);
});

test('an outage answers 503, and passes by itself', async () => {
  await expect.poll(async () => (await read('before')).status).toBe(200);
  const { body: before } = await read('before');
  // A write that waits in its transaction, as its connection breaks.
  const blocker = await connect();
  await blocker.query('begin');
  await blocker.query('select from projects where id = $1 for update', [project.id]);
  const write = server.send('PATCH', '/api/v4/secrets/API_KEY', {
    token: service.token,
    body: { projectId: project.id, environment: 'prod', secretValue: 'lost' },
  });
  const watcher = await connect();
  const waiting = () => watcher.query(`select from pg_stat_activity where wait_event_type = 'Lock'`);
  await expect.poll(async () => (await waiting()).rowCount).toBe(1);
  await postgres.kill();
  expect((await write).status).toBe(503);

  const during = await Promise.all([
    ...Array.from({ length: 20 }, () => read('outage')),
    server.send('GET', '/api/status'),
    server.send('GET', `/api/v1/projects/${project.id}`, { token: service.token }),
    server.send('POST', '/api/v1/auth/universal-auth/login', {
      body: { clientId: service.clientId, clientSecret: service.clientSecret },
    }),
  ]);
  for (const { status, text, headers } of during) {
    expect({ status, retryAfter: headers['retry-after'] }).toEqual({ status: 503, retryAfter: '1' });
    expect(text).not.toMatch(/value-of|127\.0\.0\.1|ECONN|password/i);
  }

  await postgres.restart();
  await expect.poll(async () => (await read('after')).status).toBe(200);
  expect((await read('after')).body).toEqual(before);
  // A finding of the status is good for a quarter of a second.
  await expect.poll(async () => (await server.send('GET', '/api/status')).status).toBe(200);
  expect(await auditedClients('outage')).toEqual([]);
});
