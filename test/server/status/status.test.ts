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
      auditLogStorageDisabled: false,
      database: 'ok',
      redis: 'off',
      encryption: 'ok',
      audit: 'ok',
      draining: false,
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
    // A finding is good for a quarter of a second.
    await expect.poll(async () => (await server.send('GET', '/api/status')).status).toBe(503);
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
  await expect.poll(async () => (await server.send('GET', '/api/status')).status).toBe(200);
  expect((await server.send('GET', list, { token: server.admin })).status).toBe(200);
});

test.each<{ name: string; harm: string; repair: string; says: string; part: string }>([
  {
    name: 'an audit that may not be written',
    harm: 'revoke insert on audit_log from kms',
    repair: 'grant insert on audit_log to kms',
    says: 'the audit cannot be written',
    part: 'audit',
  },
  {
    name: 'an audit that is gone',
    harm: 'alter table audit_log rename to audit_elsewhere',
    repair: 'alter table audit_elsewhere rename to audit_log',
    says: 'the audit cannot be written',
    part: 'audit',
  },
  {
    name: "another instance's database",
    harm: "update instance set root_fingerprint = 'other-' || root_fingerprint",
    repair: "update instance set root_fingerprint = replace(root_fingerprint, 'other-', '')",
    says: 'the database was made with another root key',
    part: 'encryption',
  },
])('$name is a 503', async ({ harm, repair, says, part }) => {
  const status = () => server.send('GET', '/api/status');
  await server.sql.query(harm);
  try {
    await expect.poll(async () => (await status()).status).toBe(503);
    const { body, headers } = await status();
    expect(body).toMatchObject({ message: says, details: { database: 'ok', [part]: 'unavailable' } });
    expect(headers['retry-after']).toBe('1');
  } finally {
    await server.sql.query(repair);
  }
  await expect.poll(async () => (await status()).status).toBe(200);
});

test('however many ask, the database is looked at once', async () => {
  const calls = async () => {
    const { rows } = await server.sql.query(
      `select coalesce(sum(calls), 0)::int as calls from pg_stat_statements s join pg_database d on d.oid = s.dbid
        where d.datname = current_database() and query like '%auditWritable%' and query not like '%pg_stat%'`,
    );
    return rows[0].calls as number;
  };
  const before = await calls();
  const answers = await Promise.all(Array.from({ length: 200 }, () => server.send('GET', '/api/status')));
  expect(answers.every(({ status }) => status === 200)).toBe(true);
  expect((await calls()) - before).toBeLessThanOrEqual(3);
});

test('a server that stops is not ready, and answers on', async () => {
  server.app.drain();
  const { status, body } = await server.send('GET', '/api/status');
  expect([status, body.message]).toEqual([503, 'this server is stopping']);
  expect((await server.send('GET', '/api/v1/organization', { token: server.admin })).status).toBe(200);
});
