import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Machine, startServer, type TestServer } from '../../support/server.ts';

/** What a forged header would be good for: each place where the caller's address counts is attacked. */

let server: TestServer;
let project: { id: string };
let machine: Machine;
const CLIENT = '203.0.113.9';
const PROXY = '10.0.0.1';
const login = '/api/v1/auth/universal-auth/login';

beforeAll(async () => {
  server = await startServer({ trustedProxies: { networks: ['10.0.0.0/8'] } });
  project = await server.project('gateway');
  await server.setSecrets(project.id, 'dev', { KEY: 'a-value' });
  machine = await server.machine('gateway-service', { projectId: project.id, roles: [{ role: 'viewer' }] });
  await server.do('PATCH', `/api/v1/auth/universal-auth/identities/${machine.id}`, {
    body: {
      accessTokenTrustedIps: [{ ipAddress: '203.0.113.0/24' }],
      clientSecretTrustedIps: [{ ipAddress: '203.0.113.0/24' }],
    },
  });
});
afterAll(() => server.close());

const list = () => `/api/v4/secrets?projectId=${project.id}&environment=dev`;

function from(
  remoteAddress: string,
  headers: Record<string, string>,
  request: object = { method: 'GET', url: list() },
) {
  const authorization = `Bearer ${machine.token}`;
  return server.app.inject({ remoteAddress, headers: { authorization, ...headers }, ...request });
}
const secret = () => ({ clientId: machine.clientId, clientSecret: machine.clientSecret });

test.each<{ name: string; socket: string; headers: Record<string, string>; status: number }>([
  { name: 'the client itself', socket: CLIENT, headers: {}, status: 200 },
  { name: 'the client behind the proxy', socket: PROXY, headers: { 'x-forwarded-for': CLIENT }, status: 200 },
  { name: 'a stranger', socket: '198.51.100.1', headers: {}, status: 401 },
  { name: 'a stranger that forges', socket: '198.51.100.1', headers: { 'x-forwarded-for': CLIENT }, status: 401 },
  {
    name: 'a stranger that forges behind the proxy',
    socket: PROXY,
    headers: { 'x-forwarded-for': `${CLIENT}, 198.51.100.1` },
    status: 401,
  },
  { name: 'another header', socket: PROXY, headers: { 'x-real-ip': CLIENT, forwarded: `for=${CLIENT}` }, status: 401 },
  { name: 'the proxy itself', socket: PROXY, headers: {}, status: 401 },
])('an address list sees $name: $status', async ({ socket, headers, status }) => {
  expect((await from(socket, headers)).statusCode).toBe(status);
  const answer = await from(socket, headers, { method: 'POST', url: login, payload: secret() });
  expect(answer.statusCode === 200).toBe(status === 200);
});

test('the audit names the client, and nothing that it forged', async () => {
  const { rows } = await server.sql.query<{ ip: string }>('select distinct host(ip) as ip from audit_log order by 1');
  expect(rows.map(({ ip }) => ip)).toEqual(['10.0.0.1', '127.0.0.1', '198.51.100.1', CLIENT]);
  const forged = await from('198.51.100.1', { 'x-forwarded-for': '192.0.2.99' });
  const { reqId } = forged.json();
  expect(reqId).toMatch(/^req-/);
  const { rows: named } = await server.sql.query(`select 1 from audit_log where ip = '192.0.2.99'`);
  expect(named).toEqual([]);
});

test.each<{ name: string; socket: string; id: string; kept: boolean }>([
  { name: 'a proxy', socket: PROXY, id: '4bf92f3577b34da6a3ce929d0e0e4736', kept: true },
  { name: 'a stranger', socket: '198.51.100.1', id: '4bf92f3577b34da6a3ce929d0e0e4736', kept: false },
  { name: 'a proxy that lets anything through', socket: PROXY, id: 'a b"c,d;e', kept: false },
  { name: 'a proxy, too long', socket: PROXY, id: 'a'.repeat(129), kept: false },
  { name: 'a proxy, too short', socket: PROXY, id: 'a', kept: false },
])('a request id of $name is kept: $kept', async ({ socket, id, kept }) => {
  const headers = { 'x-request-id': id, 'x-forwarded-for': '198.51.100.1' };
  const answer = await from(socket, headers);
  const { reqId } = answer.json();
  expect(answer.headers['x-request-id']).toBe(reqId);
  expect(reqId === id).toBe(kept);
});
