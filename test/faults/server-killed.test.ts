import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { killLeftovers } from '../server/process/server-process.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { Instance } from './support/instance.ts';
import { TableLock } from './support/locks.ts';
import { Random } from './support/seeds.ts';

let database: TestDatabase;
let instance: Instance;

beforeAll(async () => {
  database = await createDatabase();
  instance = new Instance(() => database.uri);
});
afterEach(killLeftovers);
afterAll(() => database.drop());

test('a server killed in mid-write loses and halves nothing', async () => {
  const random = new Random('a server is killed');
  const port = await instance.fixedPort();
  let server = instance.replica(port);
  const address = await server.ready();
  await instance.setUp(address);
  const load = await instance.load(() => address, random);
  await load.start();
  const kill = async () => {
    server.signal('SIGKILL');
    expect(await server.ended()).toMatchObject({ signal: 'SIGKILL' });
  };
  const restart = async () => {
    server = instance.replica(port);
    await server.ready();
  };

  // Between the change and its record: the secrets are written, and the audit cannot be.
  await load.served(random.between(20, 60));
  const lock = await TableLock.take(database.uri, 'audit_log');
  await lock.awaited();
  await kill();
  await lock.release();
  await restart();

  // Anywhere: writes come without a pause, so that some are always between their first statement and their commit.
  await load.served(random.between(20, 60));
  await pause(random.between(0, 20));
  await kill();
  await restart();

  await load.served(40);
  await load.stop();
  expect(load.outcomes.get('lost')).toBeGreaterThan(0);
  await load.settle(database.uri);
  server.signal('SIGTERM');
  expect(await server.ended()).toMatchObject({ code: 0 });
});
