import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Turns } from '../../../server/database/turns.ts';
import { type Machine, startServer, type TestServer } from '../../support/server.ts';
import { makeWorld, type World } from './world.ts';

/** One caller asks for so much at once that others could go without. */

let server: TestServer;
let world: World;
let developer: Machine;

beforeAll(async () => {
  server = await startServer();
  world = await makeWorld(server, 'crowding');
  const { organizationId, projectId } = world;
  developer = await server.machine('developer', { organizationId, projectId, roles: [{ role: 'developer' }] });
});
afterAll(() => server.close());

const overflow = () => new Error('too many');

test('writers who wait for one project leave logins alone', async () => {
  const url = `/api/v4/secrets/DATABASE_URL`;
  const body = { projectId: world.projectId, environment: 'dev', secretValue: 'next' };
  // Somebody holds the project's row: every writer waits, and none of the others may wait with them.
  await server.sql.query('begin');
  await server.sql.query('select from projects where id = $1 for no key update', [world.projectId]);
  const writers = Array.from({ length: 30 }, () => server.send('PATCH', url, { token: developer.token, body }));
  await sleep(100);
  const began = performance.now();
  await server.login(developer.clientId, developer.clientSecret);
  const list = `/api/v4/secrets?projectId=${world.projectId}&environment=dev`;
  expect((await server.send('GET', list, { token: developer.token })).status).toBe(200);
  expect(performance.now() - began).toBeLessThan(3_000);
  await server.sql.query('commit');
  const statuses = (await Promise.all(writers)).map(({ status }) => status);
  expect(new Set(statuses)).toEqual(new Set([200]));
});

test('works of one key come in turn, beside those of others', async () => {
  const turns = new Turns({ lanes: 3, perKey: 1, waiting: 100, overflow });
  const seen: string[] = [];
  let most = 0;
  let underWay = 0;
  const work = (name: string) => async () => {
    most = Math.max(most, ++underWay);
    await sleep(2);
    seen.push(name);
    underWay--;
  };
  await Promise.all(['a1', 'a2', 'a3', 'b1', 'b2', 'c1', 'd1'].map((name) => turns.take(name.slice(0, 1), work(name))));
  expect(most).toBe(3);
  expect(seen.filter((name) => name.startsWith('a'))).toEqual(['a1', 'a2', 'a3']);
  expect(seen).toHaveLength(7);
});

test('a work that fails gives its turn on', async () => {
  const turns = new Turns({ lanes: 1, perKey: 1, waiting: 100, overflow });
  await expect(turns.take('a', () => Promise.reject(new Error('mine')))).rejects.toThrow('mine');
  expect(await turns.take('a', async () => 'next')).toBe('next');
});

test('too many that wait, or too long, are turned down', async () => {
  const turns = new Turns({ lanes: 1, perKey: 1, waiting: 1, overflow, longestWaitMs: 20 });
  const slow = turns.take('a', () => sleep(60));
  const late = turns.take('a', async () => expect.fail('ran too late'));
  await expect(turns.take('b', async () => undefined)).rejects.toThrow('too many');
  await expect(late).rejects.toThrow('too many');
  await slow;
  expect(await turns.take('a', async () => 'again')).toBe('again');
});
