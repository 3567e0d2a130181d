import { randomBytes } from 'node:crypto';
import { afterEach, expect, test } from 'vitest';
import { makeProof, newClientSecret, parseAuthSecret } from '../../../keys/index.ts';
import type { AppOptions } from '../../../server/app-options.ts';
import { type Answer, startEmptyServer, type TestServer } from '../../support/server.ts';

/** A fresh instance belongs to whoever holds kms-secrets, and to nobody else. */

const PATH = '/api/v1/admin/bootstrap';
const UUID = expect.stringMatching(/^[0-9a-f-]{36}$/);
let server: TestServer;
afterEach(() => server.close());

const start = async (options: Partial<AppOptions> = {}) => {
  server = await startEmptyServer(options);
};
const bodyWith = (credential?: string, more: object = {}) => ({
  email: 'Z@hanzo.ai',
  organization: 'Hanzo AI',
  ...(credential === undefined ? {} : { credential }),
  ...more,
});
const call = (body: object, proof: string | undefined = server.proof('POST', PATH, body)): Promise<Answer> =>
  server.send('POST', PATH, { body, headers: proof === undefined ? {} : { 'x-kms-proof': proof } });
const callUnproven = (body: object): Promise<Answer> => server.send('POST', PATH, { body });
const proofBy = (authSecret: string, body: object, more: { path?: string; method?: string; now?: Date } = {}) => {
  const { path = PATH, method = 'POST', now } = more;
  return makeProof(parseAuthSecret(authSecret), { method, path, body: JSON.stringify(body) }, now);
};

async function counts(): Promise<Record<string, number>> {
  const { rows } = await server.sql.query(
    `select (select count(*)::int from organizations) as organizations, (select count(*)::int from users) as users,
            (select count(*)::int from identities) as identities, (select count(*)::int from client_secrets) as secrets`,
  );
  return rows[0];
}
const NOTHING = { organizations: 0, users: 0, identities: 0, secrets: 0 };
const ONE = { organizations: 1, users: 1, identities: 1, secrets: 1 };

test('the first call makes an admin, an organization, an identity', async () => {
  await start();
  expect((await server.send('GET', '/api/v1/admin/config')).body.config.initialized).toBe(false);
  const credential = newClientSecret();
  const { status, body, text } = await call(bodyWith(credential));
  expect(status, text).toBe(200);
  expect(body).toEqual({
    message: 'Successfully bootstrapped instance',
    user: {
      ...{ id: UUID, username: 'z@hanzo.ai', email: 'z@hanzo.ai', firstName: '', lastName: '' },
      ...{ isEmailVerified: false, publicKey: null },
    },
    organization: {
      id: UUID,
      name: 'Hanzo AI',
      slug: 'hanzo-ai',
      enforceMfa: false,
      authEnforced: false,
      ...{ customerId: null, scimEnabled: false, kmsDefaultKeyId: null },
      createdAt: expect.any(String),
      updatedAt: expect.any(String),
    },
    identity: { id: UUID, name: 'Instance Admin Identity', credentials: { clientId: UUID } },
  });
  expect(text).not.toContain(credential);
  expect((await server.send('GET', '/api/v1/admin/config')).body.config).toMatchObject({
    initialized: true,
    allowSignUp: false,
  });
  const { clientId } = body.identity.credentials;
  const token = await server.login(clientId, credential);
  const { users } = await server.do('GET', `/api/v2/organizations/${body.organization.id}/memberships`, { token });
  expect(users).toMatchObject([{ role: 'admin', user: { email: 'z@hanzo.ai' } }]);
  expect((await server.do('POST', '/api/v2/organizations', { token, body: { name: 'Lux' } })).organization.slug).toBe(
    'lux',
  );
});

