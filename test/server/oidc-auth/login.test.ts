import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Answer, startServer, type TestServer } from '../../support/server.ts';
import { Issuer } from './issuer.ts';

let server: TestServer;
let issuer: Issuer;
let identityId: string;

beforeAll(async () => {
  issuer = await Issuer.start();
  server = await startServer({ outboundAllow: ['127.0.0.1'] });
  await server.do('PATCH', '/api/v1/admin/config', { body: { machineAuthMethods: ['oidc-auth'] } });
  identityId = await identity({ boundSubject: 'repo:hanzoai/gateway:*/**', boundAudiences: 'other, kms' });
});
afterAll(() => Promise.all([server.close(), issuer.close()]));

const base = (id: string) => `/api/v1/auth/oidc-auth/identities/${id}`;
const settings = (more: object = {}) => ({
  oidcDiscoveryUrl: issuer.url,
  caCert: issuer.ca,
  boundIssuer: issuer.url,
  ...more,
});
async function identity(more: object): Promise<string> {
  const body = { name: 'workflow', organizationId: server.organizationId };
  const { id } = (await server.do('POST', '/api/v1/identities', { body })).identity;
  await server.do('POST', base(id), { body: settings(more) });
  return id;
}
const login = (jwt: string, id = identityId): Promise<Answer> =>
  server.send('POST', '/api/v1/auth/oidc-auth/login', { body: { identityId: id, jwt } });

test("an issuer's token is exchanged for one of ours, which works", async () => {
  const { status, body } = await login(await issuer.token());
  expect([status, body]).toEqual([
    200,
    { accessToken: expect.any(String), expiresIn: 7200, accessTokenMaxTTL: 7200, tokenType: 'Bearer' },
  ]);
  const itself = await server.send('GET', `/api/v1/identities/${identityId}`, { token: body.accessToken });
  expect([itself.status, itself.body.identity.identity.authMethods]).toEqual([200, ['oidc-auth']]);
  const { rows } = await server.sql.query(
    "select outcome, metadata - 'accessTokenId' as metadata from audit_log where event = 'login-identity-oidc-auth' and actor_id = $1",
    [identityId],
  );
  const { sub: subject, aud: audience } = issuer.claims();
  expect(rows).toEqual([{ outcome: 'allowed', metadata: { issuer: issuer.url, subject, audience } }]);
});

const now = () => Math.floor(Date.now() / 1000);
const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 });
const attacks: [attack: string, token: () => string | Promise<string>, says: RegExp][] = [
  ['no signature (alg none)', () => issuer.forged('none'), /signed in a way/],
  ['no signature (alg NONE)', () => issuer.forged('NONE'), /signed in a way/],
  ["HMAC with the issuer's public key", () => issuer.forged('HS256', issuer.publicPem()), /signed in a way/],
  ['HMAC with an empty key', () => issuer.forged('HS512', ''), /signed in a way/],
  ['no signature at all under RS256', () => issuer.forged('RS256'), /not signed by its issuer/],
  ['another key under a known id', () => foreign({ kid: issuer.current }), /not signed by its issuer/],
  ['a key id that the issuer has not', () => foreign({ kid: 'mine' }), /no key of its issuer/],
  [
    'a key that it brings along',
    () => foreign({ kid: 'mine', jwk: stranger.publicKey.export({ format: 'jwk' }) }),
    /no key of its issuer/,
  ],
  [
    'a URL of keys that it brings along',
    () => foreign({ kid: 'mine', jku: 'https://evil.example/keys' }),
    /no key of its issuer/,
  ],
  ['an unknown critical header', () => foreign({ kid: issuer.current, crit: ['x'], x: 1 }), /not signed by its issuer/],
  ['another issuer', () => issuer.token({ iss: 'https://evil.example' }), /of another issuer/],
  ['the issuer with a slash', () => issuer.token({ iss: `${issuer.url}/` }), /of another issuer/],
  ['no issuer', () => issuer.token({ iss: undefined }), /of another issuer/],
  ['another audience', () => issuer.token({ aud: 'kms-staging' }), /the audience/],
  ['no audience', () => issuer.token({ aud: undefined }), /the audience/],
  ['another subject', () => issuer.token({ sub: 'repo:evil/gateway:ref:refs/heads/main' }), /the subject/],
  ['a subject that only begins alike', () => issuer.token({ sub: 'repo:hanzoai/gateway' }), /the subject/],
  ['a subject within another', () => issuer.token({ sub: 'x repo:hanzoai/gateway:y/z' }), /the subject/],
  ['no subject', () => issuer.token({ sub: undefined }), /the subject/],
  ['an end that has come', () => issuer.token({ exp: now() - 60 }), /has expired/],
  ['no end', () => issuer.token({ exp: undefined }), /"exp"/],
  ['a beginning to come', () => issuer.token({ nbf: now() + 300 }), /"nbf"/],
  ['a subject with NUL', () => issuer.token({ sub: 'repo:hanzoai/gateway:ref:refs/heads/a\0b' }), /NUL/],
  ['half a character within a claim', () => issuer.token({ more: { [`${'\ud800'}`]: [] } }), /not well-formed/],
  ['a changed body', async () => changed(await issuer.token()), /not signed by its issuer/],
  ['text that is no JWT', () => 'not.a.jwt', /no JWT/],
  ['five parts', () => 'a.b.c.d.e', /no JWT/],
];
test.each(attacks)('a token with %s is refused', async (_attack, token, says) => {
  const { status, body } = await login(await token());
  expect([status, body.error, body.message]).toEqual([401, 'UnauthorizedError', expect.stringMatching(says)]);
});

