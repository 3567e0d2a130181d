import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newClientSecret } from '../../../keys/index.ts';
import { type Answer, startServer, type TestServer } from '../../support/server.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

const LOGIN = '/api/v1/auth/universal-auth/login';
const login = (clientId: string, clientSecret: string): Promise<Answer> =>
  server.send('POST', LOGIN, { body: { clientId, clientSecret } });
const WRONG = 'Invalid credentials: this client id and client secret do not go together, or the secret has ended';

/** A login from an address: the address of the socket, since the server trusts no header. */
async function loginFrom(remoteAddress: string, clientId: string, clientSecret: string, headers = {}): Promise<number> {
  const payload = { clientId, clientSecret };
  return (await server.app.inject({ method: 'POST', url: LOGIN, remoteAddress, payload, headers })).statusCode;
}
async function useFrom(remoteAddress: string, token: string, headers = {}): Promise<number> {
  const authorization = `Bearer ${token}`;
  const url = '/api/v1/organization';
  return (await server.app.inject({ url, remoteAddress, headers: { authorization, ...headers } })).statusCode;
}
const settings = (identityId: string, body: object) =>
  server.do('PATCH', `/api/v1/auth/universal-auth/identities/${identityId}`, { body });
const secretOf = (identityId: string, body: object = {}) =>
  server.do('POST', `/api/v1/auth/universal-auth/identities/${identityId}/client-secrets`, { body });

test.each([LOGIN, `${LOGIN}/`])("HIP-27's login at %s answers a bearer token", async (url) => {
  const { clientId, clientSecret } = await server.machine('gateway-service');
  const { status, body } = await server.send('POST', url, { body: { clientId, clientSecret } });
  expect(status).toBe(200);
  expect(body).toEqual({
    accessToken: expect.stringMatching(/^eyJ[\w-]+\.[\w-]+\.[\w-]+$/),
    expiresIn: 7200,
    accessTokenMaxTTL: 7200,
    tokenType: 'Bearer',
  });
  const claims = JSON.parse(Buffer.from(body.accessToken.split('.')[1], 'base64url').toString());
  expect(claims.exp - claims.iat).toBe(7200);
  expect(claims).toMatchObject({ authTokenType: 'identityAccessToken' });
});

test('a login lasts as long as its identity sets', async () => {
  const machine = await server.machine('short');
  await settings(machine.id, { accessTokenTTL: 60, accessTokenMaxTTL: 90 });
  const { body } = await login(machine.clientId, machine.clientSecret);
  expect(body).toMatchObject({ expiresIn: 60, accessTokenMaxTTL: 90 });
});

test('client secrets work side by side, each till revoked', async () => {
  const machine = await server.machine('rotating');
  const next = await secretOf(machine.id);
  const both = [machine.clientSecret, next.clientSecret];
  expect(await Promise.all(both.map(async (secret) => (await login(machine.clientId, secret)).status))).toEqual([
    200, 200,
  ]);
  const newer = await server.login(machine.clientId, next.clientSecret);
  await server.do(
    'POST',
    `/api/v1/auth/universal-auth/identities/${machine.id}/client-secrets/${machine.clientSecretId}/revoke`,
  );
  expect((await login(machine.clientId, machine.clientSecret)).status).toBe(401);
  expect((await login(machine.clientId, next.clientSecret)).status).toBe(200);
  // The tokens of the old one end with it; those of the new one go on.
  expect((await server.send('GET', '/api/v1/organization', { token: machine.token })).status).toBe(401);
  expect((await server.send('GET', '/api/v1/organization', { token: newer })).status).toBe(200);
});

