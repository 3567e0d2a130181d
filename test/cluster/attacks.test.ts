import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { App, Chart, Yaml } from 'cdk8s';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { KmsAdmission, KmsOperator } from '../../constructs/index.ts';
import { KEPT_BY_ANNOTATION, type KmsSecret, KmsSecrets } from '../../operator/kms-secret.ts';
import { type Secret, Secrets } from '../../operator/kubernetes/resources.ts';
import { TestCluster } from './support/cluster.ts';
import type { OperatorProcess } from './support/operator-process.ts';

/**
 * The operator with its own rights, attacked by somebody who may do everything in the namespace `evil`, by somebody who may write KMSSecrets in `hanzo` and
 * read no Secret, and by the servers that they name. At first without the rule of admission.
 */

let cluster: TestCluster;
let operator: OperatorProcess;
let hostile: Server;
let hostileUrl: string;
/** What the hostile server was sent, path and body. */
const sent: string[] = [];
const chart = new Chart(new App(), 'operator');

beforeAll(async () => {
  cluster = await TestCluster.start();
  for (const namespace of ['hanzo', 'evil', 'shared']) await cluster.namespace(namespace);
  hostile = createServer((request, response) => {
    const path = request.url!;
    let body = '';
    request
      .on('data', (chunk) => (body += chunk))
      .on('end', () => {
        sent.push(`${path} ${body}`);
        if (path.includes('/big')) response.end(`{"accessToken":[${'{},'.repeat(1_000_000)}{}]}`);
        else if (path.includes('/rude')) {
          const message = `\u001b[2Jgone\n  Normal  Synced  all is well ${'!'.repeat(50_000)}`;
          response
            .writeHead(403)
            .end(JSON.stringify({ reqId: 'r', statusCode: 403, error: 'PermissionDenied', message }));
        } else if (!path.includes('/hang')) response.writeHead(500).end();
      });
  });
  await new Promise<void>((resolve) => hostile.listen(0, '127.0.0.1', resolve));
  hostileUrl = `http://127.0.0.1:${(hostile.address() as AddressInfo).port}`;
  new KmsOperator(chart, 'operator', {
    secretNamespaces: ['hanzo', 'evil', 'shared'],
    hosts: [cluster.url, `${hostileUrl}/listed`],
  });
  await cluster.apply(Yaml.stringify(...chart.toJson()));
  const { env } = chart.toJson().find(({ kind }) => kind === 'Deployment').spec.template.spec.containers[0];
  const given = env.flatMap(({ name, value }: { name: string; value?: string }) =>
    value === undefined || name === 'PORT' ? [] : [[name, value]],
  );
  operator = await cluster.operatorAs('kms-operator', 'hanzo', Object.fromEntries(given));
  await cluster.apply(`
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: { name: mallory, namespace: evil }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin }
subjects: [{ kind: User, name: mallory, apiGroup: rbac.authorization.k8s.io }]
`);
});
afterAll(async () => {
  hostile.closeAllConnections();
  hostile.close();
  await cluster.close();
});

const named = (secretName: string, secretNamespace = 'hanzo') => ({ secretName, secretNamespace });
const byHand = (name: string, data: Record<string, string>, namespace = 'hanzo') =>
  cluster.api.create<Secret>(Secrets, namespace, {
    metadata: { name, namespace },
    data: Object.fromEntries(Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString('base64')])),
  });
const reason = async (slug: string, namespace: string) => (await cluster.synced(slug, namespace))?.reason;

test('a KMSSecret that may not write an object keeps nobody from it by having named it first', async () => {
  await cluster.service('squat', 'evil', { A: 'of mallory' });
  await cluster.kmsSecret('squat', 'evil', { managedSecretReference: named('gateway-secrets') });
  await expect.poll(() => reason('squat', 'evil')).toBe('NamespaceNotAllowed');
  await cluster.service('gateway', 'hanzo', { A: 'right' });
  await cluster.kmsSecret('gateway', 'hanzo');
  await expect.poll(() => cluster.data('hanzo', 'gateway-secrets')).toEqual({ A: 'right' });
  // And not in the moment when it is made anew either.
  await cluster.api.delete(Secrets, { namespace: 'hanzo', name: 'gateway-secrets' });
  await expect.poll(() => cluster.data('hanzo', 'gateway-secrets')).toEqual({ A: 'right' });
});