function foreign(header: { kid: string } & Record<string, unknown>): Promise<string> {
  const { crit, ...rest } = header;
  const signer = new SignJWT(issuer.claims()).setProtectedHeader({
    alg: 'RS256',
    ...rest,
    ...(crit ? { crit: crit as string[] } : {}),
  });
  return signer.sign(stranger.privateKey, crit ? { crit: { x: true } } : {});
}
function changed(token: string): string {
  const [header, , signature] = token.split('.');
  const body = Buffer.from(JSON.stringify(issuer.claims({ sub: 'repo:hanzoai/gateway:pull/1' }))).toString('base64url');
  return [header, body, signature].join('.');
}

test.each([
  ['a subject as it is', { boundSubject: 'auth0|a,b' }, { sub: 'auth0|a,b' }, true],
  ['a subject with a comma is no list', { boundSubject: 'auth0|a,b' }, { sub: 'auth0|a' }, false],
  ['one of several audiences', { boundSubject: '**', boundAudiences: 'kms' }, { aud: ['x', 'kms'] }, true],
  ['a claim', { boundClaims: { repository: 'hanzoai/gateway' } }, { repository: 'hanzoai/gateway' }, true],
  ['another claim', { boundClaims: { repository: 'hanzoai/gateway' } }, { repository: 'hanzoai/evil' }, false],
  ['a claim that is missing', { boundClaims: { repository: 'hanzoai/gateway' } }, {}, false],
  ['one of two', { boundClaims: { ref: 'refs/heads/main, refs/tags/v*' } }, { ref: 'refs/tags/v1' }, true],
  ['a star within a name alone', { boundClaims: { repository: 'hanzoai/*' } }, { repository: 'hanzoai/a/b' }, false],
  ['two stars over names', { boundClaims: { repository: 'hanzoai/**' } }, { repository: 'hanzoai/a/b' }, true],
  ['a claim in a list', { boundClaims: { groups: 'admins' } }, { groups: ['users', 'admins'] }, true],
  ['a boolean', { boundClaims: { protected: 'true' } }, { protected: true }, true],
  ['a number', { boundClaims: { runner: '7' } }, { runner: 71 }, false],
  [
    'a claim along dots',
    { boundClaims: { 'kubernetes.io.namespace': 'hanzo' } },
    { 'kubernetes.io': { namespace: 'hanzo' } },
    true,
  ],
  ['an object is no text', { boundClaims: { who: '[object Object]' } }, { who: {} }, false],
  ['nothing of JavaScript', { boundClaims: { 'constructor.name': 'Object' } }, {}, false],
])('a login bound to %s', async (_what, bound, claims, allowed) => {
  const id = await identity(bound);
  expect((await login(await issuer.token(claims), id)).status).toBe(allowed ? 200 : 401);
});

test('the keys of an issuer are fetched once for many logins', async () => {
  const fresh = await Issuer.start();
  const id = await identity({
    ...{ oidcDiscoveryUrl: fresh.url, caCert: fresh.ca, boundIssuer: fresh.url },
    boundSubject: 'repo:*/**',
  });
  try {
    const old = await fresh.token();
    expect((await login(old, id)).status).toBe(200);
    expect(fresh.fetches()).toBe(1);
    expect((await login(old, id)).status).toBe(200);
    expect(fresh.fetches()).toBe(1);
  } finally {
    await fresh.close();
  }
});

