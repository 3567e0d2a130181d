import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startServer, type TestServer } from '../../support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
  await server.do('PATCH', '/api/v1/admin/config', { body: { machineAuthMethods: ['token-auth'] } });
});
afterAll(() => server.close());

const base = (id: string) => `/api/v1/auth/token-auth/identities/${id}`;
const single = (id: string) => `/api/v1/auth/token-auth/tokens/${id}`;
const use = async (id: string, token: string) =>
  (await server.send('GET', `/api/v1/identities/${id}`, { token })).status;
async function attached(name: string, body: object = {}) {
  const machine = await server.machine(name);
  await server.do('POST', base(machine.id), { body });
  return machine;
}
const INSTANT = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

test("a token's body is Infisical's, and the token works", async () => {
  const { id } = await attached('shape', { accessTokenTTL: 60, accessTokenMaxTTL: 90 });
  const { accessToken, tokenData, ...rest } = await server.do('POST', `${base(id)}/tokens`, { body: { name: 'ci' } });
  expect(rest).toEqual({ expiresIn: 60, accessTokenMaxTTL: 90, tokenType: 'Bearer' });
  expect(tokenData).toEqual({
    id: expect.any(String),
    identityId: id,
    name: 'ci',
    authMethod: 'token-auth',
    accessTokenTTL: 60,
    accessTokenMaxTTL: 90,
    accessTokenNumUses: 0,
    accessTokenNumUsesLimit: 0,
    accessTokenLastUsedAt: null,
    accessTokenLastRenewedAt: null,
    accessTokenPeriod: 0,
    isAccessTokenRevoked: false,
    identityUAClientSecretId: null,
    createdAt: INSTANT,
    updatedAt: INSTANT,
  });
  expect(await use(id, accessToken)).toBe(200);
  const used = { ...tokenData, accessTokenNumUses: 1, accessTokenLastUsedAt: INSTANT };
  expect(await server.do('GET', `${base(id)}/tokens`)).toEqual({ tokens: [used] });
  expect(await server.do('GET', `${base(id)}/tokens/${tokenData.id}`)).toEqual({ token: used });
  const { token } = await server.do('PATCH', single(tokenData.id), { body: { name: 'other' } });
  expect(token.name).toBe('other');
  expect((await server.do('GET', single(tokenData.id))).token.name).toBe('other');
  expect(JSON.stringify(await server.sql.query('select * from access_tokens'))).not.toContain(
    accessToken.split('.')[2],
  );
});

test('a revoked token is refused at once, and shown as revoked', async () => {
  const { id } = await attached('revoked');
  const { accessToken, tokenData } = await server.do('POST', `${base(id)}/tokens`);
  const revoke = await server.do('POST', `${single(tokenData.id)}/revoke`);
  expect(revoke).toEqual({ message: 'Successfully revoked access token' });
  expect(await use(id, accessToken)).toBe(401);
  expect((await server.do('GET', single(tokenData.id))).token.isAccessTokenRevoked).toBe(true);
});

test('without Token Auth there are no tokens', async () => {
  const { id } = await server.machine('bare');
  for (const [method, path] of [
    ['GET', ''],
    ['DELETE', ''],
    ['POST', '/tokens'],
    ['GET', '/tokens'],
  ] as const) {
    const { status, body } = await server.send(method, base(id) + path, { token: server.admin });
    expect([status, body.message]).toEqual([404, `identity ${id} has no token-auth`]);
  }
});

test('taking Token Auth away ends its tokens', async () => {
  const { id } = await attached('detached');
  const { accessToken } = await server.do('POST', `${base(id)}/tokens`);
  await server.do('DELETE', base(id));
  expect(await use(id, accessToken)).toBe(401);
});

test('trusted addresses hold for the tokens, and so do later ones', async () => {
  const { id } = await attached('addresses');
  const { accessToken } = await server.do('POST', `${base(id)}/tokens`);
  await server.do('PATCH', base(id), { body: { accessTokenTrustedIps: [{ ipAddress: '192.0.2.0/24' }] } });
  const authorization = `Bearer ${accessToken}`;
  const from = async (remoteAddress: string) =>
    (await server.app.inject({ url: `/api/v1/identities/${id}`, remoteAddress, headers: { authorization } }))
      .statusCode;
  expect([await from('127.0.0.1'), await from('192.0.2.7')]).toEqual([401, 200]);
  const renew = { method: 'POST', url: '/api/v1/auth/token/renew', payload: { accessToken } } as const;
  expect((await server.app.inject({ ...renew, remoteAddress: '10.0.0.1' })).statusCode).toBe(401);
  expect((await server.app.inject({ ...renew, remoteAddress: '192.0.2.7' })).statusCode).toBe(200);
});

test.each(['member', 'admin'])('a %s of the organization cannot make tokens of an instance admin', async (role) => {
  const rows = await server.sql.query("select id from actors where instance_admin and kind = 'identity'");
  const { token } = await server.machine(`climber-${role}`, { role });
  const instanceAdmin = rows.rows[0].id;
  expect((await server.send('POST', base(instanceAdmin), { token, body: {} })).status).toBe(403);
  await server.send('POST', base(instanceAdmin), { token: server.admin, body: {} });
  expect((await server.send('POST', `${base(instanceAdmin)}/tokens`, { token, body: {} })).status).toBe(403);
});

test('a machine makes no tokens of itself, and ends its own', async () => {
  const { id, token } = await attached('itself');
  const { tokenData } = await server.do('POST', `${base(id)}/tokens`);
  expect((await server.send('POST', `${base(id)}/tokens`, { token, body: {} })).status).toBe(403);
  expect((await server.send('PATCH', single(tokenData.id), { token, body: { name: 'x' } })).status).toBe(403);
  expect((await server.send('GET', single(tokenData.id), { token })).status).toBe(200);
  expect((await server.send('POST', `${single(tokenData.id)}/revoke`, { token })).status).toBe(200);
});

test('to another organization a token does not exist', async () => {
  const { id } = await attached('theirs');
  const { tokenData } = await server.do('POST', `${base(id)}/tokens`);
  const other = await server.organization('others');
  const { token } = await server.machine('stranger', { organizationId: other.id, role: 'admin' });
  for (const tokenId of [tokenData.id, randomUUID()]) {
    for (const [method, path] of [
      ['GET', ''],
      ['PATCH', ''],
      ['POST', '/revoke'],
    ] as const) {
      const body = method === 'PATCH' ? { name: 'mine' } : undefined;
      const answer = await server.send(method, single(tokenId) + path, { token, body });
      expect([answer.status, answer.body.message]).toEqual([404, `token ${tokenId} not found`]);
    }
  }
});

test('each change of tokens is recorded without the token', async () => {
  const { id } = await attached('audited');
  const { accessToken, tokenData } = await server.do('POST', `${base(id)}/tokens`, { body: { name: 'n' } });
  await server.do('POST', `${single(tokenData.id)}/revoke`);
  const { rows } = await server.sql.query(
    "select event, action, metadata from audit_log where metadata->>'identityId' = $1 and event like '%token-auth' order by at",
    [id],
  );
  expect(rows.map(({ event, action }) => [event, action])).toEqual([
    ['add-identity-token-auth', 'create'],
    ['create-token-identity-token-auth', 'create'],
    ['revoke-token-identity-token-auth', 'delete'],
  ]);
  expect(JSON.stringify(rows)).not.toContain(accessToken.slice(-20));
});
