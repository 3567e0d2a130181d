import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { killLeftovers, type ServerProcess } from '../server/process/server-process.ts';
import { OwnPostgres } from '../support/own-postgres.ts';
import { Instance } from './support/instance.ts';
import { TableLock } from './support/locks.ts';
import { Random } from './support/seeds.ts';

/** A caller is answered within this, whatever the server waits for: its own limits are 5 seconds for each thing waited for. */
const BOUND_MS = 30_000;
const CONNECTIONS = 40;

let postgres: OwnPostgres;
let instance: Instance;
let server: ServerProcess;
let address: string;

beforeAll(async () => {
  postgres = await OwnPostgres.start(undefined, { max_connections: String(CONNECTIONS) });
  instance = new Instance(() => postgres.uri);
  server = instance.replica();
  address = await server.ready();
  await instance.setUp(address);
});
afterEach(async () => {
  // It goes on: no fault of this file needs a restart.
  expect((await instance.send(address, 'GET', '/api/status')).status).toBe(200);
});
afterAll(async () => {
  server?.signal('SIGTERM');
  const ended = await server?.ended();
  killLeftovers();
  await postgres?.close();
  expect(ended).toMatchObject({ code: 0 });
});

async function ask(path: string): Promise<{ status: number; retryAfter: string | null }> {
  const response = await fetch(address + path, {
    headers: { authorization: instance.authorization },
    signal: AbortSignal.timeout(BOUND_MS),
  });
  await response.arrayBuffer();
  return { status: response.status, retryAfter: response.headers.get('retry-after') };
}

test('requests that find their pool exhausted are told to come back, and others are served', async () => {
  const load = await instance.load(() => address, new Random('a pool is exhausted'), { writers: 2, readers: 2 });
  await load.start();
  // Whoever lists streams of the audit waits for the lock, with a connection; far more than the pool has.
  const streams = '/api/v1/audit-log-streams';
  expect((await ask(streams)).status).toBe(200);
  const lock = await TableLock.take(postgres.uri, 'audit_streams', 'access exclusive');
  const waiting = Array.from({ length: 60 }, () => ask(streams));
  await lock.awaited(8);
  // Reads and changes of secrets have connections of their own.
  await load.served(40);
  for (const answer of await Promise.all(waiting)) expect(answer).toEqual({ status: 503, retryAfter: '1' });
  await lock.release();
  expect((await ask(streams)).status).toBe(200);
  await load.stop();
  load.expectOnly(200);
  await load.settle(postgres.uri);
});

test('when all connections wait, each request is told to come back within the bound, and all goes on after', async () => {
  const load = await instance.load(() => address, new Random('all connections wait'));
  await load.start();
  await load.served(40);
  const lock = await TableLock.take(postgres.uri, 'audit_log', 'access exclusive');
  await load.failed(8);
  await lock.release();
  await load.served(40);
  await load.stop();
  load.expectOnly(200, 503);
  await load.settle(postgres.uri);
});

test('a database that has no connection left is waited for', async () => {
  const load = await instance.load(() => address, new Random('no connection is left'));
  await load.start();
  await load.served(40);
  const hogs: pg.Client[] = [];
  const hog = async () => {
    for (;;) {
      const client = new pg.Client(postgres.uri);
      client.on('error', () => undefined);
      try {
        await client.connect();
        hogs.push(client);
      } catch (error) {
        return (error as { code?: string }).code;
      }
    }
  };
  expect(await hog()).toBe('53300');
  const admin = new pg.Client(postgres.adminUri);
  await admin.connect();
  // The server's own connections too, as after a failover: each one that ends is taken by somebody else.
  const endTheirs = `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'kms-server%'`;
  for (let turn = 0; turn < 3; turn++) {
    await admin.query(endTheirs);
    await hog();
  }
  await load.failed(8);
  await Promise.all(hogs.map((client) => client.end()));
  await load.served(40);
  await load.stop();
  load.expectOnly(200, 503);
  await load.settle(postgres.uri);
  await admin.end();
});