test('the first credential ends after an hour, or when revoked', async () => {
  await start();
  const credential = newClientSecret();
  const { identity } = (await call(bodyWith(credential))).body;
  const { clientId } = identity.credentials;
  const token = await server.login(clientId, credential);
  const secrets = `/api/v1/auth/universal-auth/identities/${identity.id}/client-secrets`;
  const [data] = (await server.do('GET', secrets, { token })).clientSecretData;
  expect(data).toMatchObject({ clientSecretTTL: 3600, isClientSecretRevoked: false });
  const { rows } = await server.sql.query(
    'select extract(epoch from expires_at - created_at)::int as seconds from client_secrets where id = $1',
    [data.id],
  );
  expect(rows).toEqual([{ seconds: 3600 }]);
  await server.do('POST', `${secrets}/${data.id}/revoke`, { token });
  const login = { body: { clientId, clientSecret: credential } };
  expect((await server.send('POST', '/api/v1/auth/universal-auth/login', login)).status).toBe(401);
  expect((await server.send('GET', secrets, { token })).status).toBe(401);
  // The call repeated after all that still knows its caller, and opens nothing again.
  expect((await call(bodyWith(credential))).status).toBe(200);
  expect((await server.send('POST', '/api/v1/auth/universal-auth/login', login)).status).toBe(401);
});

test('the same credential again gets the same ids', async () => {
  await start();
  const credential = newClientSecret();
  const first = await call(bodyWith(credential));
  for (const body of [
    bodyWith(credential),
    bodyWith(credential, { email: 'mallory@example.com', organization: 'Other' }),
  ]) {
    const again = await call(body);
    expect([again.status, again.body]).toEqual([200, first.body]);
  }
  expect(await counts()).toEqual(ONE);
});

test.each([
  { what: 'another credential', body: () => bodyWith(newClientSecret()) },
  { what: 'a password and no credential', body: () => bodyWith(undefined, { password: 'correct horse battery' }) },
])('a second call with $what is a 409', async ({ body }) => {
  await start();
  const credential = newClientSecret();
  await call(bodyWith(credential));
  const second = await call(body());
  expect(second.body).toMatchObject({
    statusCode: 409,
    error: 'Conflict',
    message: 'this instance has been set up already; log in, or open a recovery session with kms-secrets',
  });
  expect(await counts()).toEqual(ONE);
});

test('of two first admins at once, one wins', async () => {
  await start();
  const answers = await Promise.all(Array.from({ length: 8 }, () => call(bodyWith(newClientSecret()))));
  expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(7).fill(409)]);
  expect(await counts()).toEqual(ONE);
});

test('the same first call at once is one set-up', async () => {
  await start();
  const body = bodyWith(newClientSecret());
  const answers = await Promise.all(Array.from({ length: 8 }, () => call(body)));
  expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
  expect(answers[0]!.status).toBe(200);
  expect(await counts()).toEqual(ONE);
});

const attacks: { what: string; proof: (body: object) => string; says: RegExp }[] = [
  {
    what: 'another AUTH_SECRET',
    proof: (body) => proofBy(randomBytes(32).toString('base64'), body),
    says: /another AUTH_SECRET/,
  },
  { what: 'the root key', proof: (body) => proofBy(server.secrets.rootKey, body), says: /another AUTH_SECRET/ },
  {
    what: 'another body',
    proof: (body) => proofBy(server.secrets.authSecret, { ...body, email: 'mallory@example.com' }),
    says: /for another request/,
  },
  {
    what: 'another path',
    proof: (body) => proofBy(server.secrets.authSecret, body, { path: '/api/v1/admin/recovery-session' }),
    says: /for another request/,
  },
  {
    what: 'a query',
    proof: (body) => proofBy(server.secrets.authSecret, body, { path: `${PATH}?x=1` }),
    says: /for another request/,
  },
  {
    what: 'another method',
    proof: (body) => proofBy(server.secrets.authSecret, body, { method: 'PUT' }),
    says: /for another request/,
  },
  {
    what: 'six minutes ago',
    proof: (body) => proofBy(server.secrets.authSecret, body, { now: new Date(Date.now() - 360_000) }),
    says: /set the clocks/,
  },
  {
    what: 'two minutes ahead',
    proof: (body) => proofBy(server.secrets.authSecret, body, { now: new Date(Date.now() + 120_000) }),
    says: /set the clocks/,
  },
  { what: 'nothing', proof: () => '', says: /does not hold/ },
  { what: 'a guess', proof: () => `v1.1.${'A'.repeat(22)}.${'A'.repeat(43)}`, says: /does not hold/ },
];

