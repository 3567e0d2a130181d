import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestCluster } from './support/cluster.ts';

/** Kubernetes Auth against a real API server: its TokenReview judges tokens that it signed itself. */

let cluster: TestCluster;
let identityId: string;
let reviewer: string;

beforeAll(async () => {
  cluster = await TestCluster.start({ server: { outboundAllow: ['127.0.0.1'] } });
  for (const namespace of ['hanzo', 'team']) await cluster.namespace(namespace);
  for (const [namespace, name] of [
    ['hanzo', 'gateway'],
    ['hanzo', 'other'],
    ['team', 'gateway'],
    ['hanzo', 'reviewer'],
  ] as const)
    await cluster.kubectl('-n', namespace, 'create', 'serviceaccount', name);
  const grant = ['create', 'clusterrolebinding', 'reviewer', '--clusterrole=system:auth-delegator'];
  await cluster.kubectl(...grant, '--serviceaccount=hanzo:reviewer');
  reviewer = await token('hanzo', 'reviewer', 'https://kubernetes.default.svc');
  await cluster.kms.do('PATCH', '/api/v1/admin/config', { body: { machineAuthMethods: ['kubernetes-auth'] } });
  identityId = await identity(reviewer);
});
afterAll(() => cluster.close());

async function token(namespace: string, name: string, audience: string): Promise<string> {
  return (await cluster.kubectl('-n', namespace, 'create', 'token', name, `--audience=${audience}`)).trim();
}

async function identity(tokenReviewerJwt: string): Promise<string> {
  const body = { name: 'pod', organizationId: cluster.kms.organizationId };
  const { id } = (await cluster.kms.do('POST', '/api/v1/identities', { body })).identity;
  await cluster.kms.do('POST', `/api/v1/auth/kubernetes-auth/identities/${id}`, {
    body: {
      kubernetesHost: cluster.plane.url,
      caCert: cluster.plane.ca,
      tokenReviewerJwt,
      allowedNamespaces: 'hanzo',
      allowedNames: 'gateway',
      allowedAudience: 'kms',
    },
  });
  return id;
}

const login = (jwt: string, id = identityId) =>
  cluster.kms.send('POST', '/api/v1/auth/kubernetes-auth/login', { body: { identityId: id, jwt } });

test("a pod's token that the cluster signed is exchanged for one of ours", async () => {
  const { status, body } = await login(await token('hanzo', 'gateway', 'kms'));
  expect([status, body]).toEqual([200, expect.objectContaining({ tokenType: 'Bearer', expiresIn: 7200 })]);
  const use = await cluster.kms.send('GET', `/api/v1/identities/${identityId}`, { token: body.accessToken });
  expect(use.status).toBe(200);
});

test.each([
  ['another account', () => token('hanzo', 'other', 'kms')],
  ['the same account of another namespace', () => token('team', 'gateway', 'kms')],
  ['a token for somebody else to read', () => token('hanzo', 'gateway', 'vault')],
  [
    'a token whose signature was changed',
    async () => {
      const [head, body, signature] = (await token('hanzo', 'gateway', 'kms')).split('.') as [string, string, string];
      return `${head}.${body}.${signature.slice(0, -8)}AAAAAAAA`;
    },
  ],
])('%s is refused', async (_name, given) => {
  expect((await login(await given())).status).toBe(401);
});

test('an account that was deleted is out, though its token has not ended', async () => {
  await cluster.kubectl('-n', 'hanzo', 'create', 'serviceaccount', 'gone');
  const id = await identity(reviewer);
  await cluster.kms.do('PATCH', `/api/v1/auth/kubernetes-auth/identities/${id}`, { body: { allowedNames: 'gone' } });
  const jwt = await token('hanzo', 'gone', 'kms');
  expect((await login(jwt, id)).status).toBe(200);
  await cluster.kubectl('-n', 'hanzo', 'delete', 'serviceaccount', 'gone');
  await expect.poll(async () => (await login(jwt, id)).status, { timeout: 30_000, interval: 500 }).toBe(401);
});

test('a reviewer that may not ask is told as what it is, and lets nobody in', async () => {
  const id = await identity(await token('hanzo', 'other', 'https://kubernetes.default.svc'));
  const { status, body } = await login(await token('hanzo', 'gateway', 'kms'), id);
  expect(status).toBeGreaterThanOrEqual(400);
  expect(status).not.toBe(500);
  expect(body.message).toMatch(/review/i);
});
