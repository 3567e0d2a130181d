import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { killLeftovers } from '../server/process/server-process.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { Instance } from './support/instance.ts';
import { LateProxy } from './support/late-proxy.ts';
import { Random, ROUNDS, seeds } from './support/seeds.ts';

/** How late the proxy learns, in seconds. Everyday runs scale it down; what is at stake is the order of things. */
const LATE = Number(process.env.FAULT_LATE_SECONDS ?? (ROUNDS > 1 ? 5 : 0.5));
/** Longer than the proxy takes to hear of it, with a margin. */
const DRAIN = { KMS_DRAIN_SECONDS: String(LATE + 1) };

let database: TestDatabase;
let instance: Instance;

beforeAll(async () => {
  database = await createDatabase();
  instance = new Instance(() => database.uri);
});
afterEach(killLeftovers);
afterAll(() => database.drop());

test.each(seeds())(
  `no request fails in a rolling restart behind a proxy that learns ${LATE} s late (seed $seed)`,
  { timeout: 120_000 },
  async ({ seed }) => {
    const random = new Random(seed, 'a rolling restart');
    const proxy = await LateProxy.start(LATE * 1000);
    const old = [instance.replica(DRAIN), instance.replica(DRAIN)];
    const addresses = await Promise.all(old.map((server) => server.ready()));
    if (instance.authorization === '') await instance.setUp(addresses[0]!);
    await Promise.all(addresses.map((address) => proxy.add(address)));

    const load = await instance.load(() => proxy.address, random);
    await load.start();
    const fresh = [];
    for (const [at, server] of old.entries()) {
      await load.served(random.between(10, 40));
      const next = instance.replica(DRAIN);
      fresh.push(next);
      await proxy.add(await next.ready());
      server.signal('SIGTERM');
      expect(await server.ended()).toMatchObject({ code: 0, signal: null });
      // The lateness was real: the replica served whom it had told to go elsewhere.
      expect(proxy.sentAfter(addresses[at]!)).toBeGreaterThan(0);
    }
    await load.served(40);
    await load.stop();
    expect([...load.outcomes.keys()]).toEqual([200]);
    await load.settle(database.uri);
    await proxy.close();
    for (const server of fresh) server.signal('SIGKILL');
    await Promise.all(fresh.map((server) => server.ended()));
  },
);
