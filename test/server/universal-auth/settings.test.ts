import { afterAll, beforeAll, expect, test } from 'vitest';
import { isClientSecretShape } from '../../../keys/index.ts';
import { startServer, type TestServer } from '../../support/server.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

const EVERYWHERE = [
  { type: 'ipv4', ipAddress: '0.0.0.0', prefix: 0 },
  { type: 'ipv6', ipAddress: '::', prefix: 0 },
];
const UUID = expect.stringMatching(/^[0-9a-f-]{36}$/);
const INSTANT = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

async function identity(name = 'service'): Promise<string> {
  const body = { name, organizationId: server.organizationId };
  return (await server.do('POST', '/api/v1/identities', { body })).identity.id;
}
const base = (id: string) => `/api/v1/auth/universal-auth/identities/${id}`;

test.each([
  { given: 'no body', body: undefined },
  { given: 'an empty body', body: {} },
])('$given attaches with 7200 seconds, from everywhere', async ({ body }) => {
  const identityId = await identity();
  const { identityUniversalAuth } = await server.do('POST', base(identityId), { body });
  expect(identityUniversalAuth).toEqual({
    id: UUID,
    identityId,
    clientId: UUID,
    accessTokenTTL: 7200,
    accessTokenMaxTTL: 7200,
    accessTokenNumUsesLimit: 0,
    accessTokenPeriod: 0,
    clientSecretTrustedIps: EVERYWHERE,
    accessTokenTrustedIps: EVERYWHERE,
    lockoutEnabled: true,
    lockoutThreshold: 3,
    lockoutDurationSeconds: 300,
    lockoutCounterResetSeconds: 30,
    createdAt: INSTANT,
    updatedAt: INSTANT,
  });
  expect(await server.do('GET', base(identityId))).toEqual({ identityUniversalAuth });
});

test('every setting is kept, and changed alone', async () => {
  const identityId = await identity();
  const given = {
    accessTokenTTL: 60,
    accessTokenMaxTTL: 600,
    accessTokenNumUsesLimit: 5,
    accessTokenPeriod: 90,
    lockoutEnabled: false,
    lockoutThreshold: 7,
    lockoutDurationSeconds: 60,
    lockoutCounterResetSeconds: 5,
    clientSecretTrustedIps: [{ ipAddress: '10.1.2.3/8' }],
    accessTokenTrustedIps: [{ ipAddress: '192.0.2.7' }, { ipAddress: '2001:db8::1/32' }],
  };
  const kept = {
    ...given,
    // Bits below the prefix say nothing, so the network is what is kept.
    clientSecretTrustedIps: [{ type: 'ipv4', ipAddress: '10.0.0.0', prefix: 8 }],
    accessTokenTrustedIps: [
      { type: 'ipv4', ipAddress: '192.0.2.7', prefix: 32 },
      { type: 'ipv6', ipAddress: '2001:db8::', prefix: 32 },
    ],
  };
  const attached = await server.do('POST', base(identityId), { body: given });
  expect(attached.identityUniversalAuth).toMatchObject(kept);
  const { clientId } = attached.identityUniversalAuth;
  const changed = await server.do('PATCH', base(identityId), { body: { accessTokenTTL: 600 } });
  expect(changed.identityUniversalAuth).toMatchObject({ ...kept, accessTokenTTL: 600, clientId });
  const unlimited = { accessTokenNumUsesLimit: 0, accessTokenTrustedIps: [{ ipAddress: '::/0' }] };
  const again = await server.do('PATCH', base(identityId), { body: unlimited });
  expect(again.identityUniversalAuth).toMatchObject({
    ...kept,
    accessTokenTTL: 600,
    accessTokenNumUsesLimit: 0,
    accessTokenTrustedIps: [{ type: 'ipv6', ipAddress: '::', prefix: 0 }],
  });
});

test.each([
  { what: 'a TTL above the max TTL', body: { accessTokenTTL: 7201 }, field: 'accessTokenTTL' },
  { what: 'a lockout after no wrong secret', body: { lockoutThreshold: 0 }, field: 'lockoutThreshold' },
  { what: 'a negative TTL', body: { accessTokenTTL: -1 }, field: 'accessTokenTTL' },
  { what: 'half a second', body: { accessTokenTTL: 0.5 }, field: 'accessTokenTTL' },
  { what: 'a max TTL above ten years', body: { accessTokenMaxTTL: 315_360_001 }, field: 'accessTokenMaxTTL' },
  { what: 'no address', body: { accessTokenTrustedIps: [] }, field: 'accessTokenTrustedIps' },
  {
    what: 'a name for an address',
    body: { clientSecretTrustedIps: [{ ipAddress: 'localhost' }] },
    field: 'clientSecretTrustedIps',
  },
  {
    what: 'a prefix of 33',
    body: { clientSecretTrustedIps: [{ ipAddress: '10.0.0.0/33' }] },
    field: 'clientSecretTrustedIps',
  },
  {
    what: 'an address with a zone',
    body: { clientSecretTrustedIps: [{ ipAddress: 'fe80::1%eth0' }] },
    field: 'clientSecretTrustedIps',
  },
  { what: 'a negative use limit', body: { accessTokenNumUsesLimit: -1 }, field: 'accessTokenNumUsesLimit' },
])('settings with $what are refused', async ({ body, field }) => {
  const identityId = await identity();
  const attach = await server.send('POST', base(identityId), { token: server.admin, body });
  expect([attach.status, attach.body.message[0].path[0]]).toEqual([422, field]);
  await server.do('POST', base(identityId));
  const change = await server.send('PATCH', base(identityId), { token: server.admin, body });
  expect([change.status, change.body.message[0].path[0]]).toEqual([422, field]);
});

