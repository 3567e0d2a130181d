import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { killLeftovers } from '../server/process/server-process.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { noRedis, TestRedis } from '../support/redis.ts';
import { Instance } from './support/instance.ts';
import { Random } from './support/seeds.ts';

describe.skipIf(noRedis)(`Redis under load${noRedis ? ` (${noRedis})` : ''}`, () => {
  let database: TestDatabase;
  let redis: TestRedis;
  let instance: Instance;

  beforeAll(async () => {
    database = await createDatabase();
    redis = await TestRedis.start();
    instance = new Instance(() => database.uri);
  });
  afterEach(killLeftovers);
  afterAll(async () => {
    await redis?.close();
    await database.drop();
  });

  test('no request fails while Redis is killed, gone and back, or frozen', async () => {
    const random = new Random('Redis is killed');
    // Limits are on, or nothing would ask Redis; so high that the load never meets them.
    const shared = { REDIS_URL: redis.url, KMS_RATE_LIMITS: 'read=1000000,write=1000000,secrets=1000000' };
    const replicas = [instance.replica(shared), instance.replica(shared)];
    const addresses = await Promise.all(replicas.map((server) => server.ready()));
    await instance.setUp(addresses[0]!);
    const load = await instance.load(() => random.pick(addresses), random);
    const seen = async () => (await instance.send(addresses[0]!, 'GET', '/api/status')).body.redis;
    await load.start();
    for (const { harm, mend } of [
      { harm: () => redis.kill(), mend: () => redis.start() },
      { harm: async () => redis.freeze(), mend: async () => redis.thaw() },
    ]) {
      await load.served(random.between(20, 60));
      await harm();
      await load.served(60);
      await expect.poll(seen, { timeout: 10_000 }).toBe('unavailable');
      await load.served(20);
      await mend();
      await expect.poll(seen, { timeout: 20_000 }).toBe('ok');
    }
    await load.served(20);
    await load.stop();
    load.expectOnly(200);
    await load.settle(database.uri);
    for (const server of replicas) server.signal('SIGTERM');
    for (const server of replicas) expect(await server.ended()).toMatchObject({ code: 0 });
  });
});
