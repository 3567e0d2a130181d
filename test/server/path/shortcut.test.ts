import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Machine, startServer, type TestServer } from '../../support/server.ts';
import { LIST, reader, readsOf } from './readers.ts';

/** Reads that repeat themselves are answered before Fastify sees them; here is what that must not change. */

let server: TestServer;
let project: { id: string };
let machine: Machine;
/** Requests that went the whole way. */
let whole = 0;

beforeAll(async () => {
  server = await startServer({
    trustedProxies: { networks: ['10.0.0.0/8'] },
    prepare: (app) =>
      app.addHook('onRequest', async () => {
        whole++;
      }),
  });
  project = await server.project('gateway');
  await server.setSecrets(project.id, 'prod', { API_KEY: 'value-of-the-api-key' });
  machine = await reader(server, 'gateway-service', project.id);
  await read();
  await read();
});
beforeEach(() => {
  whole = 0;
});
afterAll(() => server.close());

interface How {
  readonly token?: string;
  readonly headers?: Record<string, string>;
  readonly remoteAddress?: string;
  readonly method?: 'GET' | 'HEAD';
  readonly payload?: string;
  readonly url?: string;
}

const read = ({ token = machine.token, headers, url = LIST, ...how }: How = {}) =>
  server.app.inject({ method: 'GET', ...how, url, headers: { authorization: `Bearer ${token}`, ...headers } });

const ofEachRequest = /^(date|x-request-id)$/;
const alike = (headers: object) =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !ofEachRequest.test(name)));

test('what repeats itself is answered short, and in the same words', async () => {
  const short = await read();
  expect(whole).toBe(0);
  const long = await read({ payload: '{}', headers: { 'content-type': 'application/json' } });
  expect(whole).toBe(1);
  expect([short.statusCode, short.body]).toEqual([200, long.body]);
  expect(short.body).toContain('value-of-the-api-key');
  expect(alike(short.headers)).toEqual(alike(long.headers));
  expect(short.headers['x-request-id']).not.toBe(long.headers['x-request-id']);
});

test('who has the answer already is told so, short as well', async () => {
  const { etag } = (await read()).headers;
  const unchanged = await read({ headers: { 'if-none-match': String(etag) } });
  expect([whole, unchanged.statusCode, unchanged.body]).toEqual([0, 304, '']);
  expect(unchanged.headers.etag).toBe(etag);
});

test('each of them has its own record, of its own address and request', async () => {
  const answers = [await read({ remoteAddress: '192.0.2.7' }), await read({ remoteAddress: '192.0.2.7' })];
  for (const { headers } of answers) {
    const { rows } = await server.sql.query(
      'select host(ip) as ip, actor_id, outcome, event from audit_log where request_id = $1',
      [headers['x-request-id']],
    );
    expect(rows).toEqual([{ ip: '192.0.2.7', actor_id: machine.id, outcome: 'allowed', event: 'get-secrets' }]);
  }
});

test.each<{ name: string; how: () => How; status: number }>([
  {
    name: 'a token that differs in its last character',
    how: () => ({ token: `${machine.token.slice(0, -1)}${machine.token.endsWith('A') ? 'B' : 'A'}` }),
    status: 401,
  },
  { name: 'no token', how: () => ({ headers: { authorization: '' } }), status: 401 },
  { name: 'another environment', how: () => ({ url: LIST.replace('prod', 'dev') }), status: 403 },
  { name: 'a HEAD request', how: () => ({ method: 'HEAD' }), status: 200 },
])('$name goes the whole way', async ({ how, status }) => {
  const { statusCode } = await read(how());
  expect([whole, statusCode]).toEqual([1, status]);
});

test('an address that is not trusted gets nothing, whoever was served before', async () => {
  const bound = await reader(server, 'bound', project.id);
  const auth = `/api/v1/auth/universal-auth/identities/${bound.id}`;
  await server.do('PATCH', auth, { body: { accessTokenTrustedIps: [{ ipAddress: '192.0.2.0/24' }] } });
  const from = (remoteAddress: string, forwarded?: string) =>
    read({
      token: bound.token,
      remoteAddress,
      ...(forwarded === undefined ? {} : { headers: { 'x-forwarded-for': forwarded } }),
    });
  for (let n = 0; n < 3; n++) expect((await from('192.0.2.7')).statusCode).toBe(200);
  whole = 0;
  expect((await from('192.0.2.7')).statusCode).toBe(200);
  // A proxy speaks for its client, and is believed; whoever is none is not.
  expect((await from('10.0.0.1', '192.0.2.7')).statusCode).toBe(200);
  expect(whole).toBe(0);
  const before = await readsOf(server, bound.id);
  for (const [address, forwarded] of [
    ['198.51.100.9'],
    ['198.51.100.9', '192.0.2.7'],
    ['10.0.0.1', '198.51.100.9'],
    ['10.0.0.1'],
  ] as const) {
    const { statusCode, body } = await from(address, forwarded);
    expect({ address, statusCode, body }).toMatchObject({
      statusCode: 401,
      body: expect.not.stringContaining('value-of'),
    });
  }
  expect(await readsOf(server, bound.id)).toBe(before);
});

test('a revoked token is refused in the middle of its reads', async () => {
  const revoked = await reader(server, 'revoked', project.id);
  for (let n = 0; n < 3; n++) expect((await read({ token: revoked.token })).statusCode).toBe(200);
  const body = { accessToken: revoked.token };
  await server.do('POST', '/api/v1/auth/token/revoke', { token: undefined, body });
  whole = 0;
  const refused = await read({ token: revoked.token });
  expect([whole, refused.statusCode]).toEqual([1, 401]);
  expect(refused.json().message).toMatch(/no longer valid|revoked/);
});

test('a changed rule and a changed value count at once', async () => {
  const other = await reader(server, 'other', project.id);
  for (let n = 0; n < 3; n++) expect((await read({ token: other.token })).body).toContain('value-of-the-api-key');
  await server.do('PATCH', '/api/v4/secrets/API_KEY', {
    body: { projectId: project.id, environment: 'prod', secretValue: 'next-value' },
  });
  expect((await read({ token: other.token })).body).toContain('next-value');
  expect((await read({ token: other.token })).body).toContain('next-value');
  const membership = `/api/v2/workspace/${project.id}/identity-memberships/${other.id}`;
  await server.do('PATCH', membership, { body: { roles: [{ role: 'developer', environments: ['dev'] }] } });
  expect((await read({ token: other.token })).statusCode).toBe(403);
});

test('a token of three uses reads three times', async () => {
  const limited = await reader(server, 'limited', project.id);
  const auth = `/api/v1/auth/universal-auth/identities/${limited.id}`;
  await server.do('PATCH', auth, { body: { accessTokenNumUsesLimit: 3 } });
  const token = await server.login(limited.clientId, limited.clientSecret);
  whole = 0;
  const statuses = [];
  for (let n = 0; n < 5; n++) statuses.push((await read({ token })).statusCode);
  expect([whole, statuses]).toEqual([5, [200, 200, 200, 401, 401]]);
});

test('a server that stops says so to those too', async () => {
  expect((await read()).headers.connection).not.toBe('close');
  server.app.drain();
  expect((await read()).headers.connection).toBe('close');
});