test('Universal Auth is attached once', async () => {
  const identityId = await identity();
  const missing = await server.send('GET', base(identityId), { token: server.admin });
  expect([missing.status, missing.body.message]).toEqual([404, `identity ${identityId} has no Universal Auth`]);
  await server.do('POST', base(identityId));
  const again = await server.send('POST', base(identityId), { token: server.admin });
  expect([again.status, again.body.message]).toEqual([409, 'this identity has Universal Auth already']);
});

test('a client secret is shown once, and its facts later', async () => {
  const identityId = await identity();
  const { identityUniversalAuth } = await server.do('POST', base(identityId));
  const secrets = `${base(identityId)}/client-secrets`;
  const body = { description: 'for the cluster', ttl: 3600, numUsesLimit: 3 };
  const { clientSecret, clientSecretData } = await server.do('POST', secrets, { body });
  expect([clientSecret.length, isClientSecretShape(clientSecret)]).toEqual([46, true]);
  expect(clientSecretData).toEqual({
    id: UUID,
    identityUAId: identityUniversalAuth.id,
    description: 'for the cluster',
    clientSecretPrefix: clientSecret.slice(0, 7),
    clientSecretNumUses: 0,
    clientSecretNumUsesLimit: 3,
    clientSecretTTL: 3600,
    isClientSecretRevoked: false,
    expiresAt: INSTANT,
    familyId: null,
    renewalsEndAt: null,
    createdAt: INSTANT,
    updatedAt: INSTANT,
  });
  for (const url of [secrets, `${secrets}/${clientSecretData.id}`]) {
    const answer = await server.send('GET', url, { token: server.admin });
    expect([answer.body.clientSecretData].flat()).toEqual([clientSecretData]);
    expect(answer.text).not.toContain(clientSecret.slice(8));
  }
  const other = await server.do('POST', secrets);
  expect(other.clientSecret).not.toBe(clientSecret);
  expect(other.clientSecretData).toMatchObject({ description: '', clientSecretTTL: 0, clientSecretNumUsesLimit: 0 });
});

test('a revoked client secret leaves the list', async () => {
  const machine = await server.machine('rotated');
  const secrets = `${base(machine.id)}/client-secrets`;
  const url = `${secrets}/${machine.clientSecretId}`;
  const revoked = await server.do('POST', `${url}/revoke`);
  expect(revoked.clientSecretData).toMatchObject({ isClientSecretRevoked: true, clientSecretNumUses: 1 });
  expect((await server.do('GET', secrets)).clientSecretData).toEqual([]);
  expect((await server.do('GET', url)).clientSecretData).toMatchObject({ isClientSecretRevoked: true });
  // Again, it stays revoked since the first time.
  const first = await server.sql.query('select revoked_at from client_secrets where id = $1', [machine.clientSecretId]);
  await server.do('POST', `${url}/revoke`);
  const second = await server.sql.query('select revoked_at from client_secrets where id = $1', [
    machine.clientSecretId,
  ]);
  expect(second.rows).toEqual(first.rows);
});

test('an identity has at most 100 client secrets', async () => {
  const identityId = await identity();
  await server.do('POST', base(identityId));
  const secrets = `${base(identityId)}/client-secrets`;
  const made = [];
  for (let n = 0; n < 100; n++) made.push(await server.do('POST', secrets));
  const { status, body } = await server.send('POST', secrets, { token: server.admin });
  expect([status, body.message]).toEqual([
    400,
    'this identity has 100 client secrets; revoke those that are no longer used',
  ]);
  await server.do('POST', `${secrets}/${made[0].clientSecretData.id}/revoke`);
  expect((await server.send('POST', secrets, { token: server.admin })).status).toBe(200);
});

test('a machine sees and revokes its own client secret', async () => {
  const machine = await server.machine('self-service');
  const { token } = machine;
  const url = `${base(machine.id)}/client-secrets/${machine.clientSecretId}`;
  expect((await server.do('GET', base(machine.id), { token })).identityUniversalAuth.clientId).toBe(machine.clientId);
  expect((await server.do('GET', url, { token })).clientSecretData.id).toBe(machine.clientSecretId);
  expect((await server.send('POST', `${url}/revoke`, { token })).status).toBe(200);
  const after = await server.send('GET', url, { token });
  expect([after.status, after.body.message]).toEqual([401, 'this access token has been revoked; log in again']);
});