test('client secrets go to no server that is not listed, whoever names it', async () => {
  const authentication = {
    universalAuth: { credentialsRef: named('gateway-kms-auth'), secretsScope: { projectSlug: 'a', envSlug: 'prod' } },
  };
  const hostAPI = `${hostileUrl}/stolen`;
  await cluster.kmsSecret('theft', 'hanzo', { hostAPI, authentication });
  await expect.poll(() => reason('theft', 'hanzo')).toBe('HostNotAllowed');
  const renewal = { enabled: true };
  await cluster.kmsSecret('taken', 'hanzo', {
    hostAPI,
    authentication: { universalAuth: { ...authentication.universalAuth, renewal } },
  });
  await expect.poll(() => reason('taken', 'hanzo')).toBe('HostNotAllowed');
  expect(sent.filter((one) => one.includes('/stolen'))).toEqual([]);
  expect((await cluster.synced('gateway', 'hanzo'))?.status).toBe('True');
});

test('a client secret that is used at two servers is renewed at neither', async () => {
  const before = await cluster.data('hanzo', 'gateway-kms-auth');
  const universalAuth = {
    credentialsRef: named('gateway-kms-auth'),
    secretsScope: { projectSlug: 'gateway', envSlug: 'prod' },
    renewal: { enabled: true },
  };
  await cluster.kmsSecret('aaa', 'hanzo', { hostAPI: `${hostileUrl}/listed/renew`, authentication: { universalAuth } });
  const renewed = async () =>
    (await cluster.api.get(KmsSecrets, { namespace: 'hanzo', name: 'aaa-kms-sync' })).status?.conditions?.find(
      ({ type }) => type === 'CredentialsRenewed',
    );
  await expect.poll(renewed).toMatchObject({ status: 'False', reason: 'CredentialsShared' });
  expect(await cluster.data('hanzo', 'gateway-kms-auth')).toEqual(before);
  expect(sent.filter((one) => one.includes('client-secrets/renew'))).toEqual([]);
  await cluster.api.delete(KmsSecrets, { namespace: 'hanzo', name: 'aaa-kms-sync' });
});

test('a Secret that was there before is not deleted by a KMSSecret that says it owns it', async () => {
  await byHand('of-a-person', { KEY: 'by hand' });
  await cluster.service('owner', 'hanzo', { A: '1' });
  const reference = { ...named('of-a-person'), creationPolicy: 'Owner' };
  const more = [{ ...named('of-its-own'), creationPolicy: 'Owner' }];
  await cluster.kmsSecret('owner', 'hanzo', {
    managedSecretReference: reference,
    managedKubeSecretReferences: more,
  });
  await expect.poll(() => cluster.data('hanzo', 'of-a-person')).toEqual({ KEY: 'by hand', A: '1' });
  await expect.poll(() => cluster.data('hanzo', 'of-its-own')).toEqual({ A: '1' });
  await cluster.api.delete(KmsSecrets, { namespace: 'hanzo', name: 'owner-kms-sync' });
  // Garbage is collected by now: what it made is gone.
  await expect.poll(() => cluster.data('hanzo', 'of-its-own')).toBeUndefined();
  expect(await cluster.data('hanzo', 'of-a-person')).toEqual({ KEY: 'by hand', A: '1' });
});