test('every failed login gets the same answer', async () => {
  const machine = await server.machine('target');
  const other = await server.machine('other');
  const revoked = await secretOf(machine.id);
  await server.do(
    'POST',
    `/api/v1/auth/universal-auth/identities/${machine.id}/client-secrets/${revoked.clientSecretData.id}/revoke`,
  );
  const ended = await secretOf(machine.id, { ttl: 1 });
  await server.sql.query("update client_secrets set expires_at = now() - interval '1 second' where id = $1", [
    ended.clientSecretData.id,
  ]);
  const detached = await server.machine('detached');
  await server.do('DELETE', `/api/v1/auth/universal-auth/identities/${detached.id}`);
  const deleted = await server.machine('deleted');
  await settings(machine.id, { lockoutEnabled: false });
  await server.do('DELETE', `/api/v1/identities/${deleted.id}`);
  const attempts: [string, string][] = [
    [randomUUID(), newClientSecret()],
    [randomUUID(), machine.clientSecret],
    ['no-uuid', machine.clientSecret],
    ["' or 1=1 --", "' or 1=1 --"],
    [machine.id, machine.clientSecret],
    [machine.clientId, newClientSecret()],
    [machine.clientId, other.clientSecret],
    [machine.clientId, revoked.clientSecret],
    [machine.clientId, ended.clientSecret],
    [machine.clientId, machine.clientSecretId],
    [machine.clientId, machine.clientSecret.slice(3)],
    [machine.clientId, `${machine.clientSecret} `],
    [machine.clientId, machine.clientSecret.toUpperCase()],
    [machine.clientId, ''.padEnd(512, 'x')],
    [detached.clientId, detached.clientSecret],
    [deleted.clientId, deleted.clientSecret],
  ];
  for (const [clientId, clientSecret] of attempts) {
    const { status, body } = await login(clientId, clientSecret);
    expect([status, { ...body, reqId: '' }]).toEqual([
      401,
      { reqId: '', statusCode: 401, error: 'UnauthorizedError', message: WRONG },
    ]);
  }
  expect((await login(machine.clientId, machine.clientSecret)).status).toBe(200);
});

test.each([
  { what: 'no client secret', body: { clientId: randomUUID() }, field: 'clientSecret' },
  {
    what: 'an object for a secret',
    body: { clientId: randomUUID(), clientSecret: { $ne: '' } },
    field: 'clientSecret',
  },
  { what: 'an empty client id', body: { clientId: '', clientSecret: 'x' }, field: 'clientId' },
])('a login with $what is a 422', async ({ body, field }) => {
  const answer = await server.send('POST', LOGIN, { body });
  expect(answer.body).toMatchObject({ statusCode: 422, message: [{ path: [field] }] });
});

test('a client secret ends by its ttl', async () => {
  const machine = await server.machine('ending');
  const { clientSecret } = await secretOf(machine.id, { ttl: 1 });
  expect((await login(machine.clientId, clientSecret)).status).toBe(200);
  await expect
    .poll(async () => (await login(machine.clientId, clientSecret)).status, { timeout: 4000, interval: 100 })
    .toBe(401);
  const refused = await login(machine.clientId, clientSecret);
  expect(refused.body.message).toBe(WRONG);
});

test('of 20 logins at once, a limit of 7 lets 7 in', async () => {
  const machine = await server.machine('limited');
  const { clientSecret, clientSecretData } = await secretOf(machine.id, { numUsesLimit: 7 });
  const answers = await Promise.all(Array.from({ length: 20 }, () => login(machine.clientId, clientSecret)));
  const won = answers.filter(({ status }) => status === 200);
  const lost = answers.filter(({ status }) => status === 401);
  expect([won.length, lost.length]).toEqual([7, 13]);
  expect(new Set(won.map(({ body }) => body.accessToken)).size).toBe(7);
  expect(new Set(lost.map(({ body }) => body.message))).toEqual(
    new Set(['Invalid credentials: this client secret has ended, or has been used as often as it may']),
  );
  const tokens = await server.sql.query('select from access_tokens where client_secret_id = $1', [clientSecretData.id]);
  expect(tokens.rowCount).toBe(7);
  const url = `/api/v1/auth/universal-auth/identities/${machine.id}/client-secrets/${clientSecretData.id}`;
  expect((await server.do('GET', url)).clientSecretData.clientSecretNumUses).toBe(7);
});

test('of 20 uses at once, a token of 7 uses serves 7', async () => {
  const machine = await server.machine('counted');
  await settings(machine.id, { accessTokenNumUsesLimit: 7 });
  const token = await server.login(machine.clientId, machine.clientSecret);
  const statuses = await Promise.all(
    Array.from({ length: 20 }, async () => (await server.send('GET', '/api/v1/organization', { token })).status),
  );
  expect(statuses.filter((status) => status === 200)).toHaveLength(7);
  expect(statuses.filter((status) => status === 401)).toHaveLength(13);
  // Nor does a renewal bring it back to life.
  const renewed = await server.send('POST', '/api/v1/auth/token/renew', { body: { accessToken: token } });
  expect(renewed.status).toBe(401);
});

