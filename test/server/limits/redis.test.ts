import type { FastifyInstance } from 'fastify';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parseAuthSecret, parseRootKey } from '../../../keys/index.ts';
import { createApp } from '../../../server/app.ts';
import { noRedis, TestRedis } from '../../support/redis.ts';
import { type Machine, startServer, type TestServer } from '../../support/server.ts';
import { enoughOfTheMinute } from './minute.ts';

describe.skipIf(noRedis)(`two replicas share their limits through Redis${noRedis ? ` (${noRedis})` : ''}`, () => {
  let redis: TestRedis;
  let server: TestServer;
  let second: FastifyInstance;
  let project: { id: string };
  const limits = { secrets: 20, public: 10 };
  const lines: string[] = [];

  beforeAll(async () => {
    redis = await TestRedis.start();
    const logged = { logLevel: 'debug', logStream: { write: (line: string) => lines.push(line) } };
    server = await startServer({ limits, redisUrl: redis.url, ...logged });
    second = await createApp({
      databaseUri: server.database.uri,
      rootKey: parseRootKey(server.secrets.rootKey),
      authSecret: parseAuthSecret(server.secrets.authSecret),
      redisUrl: redis.url,
      limits,
    });
    project = await server.project('gateway');
    await server.setSecrets(project.id, 'dev', { KEY: 'value-not-for-redis' });
  });
  beforeEach(enoughOfTheMinute);
  afterAll(async () => {
    await second?.close();
    await server?.close();
    await redis?.close();
  });

  const machine = (name: string): Promise<Machine> =>
    server.machine(name, { projectId: project.id, roles: [{ role: 'viewer' }] });
  async function ask(app: FastifyInstance, token: string): Promise<number> {
    const url = `/api/v4/secrets?projectId=${project.id}&environment=dev`;
    return (await app.inject({ url, headers: { authorization: `Bearer ${token}` } })).statusCode;
  }
  const statusOf = async (app: FastifyInstance) => (await app.inject({ url: '/api/status' })).json();
  /** Waits until `app` says that Redis is so. */
  const redisBecomes = (app: FastifyInstance, state: string) =>
    expect.poll(async () => (await statusOf(app)).redis, { timeout: 10_000 }).toBe(state);

  test('what one replica served counts on the other', async () => {
    await redisBecomes(server.app, 'ok');
    await redisBecomes(second, 'ok');
    const { token } = await machine('shared');
    let served = 0;
    for (let n = 0; n < 60; n++) {
      if ((await ask(n % 2 === 0 ? server.app : second, token)) === 200) served++;
      // A hundredth of 20 is less than one: each request is told at once, and this is the time that it takes.
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(served).toBeGreaterThanOrEqual(20);
    expect(served).toBeLessThan(25);
  });

  test('Redis holds counts under names that tell nobody, and that end', async () => {
    const { id, token } = await machine('named');
    await ask(server.app, token);
    await second.inject({ url: '/api/v1/admin/config', remoteAddress: '203.0.113.77' });
    const client = new Redis(redis.url);
    try {
      await expect.poll(async () => (await client.keys('*:public:*')).length).toBe(1);
      const keys = await client.keys('*');
      for (const key of keys) {
        expect(key).toMatch(/^\{kms-limits\}:(secrets|public):\d+:[\w-]{22}$/);
        expect(await client.get(key)).toMatch(/^\d+$/);
        expect(await client.pttl(key)).toBeLessThanOrEqual(120_000);
        expect(await client.pttl(key)).toBeGreaterThan(0);
      }
      const all = keys.join(' ');
      for (const secret of [id, token, '203.0.113.77', 'value-not-for-redis']) expect(all).not.toContain(secret);
    } finally {
      client.disconnect();
    }
  });

  test('when Redis dies, everything goes on and each counts for itself', async () => {
    const { token } = await machine('bereaved');
    expect(await ask(server.app, token)).toBe(200);
    await redis.kill();
    const statuses: number[] = [];
    for (let n = 0; n < 25; n++) statuses.push(await ask(server.app, token));
    expect(statuses).toEqual([...Array(19).fill(200), ...Array(6).fill(429)]);
    expect(await ask(second, token)).toBe(200);
    await redisBecomes(server.app, 'unavailable');
    const status = await server.send('GET', '/api/status');
    expect([status.status, status.body]).toMatchObject([
      200,
      { redis: 'unavailable', redisConfigured: true, database: 'ok', encryption: 'ok' },
    ]);
    await redis.start();
    await redisBecomes(server.app, 'ok');
    await redisBecomes(second, 'ok');
    const told = lines.filter((line) => line.includes('redis is away')).length;
    expect(told).toBeGreaterThanOrEqual(1);
    expect(told).toBeLessThan(10);
  });

  test('a Redis that does not answer holds up nobody', async () => {
    const { token } = await machine('patient');
    redis.freeze();
    try {
      for (let n = 0; n < 10; n++) expect(await ask(second, token)).toBe(200);
      await redisBecomes(second, 'unavailable');
    } finally {
      redis.thaw();
    }
    await redisBecomes(second, 'ok');
  });
});

test('a Redis that is not there keeps nobody from starting', async () => {
  const lines: string[] = [];
  const server = await startServer({
    redisUrl: 'redis://user:hunter2@127.0.0.1:1',
    logLevel: 'debug',
    logStream: { write: (line) => lines.push(line) },
  });
  try {
    const { status, body } = await server.send('GET', '/api/status');
    expect([status, body.redis, body.redisConfigured]).toEqual([200, 'unavailable', true]);
    await expect.poll(() => lines.join('')).toContain('redis is away');
    expect(lines.join('')).not.toContain('hunter2');
  } finally {
    await server.close();
  }
});
