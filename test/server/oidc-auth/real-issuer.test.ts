import { afterAll, beforeAll, expect, test } from 'vitest';
import { OpenIdProvider } from '../../support/openid-provider.ts';
import { startServer, type TestServer } from '../../support/server.ts';

/** Logins with tokens that a certified OpenID provider made for a program. */

let server: TestServer;
let provider: OpenIdProvider;
const AUDIENCE = 'urn:hanzo:kms';

beforeAll(async () => {
  provider = await OpenIdProvider.start({ secure: true });
  server = await startServer({ outboundAllow: ['127.0.0.1'] });
  await server.do('PATCH', '/api/v1/admin/config', { body: { machineAuthMethods: ['oidc-auth'] } });
});
afterAll(() => Promise.all([server?.close(), provider?.close()]));

async function identity(more: object = {}): Promise<string> {
  const body = { name: 'workload', organizationId: server.organizationId };
  const { id } = (await server.do('POST', '/api/v1/identities', { body })).identity;
  await server.do('POST', `/api/v1/auth/oidc-auth/identities/${id}`, {
    body: {
      ...{ oidcDiscoveryUrl: provider.issuer, caCert: provider.ca, boundIssuer: provider.issuer },
      ...{ boundSubject: provider.workload.id, boundAudiences: AUDIENCE },
      ...more,
    },
  });
  return id;
}
const login = (identityId: string, jwt: string) =>
  server.send('POST', '/api/v1/auth/oidc-auth/login', { body: { identityId, jwt } });

test("a program's token is exchanged for one of ours, which works", async () => {
  const id = await identity();
  const { status, body, text } = await login(id, await provider.workloadToken(AUDIENCE));
  expect(status, text).toBe(200);
  expect((await server.send('GET', `/api/v1/identities/${id}`, { token: body.accessToken })).status).toBe(200);
});

test.each<{ what: string; bound: object; audience?: string; says: RegExp }>([
  { what: 'for another audience', bound: {}, audience: 'urn:hanzo:gateway', says: /the audience/ },
  { what: 'of another program', bound: { boundSubject: 'gateway' }, says: /the subject/ },
  { what: 'of another issuer', bound: { boundIssuer: 'https://hanzo.id' }, says: /of another issuer/ },
  { what: 'without a claim', bound: { boundClaims: { client_id: 'gateway' } }, says: /claim/ },
])('a token $what is refused', async ({ bound, audience = AUDIENCE, says }) => {
  const { status, body } = await login(await identity(bound), await provider.workloadToken(audience));
  expect([status, body.message]).toEqual([401, expect.stringMatching(says)]);
});

test("another provider's token under this one's name is refused", async () => {
  const other = await OpenIdProvider.start({ secure: true, issuer: provider.issuer });
  try {
    const { status, body } = await login(await identity(), await other.workloadToken(AUDIENCE));
    expect([status, body.message]).toEqual([401, expect.stringMatching(/signed by no key of its issuer/)]);
  } finally {
    await other.close();
  }
});
