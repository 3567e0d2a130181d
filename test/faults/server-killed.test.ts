import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { killLeftovers } from '../server/process/server-process.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { Instance } from './support/instance.ts';
import { Random, ROUNDS, seeds } from './support/seeds.ts';

let database: TestDatabase;
let instance: Instance;

beforeAll(async () => {
  database = await createDatabase();
  instance = new Instance(() => database.uri);
});
afterEach(killLeftovers);
afterAll(() => database.drop());

test.each(seeds())(
  'a server killed in mid-write loses and halves nothing (seed $seed)',
  { timeout: 120_000 },
  async ({ seed }) => {
    const random = new Random(seed, 'a server is killed');
    const port = await instance.fixedPort();
    let server = instance.replica(port);
    const address = await server.ready();
    if (instance.authorization === '') await instance.setUp(address);
    const load = await instance.load(() => address, random);
    await load.start();
    for (let kill = 1; kill <= (ROUNDS > 1 ? 4 : 2); kill++) {
      await load.served(random.between(20, 60));
      // The writes are without a pause, so at any moment some are between their first statement and their commit.
      await pause(random.between(0, 20));
      server.signal('SIGKILL');
      expect(await server.ended()).toMatchObject({ signal: 'SIGKILL' });
      server = instance.replica(port);
      await server.ready();
    }
    await load.served(40);
    await load.stop();
    expect(load.outcomes.get('lost')).toBeGreaterThan(0);
    await load.settle(database.uri);
    server.signal('SIGTERM');
    expect(await server.ended()).toMatchObject({ code: 0 });
  },
);
