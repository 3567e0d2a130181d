import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { newAuthority } from '../../support/certificates.ts';
import { type Listener, listen } from '../../support/listener.ts';
import { type Answer, startServer, type TestServer } from '../../support/server.ts';

/** A cluster's TokenReview, as far as a login sees it, on 127.0.0.1 under the cluster's own CA. */

let server: TestServer;
let cluster: Listener;
let identityId: string;
const authority = newAuthority('kubernetes');
const REVIEWER = 'eyJhbGciOiJSUzI1NiJ9.reviewer.c2lnbmF0dXJl';
const POD = 'eyJhbGciOiJSUzI1NiJ9.pod.c2lnbmF0dXJl';

interface Asked {
  readonly authorization: string;
  readonly spec: { readonly token: string; readonly audiences?: string[] };
}
let asked: Asked[] = [];
let answer: { status: number; body: unknown };
const reviewed = (username: string, more: object = {}) => ({
  status: 201,
  body: { kind: 'TokenReview', status: { authenticated: true, user: { username }, audiences: ['kms'], ...more } },
});
const GATEWAY = 'system:serviceaccount:hanzo:gateway';

beforeAll(async () => {
  cluster = await listen((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
      const { spec } = JSON.parse(Buffer.concat(parts).toString());
      asked.push({ authorization: request.headers.authorization!, spec });
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(JSON.stringify(answer.body));
    });
  }, authority.issue('127.0.0.1'));
  server = await startServer({ outboundAllow: ['127.0.0.1'] });
  await server.do('PATCH', '/api/v1/admin/config', { body: { machineAuthMethods: ['kubernetes-auth'] } });
  identityId = await identity({ allowedNamespaces: 'infra, hanzo', allowedNames: 'gateway', allowedAudience: 'kms' });
});
afterAll(() => Promise.all([server.close(), cluster.close()]));
beforeEach(() => {
  asked = [];
  answer = reviewed(GATEWAY);
});

const base = (id: string) => `/api/v1/auth/kubernetes-auth/identities/${id}`;
const settings = (more: object = {}) => ({
  kubernetesHost: `https://127.0.0.1:${cluster.port}`,
  caCert: authority.cert,
  tokenReviewerJwt: REVIEWER,
  ...more,
});
async function identity(more: object): Promise<string> {
  const body = { name: 'pod', organizationId: server.organizationId };
  const { id } = (await server.do('POST', '/api/v1/identities', { body })).identity;
  await server.do('POST', base(id), { body: settings(more) });
  return id;
}
const login = (id = identityId, jwt = POD): Promise<Answer> =>
  server.send('POST', '/api/v1/auth/kubernetes-auth/login', { body: { identityId: id, jwt } });

test("a pod's token is exchanged for one of ours, after the cluster was asked", async () => {
  const { status, body } = await login();
  expect([status, body]).toEqual([
    200,
    { accessToken: expect.any(String), expiresIn: 7200, accessTokenMaxTTL: 7200, tokenType: 'Bearer' },
  ]);
  expect(asked).toEqual([{ authorization: `Bearer ${REVIEWER}`, spec: { token: POD, audiences: ['kms'] } }]);
  expect(cluster.seen.at(-1)).toBe('POST /apis/authentication.k8s.io/v1/tokenreviews');
  const use = await server.send('GET', `/api/v1/identities/${identityId}`, { token: body.accessToken });
  expect(use.status).toBe(200);
  const { rows } = await server.sql.query(
    "select metadata - 'accessTokenId' as metadata from audit_log where event = 'login-identity-kubernetes-auth' and outcome = 'allowed' and actor_id = $1",
    [identityId],
  );
  expect(rows).toEqual([{ metadata: { namespace: 'hanzo', serviceAccount: 'gateway' } }]);
});