test('each request takes one use of a counted token', async () => {
  const project = await server.project('counting');
  await server.setSecrets(project.id, 'dev', { A: '1' });
  const machine = await server.machine('counting', {
    role: 'member',
    projectId: project.id,
    roles: [{ role: 'developer' }],
  });
  await settings(machine.id, { accessTokenNumUsesLimit: 100 });
  const token = await server.login(machine.clientId, machine.clientSecret);
  const at = { projectId: project.id, environment: 'dev' };
  const query = new URLSearchParams(at);
  const requests: [string, string, object?][] = [
    ['GET', `/api/v4/secrets?${query}`],
    ['GET', `/api/v4/secrets?${query}`],
    ['GET', `/api/v4/secrets/A?${query}&version=1`],
    ['POST', '/api/v4/secrets/B', { ...at, secretValue: 'x' }],
    ['DELETE', '/api/v4/secrets/B', at],
    ['GET', `/api/v1/folders?${query}`],
    ['GET', `/api/v1/projects/${project.id}`],
    ['GET', '/api/v1/organization'],
    ['POST', '/api/v1/projects', { projectName: 'made' }],
    ['GET', `/api/v1/identities/${machine.id}`],
  ];
  const counted = [];
  for (const [method, url, body] of requests) {
    const before = await uses(token);
    await server.do(method, url, { token, body });
    counted.push([method, url, (await uses(token)) - before]);
  }
  expect(counted).toEqual(requests.map(([method, url]) => [method, url, 1]));
});

async function uses(token: string): Promise<number> {
  const { identityAccessTokenId } = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString());
  const { rows } = await server.sql.query('select num_uses from access_tokens where id = $1', [identityAccessTokenId]);
  return rows[0].num_uses;
}

test.each([
  { rule: '10.0.0.0/8', inside: '10.255.0.1', outside: '11.0.0.1' },
  { rule: '10.1.2.3/8', inside: '10.9.9.9', outside: '9.255.255.255' },
  { rule: '192.0.2.7', inside: '192.0.2.7', outside: '192.0.2.8' },
  { rule: '10.0.0.0/8', inside: '::ffff:10.1.2.3', outside: '::ffff:11.1.2.3' },
  { rule: '2001:db8::/32', inside: '2001:db8:ffff::1', outside: '2001:db9::1' },
  { rule: '2001:0db8:0:0::ABCD', inside: '2001:db8::abcd', outside: '2001:db8::abce' },
  { rule: '0.0.0.0/0', inside: '203.0.113.9', outside: '2001:db8::1' },
  { rule: '::/0', inside: '2001:db8::1', outside: '203.0.113.9' },
  { rule: 'fe80::/10', inside: 'fe80::1%eth0', outside: 'fec0::1%eth0' },
])('the rule $rule lets $inside in, and $outside not', async ({ rule, inside, outside }) => {
  const machine = await server.machine('fenced');
  const { clientId, clientSecret, token } = machine;
  await settings(machine.id, { clientSecretTrustedIps: [{ ipAddress: rule }] });
  expect([await loginFrom(inside, clientId, clientSecret), await loginFrom(outside, clientId, clientSecret)]).toEqual([
    200, 403,
  ]);
  // A wrong secret is told nothing of addresses.
  expect(await loginFrom(outside, clientId, newClientSecret())).toBe(401);
  await settings(machine.id, {
    clientSecretTrustedIps: [{ ipAddress: '0.0.0.0/0' }, { ipAddress: '::/0' }],
    accessTokenTrustedIps: [{ ipAddress: rule }],
  });
  expect([await useFrom(inside, token), await useFrom(outside, token)]).toEqual([200, 401]);
  const renew = { method: 'POST' as const, url: '/api/v1/auth/token/renew', payload: { accessToken: token } };
  expect((await server.app.inject({ ...renew, remoteAddress: outside })).statusCode).toBe(401);
  expect((await server.app.inject({ ...renew, remoteAddress: inside })).statusCode).toBe(200);
});

test.each(['x-forwarded-for', 'cf-connecting-ip', 'x-real-ip', 'x-client-ip', 'forwarded'])(
  'the header %s does not change an address',
  async (header) => {
    const machine = await server.machine('fenced');
    await settings(machine.id, {
      clientSecretTrustedIps: [{ ipAddress: '10.0.0.0/8' }],
      accessTokenTrustedIps: [{ ipAddress: '10.0.0.0/8' }],
    });
    const forged = { [header]: header === 'forwarded' ? 'for=10.0.0.1' : '10.0.0.1' };
    expect(await loginFrom('203.0.113.9', machine.clientId, machine.clientSecret, forged)).toBe(403);
    expect(await useFrom('203.0.113.9', machine.token, forged)).toBe(401);
  },
);