test('an issuer that is not there makes a 503, and no token', async () => {
  const gone = await Issuer.start();
  const id = await identity({
    oidcDiscoveryUrl: gone.url,
    caCert: gone.ca,
    boundIssuer: gone.url,
    boundSubject: 'repo:*/**',
  });
  const token = await gone.token();
  await gone.close();
  const { status, body } = await login(token, id);
  expect([status, body.message]).toEqual([503, '127.0.0.1 could not be reached']);
});

test('an unknown identity and one without the login are refused alike', async () => {
  const { id } = await server.machine('without');
  for (const unknown of [id, randomUUID(), 'no-id', "' or 1=1"]) {
    const { status, body } = await login(await issuer.token(), unknown);
    expect([status, body.message]).toEqual([401, 'Invalid credentials: there is no such identity with oidc-auth']);
  }
});

test('a login from another address is refused', async () => {
  const id = await identity({ boundSubject: 'repo:*/**', accessTokenTrustedIps: [{ ipAddress: '192.0.2.1' }] });
  expect((await login(await issuer.token(), id)).status).toBe(403);
});

test('taking the login away ends its tokens', async () => {
  const id = await identity({ boundAudiences: 'kms' });
  const { accessToken: token } = (await login(await issuer.token(), id)).body;
  expect((await server.send('GET', `/api/v1/identities/${id}`, { token })).status).toBe(200);
  await server.do('DELETE', base(id));
  expect((await server.send('GET', `/api/v1/identities/${id}`, { token })).status).toBe(401);
});

test.each<[what: string, body: object, field: string]>([
  ['nothing bound', {}, 'boundSubject'],
  ['nothing but stars', { boundSubject: '*', boundAudiences: '**', boundClaims: { x: '*' } }, 'boundSubject'],
  ['an address inside', { boundSubject: 'me', oidcDiscoveryUrl: 'https://169.254.169.254' }, 'oidcDiscoveryUrl'],
  ['plain http', { boundSubject: 'me', oidcDiscoveryUrl: 'http://127.0.0.1' }, 'oidcDiscoveryUrl'],
  ['a CA that is none', { boundSubject: 'me', caCert: 'PEM' }, 'caCert'],
  ['a mapping of claims', { boundSubject: 'me', claimMetadataMapping: { repo: 'repository' } }, 'claimMetadataMapping'],
  ['a broken glob', { boundSubject: 'repo:[' }, 'boundSubject'],
  ['a TTL above the max TTL', { boundSubject: 'me', accessTokenTTL: 9, accessTokenMaxTTL: 8 }, 'accessTokenTTL'],
])('settings with %s are refused', async (_what, more, field) => {
  const { id } = await server.machine('settings');
  const attach = await server.send('POST', base(id), { token: server.admin, body: settings(more) });
  expect([attach.status, attach.body.message?.[0]?.path?.[0]]).toEqual([422, field]);
  await server.do('POST', base(id), { body: settings({ boundSubject: 'me' }) });
  const change = { boundSubject: '', ...more };
  const patch = await server.send('PATCH', base(id), { token: server.admin, body: change });
  expect([patch.status, patch.body.message?.[0]?.path?.[0]]).toEqual([422, field]);
});

test('every setting is kept, and changed alone', async () => {
  const { id } = await server.machine('kept');
  const bound = {
    boundAudiences: 'kms',
    boundClaims: { repository: 'hanzoai/gateway' },
    claimMetadataMapping: {},
    boundSubject: 'repo:*',
  };
  const { identityOidcAuth } = await server.do('POST', base(id), { body: settings(bound) });
  expect(identityOidcAuth).toMatchObject({
    identityId: id,
    accessTokenTTL: 7200,
    ...settings(bound),
    caCert: issuer.ca.trim(),
  });
  expect(await server.do('GET', base(id))).toEqual({ identityOidcAuth });
  const changed = await server.do('PATCH', base(id), { body: { boundSubject: 'me', accessTokenTTL: 60 } });
  expect(changed.identityOidcAuth).toEqual({
    ...identityOidcAuth,
    boundSubject: 'me',
    accessTokenTTL: 60,
    updatedAt: expect.any(String),
  });
});
