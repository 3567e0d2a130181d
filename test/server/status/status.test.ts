import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { VERSION } from '../../../contracts/index.ts';
import { startServer, type TestServer } from '../../support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

test('a server that can serve says so to strangers', async () => {
  const { status, body } = await server.send('GET', '/api/status');
  expect([status, body]).toEqual([
    200,
    {
      date: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      message: 'Ok',
      emailConfigured: false,
      inviteOnlySignup: true,
      redisConfigured: false,
      secretScanningConfigured: false,
      database: 'ok',
      version: VERSION,
    },
  ]);
  expect(Math.abs(Date.now() - Date.parse(body.date))).toBeLessThan(60_000);
});

test('a database that is away is a 503, and comes back', async () => {
  const admin = new pg.Client(server.database.adminUri.replace(`/${server.database.name}`, '/postgres'));
  await admin.connect();
  const project = await server.project('gateway');
  const list = `/api/v4/secrets?projectId=${project.id}&environment=dev`;
  expect((await server.send('GET', list, { token: server.admin })).status).toBe(200);
  try {
    await admin.query(`alter database "${server.database.name}" allow_connections false`);
    // The test's own connection stays.
    const own = (await server.sql.query('select pg_backend_pid() as pid')).rows[0].pid;
    await admin.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and pid <> $2', [
      server.database.name,
      own,
    ]);
    for (const [method, url, body] of [
      ['GET', '/api/status'],
      ['GET', list],
      ['POST', '/api/v4/secrets/A', { projectId: project.id, environment: 'dev', secretValue: 'x' }],
      ['POST', '/api/v1/auth/universal-auth/login', { clientId: project.id, clientSecret: 'x' }],
    ] as const) {
      const answer = await server.send(method, url, { token: server.admin, body });
      expect([url, answer.status, answer.body.error]).toEqual([url, 503, 'ServiceUnavailable']);
      expect(answer.body.message).toBe('the database is not available');
      expect(answer.headers['retry-after']).toBe('1');
    }
  } finally {
    await admin.query(`alter database "${server.database.name}" allow_connections true`);
    await admin.end();
  }
  expect((await server.send('GET', '/api/status')).status).toBe(200);
  expect((await server.send('GET', list, { token: server.admin })).status).toBe(200);
});

test('a server that stops is not ready, and answers on', async () => {
  server.app.drain();
  const { status, body } = await server.send('GET', '/api/status');
  expect([status, body.message]).toEqual([503, 'this server is stopping']);
  expect((await server.send('GET', '/api/v1/organization', { token: server.admin })).status).toBe(200);
});