test.each([{ allowUnprovenBootstrap: false }, { allowUnprovenBootstrap: true }])(
  'no proof for something else holds: %o',
  async (options) => {
    await start(options);
    for (const { what, proof, says } of attacks) {
      const body = bodyWith(newClientSecret());
      const answer = await call(body, proof(body));
      expect([what, answer.status, answer.body.error]).toEqual([what, 403, 'PermissionDenied']);
      expect(answer.body.message).toMatch(says);
    }
    expect(await counts()).toEqual(NOTHING);
  },
);

test('a proof works once', async () => {
  await start();
  const body = bodyWith(newClientSecret());
  const proof = server.proof('POST', PATH, body);
  expect((await call(body, proof)).status).toBe(200);
  const replayed = await call(body, proof);
  expect([replayed.status, replayed.body.message]).toEqual([
    403,
    'this proof of kms-secrets was used before; make a new one for each call',
  ]);
  const other = server.proof('POST', PATH, body);
  const together = await Promise.all(Array.from({ length: 6 }, () => call(body, other)));
  expect(together.map(({ status }) => status).sort()).toEqual([200, 403, 403, 403, 403, 403]);
});

test('no proof at all is a 403', async () => {
  await start();
  const headerings: Record<string, string>[] = [{}, { 'x-forwarded-for': '127.0.0.1' }, { host: 'localhost' }];
  for (const headers of headerings) {
    const answer = await server.send('POST', PATH, { body: bodyWith(newClientSecret()), headers });
    expect(answer.body).toMatchObject({
      statusCode: 403,
      error: 'PermissionDenied',
      message: 'this call must prove that it knows kms-secrets; use kms-bootstrap, which sends the header x-kms-proof',
    });
  }
  expect(await counts()).toEqual(NOTHING);
});

test("Infisical's body works where configuration allows it, once", async () => {
  await start({ allowUnprovenBootstrap: true });
  const body = bodyWith(undefined, { password: 'correct horse battery' });
  const first = await callUnproven(body);
  expect(first.status, first.text).toBe(200);
  const { token } = first.body.identity.credentials;
  expect((await server.do('GET', '/api/v1/organization', { token })).organizations).toMatchObject([
    { slug: 'hanzo-ai' },
  ]);
  expect(first.text).not.toContain('correct horse battery');
  const second = await callUnproven(body);
  expect([second.status, second.body.error]).toEqual([409, 'Conflict']);
  const { rows } = await server.sql.query('select password_hash from users');
  expect(rows[0].password_hash).toMatch(/^\$argon2id\$/);
});

test.each([
  { what: 'no e-mail', more: { email: 'nobody' }, field: 'email' },
  { what: 'no organization', more: { organization: ' ' }, field: 'organization' },
  { what: 'a short password', more: { password: 'short' }, field: 'password' },
  { what: 'a weak credential', more: { credential: 'st.short' }, field: 'credential' },
  { what: 'a credential of another shape', more: { credential: 'x'.repeat(46) }, field: 'credential' },
  { what: 'neither password nor credential', more: { credential: '' }, field: 'password' },
])('a first call with $what sets nothing up', async ({ more, field }) => {
  await start();
  const body = bodyWith(newClientSecret(), more);
  const answer = await call(body);
  expect(answer.body).toMatchObject({ statusCode: 422, message: [{ path: [field] }] });
  expect(await counts()).toEqual(NOTHING);
  expect((await server.send('GET', '/api/v1/admin/config')).body.config.initialized).toBe(false);
});
