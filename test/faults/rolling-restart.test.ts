import { afterAll, afterEach, beforeAll, expect, onTestFinished, test } from 'vitest';
import { killLeftovers } from '../server/process/server-process.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { Instance } from './support/instance.ts';
import { LateProxy } from './support/late-proxy.ts';
import { Random } from './support/seeds.ts';

const LATE_SECONDS = 5;
/** Longer than the proxy takes to hear of it, which on a busy machine also looks late. */
const DRAIN = { KMS_DRAIN_SECONDS: String(2 * LATE_SECONDS) };

let database: TestDatabase;
let instance: Instance;

beforeAll(async () => {
  database = await createDatabase();
  instance = new Instance(() => database.uri);
});
afterEach(killLeftovers);
afterAll(() => database.drop());

test(`no request fails in a rolling restart behind a proxy that learns ${LATE_SECONDS} s late`, async () => {
  const random = new Random('a rolling restart');
  const proxy = await LateProxy.start(LATE_SECONDS * 1000);
  onTestFinished(() => proxy.close());
  const old = [instance.replica(DRAIN), instance.replica(DRAIN)];
  const addresses = await Promise.all(old.map((server) => server.ready()));
  await instance.setUp(addresses[0]!);
  await Promise.all(addresses.map((address) => proxy.add(address)));

  const load = await instance.load(() => proxy.address, random, { pauseMs: 10 });
  await load.start();
  const endings = [];
  for (const server of old) {
    await load.served(random.between(10, 40));
    const next = instance.replica(DRAIN);
    await proxy.add(await next.ready());
    // As a cluster does it: the next one starts while this one drains.
    server.signal('SIGTERM');
    endings.push(server.ended());
  }
  expect(await Promise.all(endings)).toMatchObject(old.map(() => ({ code: 0, signal: null })));
  // The lateness was real: each served clients after it had told them to go elsewhere.
  for (const address of addresses) expect(proxy.sentAfter(address)).toBeGreaterThan(0);
  await load.served(40);
  await load.stop();
  load.expectOnly(200);
  await load.settle(database.uri);
});