test.each([
  { what: 'what KMS starts from', name: 'kms-secrets', isThere: true },
  { what: 'what KMS would start from', name: 'kms-postgres-auth', isThere: false },
  { what: "another's credentials", name: 'gateway-kms-auth', isThere: true },
  { what: "the key of the operator's digests", name: 'kms-operator-digests', isThere: true },
])('$what is not written over', async ({ name, isThere }) => {
  if (name === 'kms-secrets') await byHand(name, { AUTH_SECRET: 'root' });
  const before = await cluster.data('hanzo', name);
  expect(before === undefined).toBe(!isThere);
  const slug = `over-${name}`;
  await cluster.service(slug, 'hanzo', { AUTH_SECRET: 'of mallory', clientSecret: 'of mallory' });
  await cluster.kmsSecret(slug, 'hanzo', { managedSecretReference: named(name) });
  await expect.poll(() => reason(slug, 'hanzo')).toMatch(/SecretNotOurs|SecretImmutable/);
  expect(await cluster.data('hanzo', name)).toEqual(before);
});

test('nor the certificate by which pods know the API server', async () => {
  await cluster.service('ca', 'hanzo', { 'ca-crt': 'of mallory' });
  const { metadata, ...rest } = await cluster.kmsSecret('ca', 'hanzo', {
    managedSecretReference: undefined,
    managedKubeConfigMapReferences: [{ configMapName: 'kube-root-ca.crt', configMapNamespace: 'hanzo' }],
  });
  expect([metadata.name, Object.keys(rest)]).toEqual(['ca-kms-sync', expect.arrayContaining(['spec'])]);
  await expect.poll(() => reason('ca', 'hanzo')).toBe('SecretNotOurs');
});

test('a template does not forge what the operator goes by', async () => {
  await cluster.service('forge', 'hanzo', { A: '1' });
  const metadata = { annotations: { [KEPT_BY_ANNOTATION]: 'hanzo/gateway-kms-sync' } };
  await cluster.kmsSecret('forge', 'hanzo', {
    managedSecretReference: { ...named('forged'), template: { metadata } },
  });
  await expect.poll(() => reason('forge', 'hanzo')).toBe('TemplateInvalid');
  expect(await cluster.data('hanzo', 'forged')).toBeUndefined();
});

test('what a server says moves no cursor and fills no status', async () => {
  await cluster.credentials('rude', 'evil', { clientId: 'id', clientSecret: 'planted-for-rude' });
  await cluster.kmsSecret('rude', 'evil', { hostAPI: `${hostileUrl}/listed/rude` });
  await expect.poll(() => reason('rude', 'evil')).toBe('AccessDenied');
  const { message = '' } = (await cluster.synced('rude', 'evil')) ?? {};
  expect(message.length).toBeLessThan(1200);
  const described = await cluster.kubectl('-n', 'evil', 'describe', 'kmssecret', 'rude-kms-sync');
  expect(described).not.toContain('\u001b');
  expect(described).not.toMatch(/^\s*Normal\s+Synced\s+all is well/m);
});

test('thirty servers that never answer, and ten that answer with millions of nothing, hold up nobody else', async () => {
  await cluster.credentials('slow', 'evil', { clientId: 'id', clientSecret: 'planted-for-slow' });
  const universalAuth = {
    credentialsRef: named('slow-kms-auth', 'evil'),
    secretsScope: { projectSlug: 'a', envSlug: 'prod' },
  };
  const made: Promise<KmsSecret>[] = [];
  for (let n = 0; n < 40; n++)
    made.push(
      cluster.kmsSecret(`slow-${n}`, 'evil', {
        hostAPI: `${hostileUrl}/listed/${n < 30 ? 'hang' : 'big'}/${n}`,
        resyncInterval: 5,
        authentication: { universalAuth },
      }),
    );
  await Promise.all(made);
  await expect.poll(() => sent.filter((one) => one.includes('/hang')).length).toBeGreaterThanOrEqual(16);
  await cluster.service('quick', 'shared', { A: '1' });
  await cluster.kmsSecret('quick', 'shared');
  await expect.poll(() => cluster.data('shared', 'quick-secrets'), { timeout: 8000 }).toEqual({ A: '1' });
  await expect.poll(() => reason('slow-35', 'evil')).toBe('KmsUnreachable');
  expect((await operator.get('/healthz')).status).toBe(200);
  await cluster.kubectl('-n', 'evil', 'delete', 'kmssecret', '--all', '--wait=false');
});

