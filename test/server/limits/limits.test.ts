import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { classOf, DEFAULT_LIMITS, parseLimits } from '../../../server/limits/classes.ts';
import { Limits } from '../../../server/limits/limits.ts';
import { type Machine, startServer, type TestServer } from '../../support/server.ts';
import { enoughOfTheMinute } from './minute.ts';

let server: TestServer;
let project: { id: string };
let one: Machine;
let other: Machine;
const limits = { secrets: 5, read: 100, auth: 3, machine: 50, public: 4, write: 1000, creation: 1000 };
const login = '/api/v1/auth/universal-auth/login';

beforeAll(async () => {
  server = await startServer({ limits, trustedProxies: { networks: ['10.0.0.0/8'] } });
  project = await server.project('gateway');
  await server.setSecrets(project.id, 'dev', { KEY: 'a-value' });
  const roles = [{ role: 'viewer' }];
  one = await server.machine('one', { projectId: project.id, roles });
  other = await server.machine('other', { projectId: project.id, roles });
});
beforeEach(enoughOfTheMinute);
afterAll(() => server.close());

const list = () => `/api/v4/secrets?projectId=${project.id}&environment=dev`;
const from = (remoteAddress: string, method: string, url: string, headers: Record<string, string> = {}) =>
  server.app.inject({ method: method as 'GET', url, remoteAddress, headers });

test('an identity beyond its limit is told when to come back', async () => {
  const answers = [];
  for (let n = 0; n < 7; n++) answers.push(await server.send('GET', list(), { token: one.token }));
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 429, 429]);
  expect(answers.map(({ headers }) => Number(headers['x-ratelimit-remaining']))).toEqual([4, 3, 2, 1, 0, 0, 0]);
  for (const { status, headers, body } of answers) {
    const reset = Number(headers['x-ratelimit-reset']);
    expect(Number(headers['x-ratelimit-limit'])).toBe(5);
    expect(reset).toBeGreaterThanOrEqual(1);
    expect(reset).toBeLessThanOrEqual(60);
    expect(headers['retry-after']).toEqual(status === 429 ? String(reset) : undefined);
    if (status !== 429) continue;
    expect(body).toEqual({
      reqId: headers['x-request-id'],
      statusCode: 429,
      error: 'RateLimitExceeded',
      message: `Rate limit exceeded. Please try again in ${reset} seconds`,
    });
  }
});

test('another identity of the same address is not affected', async () => {
  expect((await server.send('GET', list(), { token: other.token })).status).toBe(200);
});

test('another token, address or forged header of the same identity gains nothing', async () => {
  const forged: Record<string, string>[] = [{}, { 'x-forwarded-for': '198.51.100.77' }];
  for (const headers of forged) {
    const token = await server.login(one.clientId, one.clientSecret);
    const answer = await from('198.51.100.1', 'GET', list(), { authorization: `Bearer ${token}`, ...headers });
    expect(answer.statusCode).toBe(429);
  }
});

test('a request that is refused writes nothing', async () => {
  const read = `select count(*)::int as count from audit_log where event = 'get-secrets' and actor_id = $1`;
  expect((await server.sql.query(read, [one.id])).rows[0].count).toBe(5);
});

test('strangers are counted by their address, which they cannot forge', async () => {
  const config = '/api/v1/admin/config';
  const statuses: number[] = [];
  for (let n = 0; n < 6; n++) {
    const headers = { 'x-forwarded-for': `198.51.100.${n}` };
    statuses.push((await from('203.0.113.1', 'GET', config, headers)).statusCode);
  }
  expect(statuses).toEqual([200, 200, 200, 200, 429, 429]);
  expect((await from('203.0.113.2', 'GET', config)).statusCode).toBe(200);
  const behind = { 'x-forwarded-for': '203.0.113.1' };
  expect((await from('10.0.0.1', 'GET', config, behind)).statusCode).toBe(429);
});

test('an IPv6 address counts by its network', async () => {
  const statuses: number[] = [];
  for (let n = 0; n < 5; n++) {
    statuses.push((await from(`2001:db8:1:2::${n + 1}`, 'GET', '/api/v1/admin/config')).statusCode);
  }
  expect(statuses).toEqual([200, 200, 200, 200, 429]);
  expect((await from('2001:db8:1:3::1', 'GET', '/api/v1/admin/config')).statusCode).toBe(200);
});

test("a forged token is no identity, and spends no one else's limit", async () => {
  for (let n = 0; n < 10; n++) {
    const answer = await server.send('GET', list(), { token: `${other.token.slice(0, -4)}AAAA` });
    expect(answer.status).toBe(401);
  }
  expect((await server.send('GET', list(), { token: other.token })).status).toBe(200);
});

test('the status is never limited', async () => {
  for (let n = 0; n < 50; n++) {
    const answer = await from('203.0.113.50', 'GET', '/api/status');
    expect([answer.statusCode, answer.headers['x-ratelimit-limit']]).toEqual([200, undefined]);
  }
});