test.each<[attack: string, given: { status: number; body: unknown }, status: number, says: RegExp]>([
  ['that the cluster does not know', { status: 201, body: { status: { authenticated: false } } }, 401, /does not know/],
  ['about which the cluster says nothing', { status: 201, body: { status: {} } }, 401, /does not know/],
  [
    'that the cluster does not take, as a real one says it',
    { status: 201, body: { status: { user: {}, error: '[invalid bearer token, unknown]' } } },
    401,
    /does not know/,
  ],
  ['of another namespace', reviewed('system:serviceaccount:evil:gateway'), 401, /the namespace/],
  ['of another service account', reviewed('system:serviceaccount:hanzo:evil'), 401, /the service account/],
  ['of a person', reviewed('system:admin'), 401, /no service account/],
  ['of an account with colons', reviewed('system:serviceaccount:hanzo:gateway:x'), 401, /no service account/],
  ['of an account with NUL', reviewed('system:serviceaccount:hanzo:gate\0way'), 401, /no service account/],
  ['for another audience', reviewed(GATEWAY, { audiences: ['https://kubernetes'] }), 401, /the audience/],
  ['whose audience was not checked', reviewed(GATEWAY, { audiences: undefined }), 401, /the audience/],
  ['while the reviewer is refused', { status: 403, body: {} }, 503, /tokenReviewerJwt/],
  ['while the cluster fails', { status: 500, body: {} }, 503, /did not review/],
  ['with an answer that is none', { status: 201, body: { status: { authenticated: 'yes' } } }, 503, /did not review/],
])('a token %s is refused', async (_attack, given, status, says) => {
  answer = given;
  const refused = await login();
  expect([refused.status, refused.body.message]).toEqual([status, expect.stringMatching(says)]);
});

test('a text that is no JWT is not sent to the cluster', async () => {
  for (const jwt of ['x', 'a.b', 'a.b.c d', 'a.b.c\r\nx: y']) expect((await login(identityId, jwt)).status).toBe(401);
  expect(asked).toEqual([]);
});

test('without a reviewer each token is reviewed by itself', async () => {
  const id = await identity({ tokenReviewerJwt: undefined, allowedNames: 'gateway' });
  expect((await login(id)).status).toBe(200);
  expect(asked).toEqual([{ authorization: `Bearer ${POD}`, spec: { token: POD } }]);
  answer = { status: 401, body: {} };
  expect((await login(id)).status).toBe(401);
});

test("the reviewer's token is sealed, and never shown", async () => {
  const id = await identity({ allowedNames: 'gateway' });
  const { identityKubernetesAuth } = await server.do('GET', base(id));
  expect(identityKubernetesAuth).toMatchObject({
    tokenReviewerJwt: null,
    hasTokenReviewerJwt: true,
    allowedNames: 'gateway',
  });
  const stored = await server.sql.query(
    'select settings, sealed_reviewer_token from machine_logins where identity_id = $1',
    [id],
  );
  const audit = await server.sql.query("select metadata from audit_log where event like '%kubernetes-auth'");
  expect(JSON.stringify([stored.rows, audit.rows])).not.toContain(REVIEWER);
  expect(stored.rows[0].sealed_reviewer_token.includes(Buffer.from('reviewer'))).toBe(false);
});

test("a reviewer's token that was moved to another login does not open", async () => {
  const [mine, theirs] = [await identity({ allowedNames: 'gateway' }), await identity({ allowedNames: 'gateway' })];
  await server.sql.query(
    'update machine_logins set sealed_reviewer_token = (select sealed_reviewer_token from machine_logins where identity_id = $2) where identity_id = $1',
    [mine, theirs],
  );
  expect((await login(mine)).status).toBeGreaterThanOrEqual(500);
  expect(asked).toEqual([]);
});

test("the stored reviewer's token is not sent to another host", async () => {
  const id = await identity({ allowedNames: 'gateway' });
  const patch = (body: object) => server.send('PATCH', base(id), { token: server.admin, body });
  for (const change of [{ kubernetesHost: 'https://evil.example.com' }, { caCert: newAuthority('evil').cert }]) {
    const { status, body } = await patch(change);
    expect([status, body.message[0].path]).toEqual([422, ['tokenReviewerJwt']]);
  }
  expect((await patch({ kubernetesHost: 'https://other.example.com', tokenReviewerJwt: 'a.b.c' })).status).toBe(200);
  const cleared = await patch({ tokenReviewerJwt: '' });
  expect(cleared.body.identityKubernetesAuth.hasTokenReviewerJwt).toBe(false);
});

test.each<[what: string, more: object, field: string]>([
  ['nothing bound', {}, 'allowedNamespaces'],
  ['an audience alone', { allowedAudience: 'kms' }, 'allowedNamespaces'],
  ['an address inside', { allowedNames: 'x', kubernetesHost: 'https://10.0.0.1' }, 'kubernetesHost'],
  ['a gateway', { allowedNames: 'x', tokenReviewMode: 'gateway' }, 'tokenReviewMode'],
  ['a header in the token', { allowedNames: 'x', tokenReviewerJwt: 'a\nb' }, 'tokenReviewerJwt'],
])('settings with %s are refused', async (_what, more, field) => {
  const { id } = await server.machine('settings');
  const attach = await server.send('POST', base(id), { token: server.admin, body: settings(more) });
  expect([attach.status, attach.body.message?.[0]?.path?.[0]]).toEqual([422, field]);
});