test('wrong secrets of one address are slowed down with 429', async () => {
  const machine = await server.machine('guessed');
  await settings(machine.id, { lockoutThreshold: 2, lockoutDurationSeconds: 60 });
  const guess = () => login(machine.clientId, newClientSecret());
  expect([(await guess()).status, (await guess()).status]).toEqual([401, 401]);
  const { status, headers, body } = await guess();
  expect([status, body.error]).toEqual([429, 'RateLimitExceeded']);
  expect(Number(headers['retry-after'])).toBeGreaterThan(50);
  expect(body.details.retryAfterSeconds).toBe(Number(headers['retry-after']));
  // Somebody else at another address is asked nothing of that, and an identity of its own neither.
  expect(await loginFrom('192.0.2.9', machine.clientId, newClientSecret())).toBe(401);
  expect((await login((await server.machine('bystander')).clientId, newClientSecret())).status).toBe(401);
});

test('a right secret is never refused, however many wrong ones come', async () => {
  const machine = await server.machine('attacked');
  await settings(machine.id, { lockoutThreshold: 1, lockoutDurationSeconds: 86_400 });
  const fresh = await secretOf(machine.id);
  const guesses = Array.from({ length: 40 }, () => login(machine.clientId, newClientSecret()));
  const right = [machine.clientSecret, fresh.clientSecret].map((secret) => login(machine.clientId, secret));
  expect((await Promise.all(right)).map(({ status }) => status)).toEqual([200, 200]);
  expect((await Promise.all(guesses)).filter(({ status }) => status === 429).length).toBe(39);
  expect((await login(machine.clientId, fresh.clientSecret)).status).toBe(200);
});

test('clearing forgets the wrong secrets, and is for admins', async () => {
  const machine = await server.machine('cleared');
  await settings(machine.id, { lockoutThreshold: 1 });
  const guess = async () => (await login(machine.clientId, newClientSecret())).status;
  const clear = `/api/v1/auth/universal-auth/identities/${machine.id}/clear-lockouts`;
  expect([await guess(), await guess()]).toEqual([401, 429]);
  expect((await server.send('POST', clear, { token: machine.token })).status).toBe(403);
  expect(await server.do('POST', clear)).toEqual({ deleted: 1 });
  expect(await guess()).toBe(401);
  expect(await server.do('POST', clear)).toEqual({ deleted: 1 });
  expect(await server.do('POST', clear)).toEqual({ deleted: 0 });
});

test('a periodic token is renewed beyond any max TTL', async () => {
  const machine = await server.machine('periodic');
  await settings(machine.id, { accessTokenPeriod: 100, accessTokenTTL: 10, accessTokenMaxTTL: 20 });
  const { body } = await login(machine.clientId, machine.clientSecret);
  expect(body).toMatchObject({ expiresIn: 100, accessTokenMaxTTL: 0 });
  await server.sql.query(
    "update access_tokens set created_at = now() - interval '10 days', expires_at = now() + interval '5 seconds'",
  );
  const renewed = await server.send('POST', '/api/v1/auth/token/renew', { body: { accessToken: body.accessToken } });
  expect([renewed.status, renewed.body.expiresIn]).toEqual([200, 100]);
});

test('with TTLs of 0 a token never ends', async () => {
  const machine = await server.machine('endless');
  await settings(machine.id, { accessTokenTTL: 0, accessTokenMaxTTL: 0 });
  const { body } = await login(machine.clientId, machine.clientSecret);
  expect(body).toMatchObject({ expiresIn: 0, accessTokenMaxTTL: 0 });
  expect((await server.send('GET', '/api/v1/organization', { token: body.accessToken })).status).toBe(200);
});

test('logins that wait at the same moment are one statement', async () => {
  const machines = await Promise.all(['a', 'b', 'c'].map((name) => server.machine(`grouped-${name}`)));
  const admin = new pg.Client(server.database.adminUri);
  await admin.connect();
  const calls = async () => {
    const { rows } = await admin.query(
      "select coalesce(sum(calls), 0)::int as calls from stats.pg_stat_statements where dbid = (select oid from pg_database where datname = current_database()) and query like '%login-identity-universal-auth%'",
    );
    return rows[0].calls as number;
  };
  const before = await calls();
  const all = [...machines, ...machines, ...machines].map((m) => login(m.clientId, m.clientSecret));
  expect((await Promise.all(all)).map(({ status }) => status)).toEqual(Array(9).fill(200));
  expect((await calls()) - before).toBeLessThanOrEqual(2);
  await admin.end();
  const uses = await server.sql.query('select num_uses from client_secrets where id = any ($1)', [
    machines.map(({ clientSecretId }) => clientSecretId),
  ]);
  expect(uses.rows.map(({ num_uses }) => num_uses)).toEqual([4, 4, 4]);
});
