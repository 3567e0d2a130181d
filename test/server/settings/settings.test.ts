import { afterAll, beforeAll, expect, test } from 'vitest';
import { startServer, type TestServer } from '../../support/server.ts';

/** Which machine logins are on: none but Universal Auth, until an instance admin says so. */

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

const CONFIG = '/api/v1/admin/config';
const switchOn = (...machineAuthMethods: string[]) => server.do('PATCH', CONFIG, { body: { machineAuthMethods } });
const shape = {
  kubernetes: { kubernetesHost: 'https://k8s.example.com', allowedNamespaces: 'hanzo' },
  oidc: { oidcDiscoveryUrl: 'https://idp.example.com', boundIssuer: 'https://idp.example.com', boundSubject: 'me' },
};
const METHODS = [
  ['token-auth', {}],
  ['oidc-auth', shape.oidc],
  ['kubernetes-auth', shape.kubernetes],
] as const;

test("strangers read the instance's settings in Infisical's shape", async () => {
  const { status, body } = await server.send('GET', CONFIG);
  expect(status).toBe(200);
  expect(body.config).toMatchObject({
    id: body.config.instanceId,
    initialized: true,
    allowSignUp: false,
    trustOidcEmails: false,
    machineAuthMethods: ['universal-auth'],
  });
});

test.each(METHODS)('%s is off at first, and says who can switch it on', async (method, body) => {
  await switchOn();
  const { id } = await server.machine(`off-${method}`);
  const refused = {
    status: 403,
    body: expect.objectContaining({
      error: 'PermissionDenied',
      message: `${method} is switched off on this instance; an instance admin can switch it on (PATCH /api/v1/admin/config, machineAuthMethods)`,
      details: { method, machineAuthMethods: ['universal-auth'] },
    }),
  };
  const base = `/api/v1/auth/${method}/identities/${id}`;
  expect(await server.send('POST', base, { token: server.admin, body })).toMatchObject(refused);
  if (method !== 'token-auth') {
    const login = { identityId: id, jwt: 'a.b.c' };
    expect(await server.send('POST', `/api/v1/auth/${method}/login`, { body: login })).toMatchObject(refused);
  }
  await switchOn(method);
  expect((await server.send('POST', base, { token: server.admin, body })).status).toBe(200);
  const { identity } = (await server.do('GET', `/api/v1/identities/${id}`)).identity;
  expect(identity).toMatchObject({ authMethod: 'universal-auth', authMethods: ['universal-auth', method] });
  // What is there can be looked at and taken away while it is off.
  await switchOn();
  expect((await server.send('GET', base, { token: server.admin })).status).toBe(200);
  expect((await server.send('PATCH', base, { token: server.admin, body: {} })).status).toBe(403);
  expect((await server.send('DELETE', base, { token: server.admin })).status).toBe(200);
});

test.each<[who: string, token: (server: TestServer) => Promise<string | undefined>, status: number]>([
  ['a stranger', async () => undefined, 401],
  ['a machine', async () => (await server.machine('member', { role: 'member' })).token, 403],
  ["an organization's admin", async () => (await server.machine('admin', { role: 'admin' })).token, 403],
])('%s switches nothing on', async (_who, token, status) => {
  await switchOn();
  const answer = await server.send('PATCH', CONFIG, {
    token: await token(server),
    body: { machineAuthMethods: ['oidc-auth'] },
  });
  expect(answer.status).toBe(status);
  expect((await server.send('GET', CONFIG)).body.config.machineAuthMethods).toEqual(['universal-auth']);
});

test('a method that is not known is refused', async () => {
  const answer = await server.send('PATCH', CONFIG, {
    token: server.admin,
    body: { machineAuthMethods: ['aws-auth'] },
  });
  expect([answer.status, answer.body.message[0].path]).toEqual([422, ['machineAuthMethods', '0']]);
});

test('switching is recorded, and switching off ends the tokens', async () => {
  await switchOn('token-auth');
  const { id, token: login } = await server.machine('issued');
  const base = `/api/v1/auth/token-auth/identities/${id}`;
  await server.do('POST', base);
  const { accessToken } = await server.do('POST', `${base}/tokens`);
  const use = async (token: string) => (await server.send('GET', `/api/v1/identities/${id}`, { token })).status;
  expect([await use(accessToken), await use(login)]).toEqual([200, 200]);
  await switchOn();
  expect([await use(accessToken), await use(login)]).toEqual([401, 200]);
  // Switched on again it does not come back.
  await switchOn('token-auth');
  expect(await use(accessToken)).toBe(401);
  const { rows } = await server.sql.query(
    "select metadata, actor_id is not null as known from audit_log where event = 'update-server-config' order by at desc limit 1",
  );
  expect(rows).toEqual([{ metadata: { machineAuthMethods: ['token-auth'] }, known: true }]);
});

test.each(['aws', 'gcp', 'azure', 'alicloud', 'oci', 'ldap', 'tls-cert', 'jwt'])(
  '%s-auth is told which logins there are',
  async (name) => {
    const answer = await server.send('POST', `/api/v1/auth/${name}-auth/login`, { body: { identityId: 'x' } });
    expect([answer.status, answer.body]).toEqual([
      404,
      expect.objectContaining({
        error: 'NotFound',
        message: expect.stringMatching(`^this server has no ${name}-auth; machines log in by universal-auth, and`),
        details: { machineAuthMethods: ['universal-auth', 'token-auth', 'oidc-auth', 'kubernetes-auth'] },
      }),
    ]);
  },
);