test('with the rule of admission no right of the operator is lent across namespaces', async () => {
  new KmsAdmission(chart, 'admission');
  await cluster.apply(Yaml.stringify(...chart.toJson()));
  await cluster.kubectl('label', 'namespace', 'shared', 'secrets.lux.network/allow-kmssecrets-from=all');
  const tries = (change: object) =>
    cluster.apply(
      Yaml.stringify({
        apiVersion: 'secrets.lux.network/v1alpha1',
        kind: 'KMSSecret',
        metadata: { name: 'tries', namespace: 'evil' },
        spec: {
          authentication: {
            universalAuth: {
              credentialsRef: named('slow-kms-auth', 'evil'),
              secretsScope: { projectSlug: 'a', envSlug: 'prod' },
            },
          },
          managedSecretReference: named('own', 'evil'),
          ...change,
        },
      }),
      '--as=mallory',
      '--dry-run=server',
    );
  const theirs = { managedSecretReference: named('quick-secrets', 'shared') };
  // A policy counts a moment after it is there.
  await expect.poll(() => tries(theirs).catch(String)).toContain('you may not update secrets shared/quick-secrets');
  await tries({});
  const configMap = { configMapName: 'quick', configMapNamespace: 'shared' };
  const auth = {
    credentialsRef: named('quick-kms-auth', 'shared'),
    secretsScope: { projectSlug: 'a', envSlug: 'prod' },
  };
  for (const [change, says] of [
    [theirs, 'update secrets shared/quick-secrets'],
    [
      { managedKubeSecretReferences: [named('own-2', 'evil'), named('quick', 'shared')] },
      'update secrets shared/quick',
    ],
    [{ managedKubeConfigMapReferences: [configMap] }, 'update configmaps shared/quick'],
    [{ authentication: { universalAuth: auth } }, 'get secrets shared/quick-kms-auth'],
    [
      { authentication: { universalAuth: { ...auth, renewal: { enabled: true } } } },
      'update secrets shared/quick-kms-auth',
    ],
    [{ tls: { caRef: named('quick-kms-auth', 'shared') } }, 'get secrets shared/quick-kms-auth'],
  ] as const)
    await expect(tries(change)).rejects.toThrow(`you may not ${says}`);
  for (const nothing of [null, [], ''])
    await expect(
      tries({ managedSecretReference: nothing, managedKubeSecretReferences: [named('quick', 'shared')] }),
    ).rejects.toThrow();
});

test('no client secret is in what it said, and its numbers name none', async () => {
  const events = await cluster.kubectl('get', 'events', '--all-namespaces', '-o', 'json');
  const statuses = JSON.stringify((await cluster.api.list(KmsSecrets)).items.map(({ status }) => status));
  const { text } = await operator.get('/metrics');
  const { clientSecret } = (await cluster.data('hanzo', 'gateway-kms-auth'))!;
  for (const planted of ['planted-for-rude', 'planted-for-slow', clientSecret!, 'of mallory'])
    for (const said of [JSON.stringify(operator.lines), events, statuses, text]) expect(said).not.toContain(planted);
  expect(Math.max(...operator.lines.map((line) => JSON.stringify(line).length))).toBeLessThan(2000);
});

test('an operator starts where a tenant has filled a namespace with Secrets of a mebibyte', async () => {
  const big = 'x'.repeat(1_000_000);
  for (let n = 0; n < 100; n += 4)
    await Promise.all([0, 1, 2, 3].map((k) => byHand(`big-${n + k}`, { big }, 'shared')));
  await operator.stop();
  const small = await cluster.operatorProcess('small', {
    NODE_OPTIONS: '--max-old-space-size=144',
    WATCH_NAMESPACES: 'evil,shared',
  });
  await cluster.service('afterwards', 'shared', { A: '2' });
  await cluster.kmsSecret('afterwards', 'shared');
  await expect.poll(() => cluster.data('shared', 'afterwards-secrets'), { timeout: 30_000 }).toEqual({ A: '2' });
  expect((await small.get('/healthz')).status).toBe(200);
});
