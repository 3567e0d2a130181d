import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { thorough } from '../../support/thorough.ts';
import { killLeftovers, newSecrets, ServerProcess } from './server-process.ts';
import { setUp } from './set-up.ts';

const secrets = newSecrets();
let database: TestDatabase;
let sql: pg.Client;
let environment: Record<string, string>;

beforeAll(async () => {
  database = await createDatabase();
  environment = { ...secrets, DB_CONNECTION_URI: database.uri };
  sql = new pg.Client(database.uri);
  await sql.connect();
});
afterEach(killLeftovers);
afterAll(async () => {
  await sql.end();
  await database.drop();
});

/** Waits until somebody waits for a lock in the database. */
const blocked = () =>
  expect
    .poll(
      async () =>
        (
          await sql.query(
            `select from pg_locks l join pg_database d on d.oid = l.database where d.datname = current_database() and not l.granted`,
          )
        ).rowCount,
      { timeout: 10_000, interval: 20 },
    )
    .toBeGreaterThan(0);

test('SIGTERM lets the request in flight finish, then ends', async () => {
  const server = new ServerProcess({ ...environment, KMS_DRAIN_SECONDS: '0.5' });
  const address = await server.ready();
  const { authorization, list } = await setUp(address, secrets.AUTH_SECRET, 'in-flight');
  // Refused strangers are counted in memory, and written out every few seconds or at the end.
  expect((await fetch(list, { headers: { authorization: 'Bearer forged' } })).status).toBe(401);

  const holder = new pg.Client(database.uri);
  await holder.connect();
  await holder.query('begin');
  await holder.query('lock table audit_log in access exclusive mode');
  const inFlight = fetch(list, { headers: { authorization, 'user-agent': 'in-flight' } });
  await blocked();

  // Begun before the server closes, and asked in full only when it does.
  const late = connect(Number(new URL(address).port), '127.0.0.1');
  late.write(`GET /api/v1/organization HTTP/1.1\r\nhost: kms\r\nauthorization: ${authorization}\r\n`);

  server.signal('SIGTERM');
  await expect.poll(() => server.stderr, { timeout: 5_000 }).toContain('stopping: SIGTERM');
  const status = await fetch(`${address}/api/status`);
  expect({ status: status.status, body: await status.json() }).toMatchObject({
    status: 503,
    body: { message: 'this server is stopping', error: 'ServiceUnavailable' },
  });

  // Longer than the drain: what is under way is waited for all the same.
  await new Promise((resolve) => setTimeout(resolve, 900));
  expect(server.child.exitCode).toBeNull();
  late.write('\r\n');
  const told = await text(late);
  expect(told).toMatch(/^HTTP\/1\.1 503 /);
  for (const header of ['connection: close', 'retry-after: 1', 'x-request-id: ']) {
    expect(told.toLowerCase()).toContain(`\r\n${header}`);
  }
  expect(JSON.parse(told.split('\r\n\r\n')[1]!)).toMatchObject({
    statusCode: 503,
    message: 'this replica is shutting down, try again',
    error: 'ServiceUnavailable',
  });
  await holder.query('commit');
  await holder.end();
  const answer = await inFlight;
  expect({ status: answer.status, body: await answer.json() }).toMatchObject({
    status: 200,
    body: { secrets: [{ secretKey: 'KEY', secretValue: 'in-flight' }] },
  });

  expect(await server.ended()).toMatchObject({ code: 0, signal: null, output: expect.stringContaining('stopped') });
  const { rows: audited } = await sql.query(`select event, outcome from audit_log where user_agent = 'in-flight'`);
  expect(audited).toEqual([{ event: 'get-secrets', outcome: 'allowed' }]);
  const { rows: counted } = await sql.query(
    'select reason, sum(count)::int as count from anonymous_refusals group by reason',
  );
  expect(counted).toEqual([{ reason: 'token-forged', count: 1 }]);
  const { rows: connections } = await sql.query(
    `select application_name from pg_stat_activity where datname = current_database() and application_name like 'kms-server%'`,
  );
  expect(connections).toEqual([]);
});

test.each(['SIGTERM', 'SIGINT'] as const)('%s ends an idle server at once', async (signal) => {
  const server = new ServerProcess(environment);
  const address = await server.ready();
  // A connection that is kept alive must not hold the server.
  expect((await fetch(`${address}/api/status`)).status).toBe(200);
  const start = Date.now();
  server.signal(signal);
  expect(await server.ended()).toMatchObject({ code: 0, signal: null });
  expect(Date.now() - start).toBeLessThan(10_000);
  await expect(fetch(`${address}/api/status`)).rejects.toThrow();
});

thorough('a second signal changes nothing in a stop under way', async () => {
  const server = new ServerProcess({ ...environment, KMS_DRAIN_SECONDS: '0.5' });
  await server.ready();
  server.signal('SIGTERM');
  server.signal('SIGTERM');
  const { code, output } = await server.ended();
  expect(code).toBe(0);
  expect(output.match(/stopping/g)).toHaveLength(1);
});

thorough('a signal in the midst of a start leaves nothing behind', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'kms-start-'));
  await chmod(dataDir, 0o711);
  try {
    // No DB_CONNECTION_URI: it starts a Postgres of its own, and is told to stop as soon as there is one.
    const server = new ServerProcess({ ...secrets, KMS_DATA_DIR: dataDir });
    const pidFile = join(dataDir, 'postgres/data/postmaster.pid');
    await expect.poll(() => existsSync(pidFile), { timeout: 20_000, interval: 5 }).toBe(true);
    const postmaster = Number.parseInt(readFileSync(pidFile, 'utf8'), 10);
    server.signal('SIGTERM');
    const { code, output } = await server.ended();
    expect({ code, output }).toEqual({ code: 0, output: expect.stringContaining('stopped') });
    expect(output).not.toContain('ready on');
    expect(() => process.kill(postmaster, 0)).toThrow('ESRCH');
    expect(existsSync(pidFile)).toBe(false);
  } finally {
    await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
  }
});