test('logins of machines have a limit of their own', async () => {
  const statuses = new Set<number>();
  for (let n = 0; n < 60; n++) statuses.add((await from('203.0.113.60', 'POST', login)).statusCode);
  expect([...statuses]).toEqual([422, 429]);
  expect((await from('203.0.113.61', 'POST', login)).statusCode).toBe(422);
});

test('without limits no header tells of any', async () => {
  const free = await startServer({ limits: {} });
  try {
    const { headers } = await free.send('GET', '/api/v1/organization', { token: free.admin });
    expect(Object.keys(headers).filter((name) => name.startsWith('x-ratelimit'))).toEqual([]);
  } finally {
    await free.close();
  }
});

test('a minute ends the count', () => {
  let now = 60_000 * 1000 + 59_000;
  const counted = new Limits({ auth: 2 }, undefined, () => now);
  const take = () => counted.take('auth', 'somebody');
  expect(take()).toEqual({ limit: 2, remaining: 1, reset: 1, refused: false });
  expect(take()).toMatchObject({ remaining: 0, refused: false });
  expect(take()).toMatchObject({ remaining: 0, reset: 1, refused: true });
  now += 1_000;
  expect(take()).toEqual({ limit: 2, remaining: 1, reset: 60, refused: false });
});

test('memory is bounded, whoever calls', () => {
  const counted = new Limits({ public: 1_000_000 });
  for (let n = 0; n < 30_000; n++) counted.take('public', `warm ${n}`);
  globalThis.gc?.();
  const before = process.memoryUsage().heapUsed;
  for (let n = 0; n < 200_000; n++) counted.take('public', `stranger ${n}`);
  globalThis.gc?.();
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(60 * 1024 * 1024);
  // Beyond 20,000 callers counts are shared, and still there.
  expect(counted.take('public', 'stranger 199999')!.remaining).toBeLessThan(1_000_000 - 2);
});

test.each<{ text: string; limits: object }>([
  { text: 'off', limits: {} },
  { text: '', limits: DEFAULT_LIMITS },
  { text: 'auth=120', limits: { ...DEFAULT_LIMITS, auth: 120 } },
  { text: ' auth=120 , mfa=5 ', limits: { ...DEFAULT_LIMITS, auth: 120, mfa: 5 } },
])('KMS_RATE_LIMITS "$text" is read', ({ text, limits: expected }) => {
  expect(parseLimits(text)).toEqual(expected);
});
test('a class that is off has no limit', () => expect('public' in parseLimits('public=off')).toBe(false));
test.each(['on', 'auth', 'auth=', 'auth=-1', 'auth=0', 'auth=1.5', 'pets=5', 'auth=1;mfa=2', 'constructor=5'])(
  'KMS_RATE_LIMITS "%s" is refused',
  (text) => expect(() => parseLimits(text)).toThrow(/^must be "off", or classes \(secrets, read, write/),
);

const publicly = { public: true };
test.each<{ method: string; url: string; config?: object; is: string | false }>([
  { method: 'GET', url: '/api/v3/secrets/raw', is: 'secrets' },
  { method: 'GET', url: '/api/v4/secrets/:secretName', is: 'secrets' },
  { method: 'POST', url: '/api/v4/secrets/:secretName', is: 'write' },
  { method: 'GET', url: '/api/v1/folders', is: 'read' },
  { method: 'DELETE', url: '/api/v1/projects/:projectId', is: 'write' },
  { method: 'POST', url: '/api/v1/projects', is: 'creation' },
  { method: 'POST', url: '/api/v1/identities', is: 'creation' },
  { method: 'POST', url: login, config: publicly, is: 'machine' },
  { method: 'POST', url: '/api/v1/auth/token/renew', config: publicly, is: 'machine' },
  { method: 'POST', url: '/api/v1/auth/kubernetes-auth/login', config: publicly, is: 'machine' },
  { method: 'POST', url: '/api/v3/auth/login', config: publicly, is: 'auth' },
  { method: 'POST', url: '/api/v1/admin/recovery-session', config: publicly, is: 'auth' },
  { method: 'POST', url: '/api/v2/auth/mfa/verify', config: publicly, is: 'mfa' },
  { method: 'POST', url: '/api/v1/invite-org/verify', config: publicly, is: 'invite' },
  { method: 'GET', url: '/api/v1/admin/config', config: publicly, is: 'public' },
  { method: 'GET', url: '/api/status', config: { public: true, rateLimit: false }, is: false },
  { method: 'GET', url: '/api/v1/anything', config: { rateLimit: 'mfa' }, is: 'mfa' },
])('$method $url counts as $is', ({ method, url, config, is }) => {
  expect(classOf({ method, url, config })).toBe(is);
});
