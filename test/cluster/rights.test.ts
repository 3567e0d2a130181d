import { App, Chart, Yaml } from 'cdk8s';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { KmsAdmission, KmsOperator, KmsSecret } from '../../constructs/index.ts';
import { TestCluster } from './support/cluster.ts';
import type { OperatorProcess } from './support/operator-process.ts';
import { renewableService, renewing } from './support/renewable.ts';

/** The operator with the rights that its construct gives it, tried as its own ServiceAccount. */

let cluster: TestCluster;
let operator: OperatorProcess;

beforeAll(async () => {
  cluster = await TestCluster.start({ nodes: 3 });
  for (const namespace of ['hanzo', 'team', 'closed', 'narrow']) await cluster.namespace(namespace);
  const chart = new Chart(new App(), 'operator');
  new KmsOperator(chart, 'operator', {
    secretNamespaces: ['hanzo', 'team'],
    onlySecretsOf: [KmsSecret.fromName('till', 'narrow'), KmsSecret.fromName('vault', 'narrow', { renewal: true })],
    autoReloadNamespaces: ['hanzo'],
  });
  new KmsAdmission(chart, 'admission');
  expect(await cluster.apply(Yaml.stringify(...chart.toJson()))).not.toContain('Warning');
  const { env } = chart.toJson().find(({ kind }) => kind === 'Deployment').spec.template.spec.containers[0];
  const given = env.flatMap(({ name, value }: { name: string; value?: string }) =>
    value === undefined || name === 'PORT' ? [] : [[name, value]],
  );
  operator = await cluster.operatorAs('kms-operator', 'hanzo', Object.fromEntries(given));
});
afterAll(() => cluster.close());

test('with its own rights and no others it keeps a Secret, writes the status and Events', async () => {
  await cluster.service('gateway', 'hanzo', { A: '1' });
  await cluster.kmsSecret('gateway', 'hanzo');
  await expect.poll(() => cluster.data('hanzo', 'gateway-secrets')).toEqual({ A: '1' });
  await expect.poll(async () => (await cluster.synced('gateway', 'hanzo'))?.reason).toBe('Synced');
  const described = await cluster.kubectl('-n', 'hanzo', 'describe', 'kmssecret', 'gateway-kms-sync');
  expect(described).toMatch(/Normal\s+Synced.*1 key of gateway production:\//);
  expect(operator.lines.filter(({ level }) => level >= 40)).toEqual([]);
});

const AS_OPERATOR = '--as=system:serviceaccount:hanzo:kms-operator';

test('where each Secret is named it keeps one, mends it, and makes it anew, and sees no other', async () => {
  await cluster.service('till', 'narrow', { A: '1' });
  await cluster.kubectl('-n', 'narrow', 'create', 'secret', 'generic', 'other', '--from-literal=B=2');
  await cluster.kmsSecret('till', 'narrow');
  const kept = () => cluster.data('narrow', 'till-secrets');
  await expect.poll(kept).toEqual({ A: '1' });
  // Both long before the next look at KMS: it hears of them by the watch of that one name.
  await cluster.kubectl('-n', 'narrow', 'patch', 'secret', 'till-secrets', '-p', '{"stringData":{"A":"by hand"}}');
  await expect.poll(kept, { timeout: 5000 }).toEqual({ A: '1' });
  await cluster.kubectl('-n', 'narrow', 'delete', 'secret', 'till-secrets');
  await expect.poll(kept, { timeout: 5000 }).toEqual({ A: '1' });
  expect(operator.lines.filter(({ level }) => level >= 40)).toEqual([]);
});

test.each([
  ['read', ['get', 'secret', 'other']],
  ['list', ['get', 'secrets']],
  ['list by a label', ['get', 'secrets', '-l', 'a=b']],
  ['list by another name', ['get', 'secrets', '--field-selector=metadata.name=other']],
  ['change', ['patch', 'secret', 'other', '-p', '{}']],
  ['delete', ['delete', 'secret', 'other']],
  ['make another Secret', ['create', 'secret', 'generic', 'third', '--from-literal=C=3']],
  ['make one of its name in another way', ['create', 'secret', 'generic', 'till-secrets', '--from-literal=C=3']],
  ['change its credentials', ['patch', 'secret', 'till-kms-auth', '-p', '{}']],
  ['read a ConfigMap', ['get', 'configmap', 'kube-root-ca.crt']],
])('where each Secret is named it may not %s', async (_what, args) => {
  await expect(cluster.kubectl('-n', 'narrow', ...args, AS_OPERATOR)).rejects.toThrow(/forbidden: User/);
});

test('where each Secret is named it renews the credentials of those that ask for it', async () => {
  const { clientSecret } = await renewableService(cluster, 'vault', 'narrow', { ttl: 3600, tokenTtl: 600 });
  await cluster.kmsSecret('vault', 'narrow', { authentication: renewing('vault', 'narrow') });
  const now = async () => (await cluster.data('narrow', 'vault-kms-auth')) ?? {};
  await expect.poll(async () => (await now()).clientSecret).not.toBe(clientSecret);
  await expect.poll(async () => Object.keys(await now()).toSorted()).toEqual(['clientId', 'clientSecret']);
  await expect.poll(() => cluster.data('narrow', 'vault-secrets')).toEqual({ KEY: 'vault' });
});

test('a KMSSecret that the Role does not know of says what is missing', async () => {
  await cluster.service('late', 'narrow', { A: '1' });
  await cluster.kmsSecret('late', 'narrow');
  await expect
    .poll(() => cluster.synced('late', 'narrow'))
    .toMatchObject({
      reason: 'KubernetesRefused',
      message: expect.stringContaining(
        'may not read the Secret narrow/late-kms-auth: add this KMSSecret to onlySecretsOf',
      ),
    });
});

test.each([
  ['get', 'secrets', 'closed'],
  ['list', 'secrets', 'closed'],
  ['list', 'secrets', undefined],
  ['update', 'kmssecrets.secrets.lux.network', 'hanzo'],
  ['delete', 'kmssecrets.secrets.lux.network', 'hanzo'],
  ['patch', 'deployments.apps', 'team'],
  ['create', 'pods', 'hanzo'],
  ['create', 'pods/exec', 'hanzo'],
  ['create', 'serviceaccounts/token', 'hanzo'],
  ['patch', 'roles.rbac.authorization.k8s.io', 'hanzo'],
  ['patch', 'namespaces', undefined],
  ['get', 'nodes', undefined],
])('it may not %s %s in %s', async (verb, resource, namespace) => {
  const where = namespace === undefined ? ['--all-namespaces'] : ['-n', namespace];
  const as = '--as=system:serviceaccount:hanzo:kms-operator';
  await expect(cluster.kubectl('auth', 'can-i', verb, resource, ...where, as)).rejects.toMatchObject({
    stdout: 'no\n',
  });
});

test('a KMSSecret that names a namespace without a Role says what is missing', async () => {
  await cluster.kubectl('label', 'namespace', 'closed', 'secrets.lux.network/allow-kmssecrets-from=hanzo');
  await cluster.service('outward', 'hanzo', { A: '1' });
  await cluster.kmsSecret('outward', 'hanzo', {
    managedSecretReference: { secretName: 'outward-secrets', secretNamespace: 'closed' },
  });
  await expect
    .poll(() => cluster.synced('outward', 'hanzo'))
    .toMatchObject({
      reason: 'KubernetesRefused',
      message: expect.stringContaining('may not read Secrets of the namespace closed: add it to secretNamespaces'),
    });
});

test('who may not touch the Secrets of a namespace does not have the operator do it', async () => {
  await cluster.kubectl(
    'create',
    'clusterrole',
    'kmssecret-author',
    '--verb=create,get,update',
    '--resource=kmssecrets.secrets.lux.network',
  );
  await cluster.kubectl('-n', 'team', 'create', 'rolebinding', 'ann', '--clusterrole=kmssecret-author', '--user=ann');
  const manifest = (secretNamespace: string) => ({
    apiVersion: 'secrets.lux.network/v1alpha1',
    kind: 'KMSSecret',
    metadata: { name: `to-${secretNamespace}`, namespace: 'team' },
    spec: {
      authentication: {
        universalAuth: {
          credentialsRef: { secretName: 'a-kms-auth', secretNamespace: 'team' },
          secretsScope: { projectSlug: 'a', envSlug: 'production' },
        },
      },
      managedSecretReference: { secretName: 'stolen', secretNamespace },
    },
  });
  await expect(cluster.apply(Yaml.stringify(manifest('hanzo')), '--as=ann', '--server-side=false')).rejects.toThrow(
    'you may not update secrets hanzo/stolen, which this KMSSecret would have the operator do for you',
  );
  // Reading credentials is one thing, having them written another.
  await cluster.kubectl('-n', 'hanzo', 'create', 'role', 'reader', '--verb=get', '--resource=secrets');
  await cluster.kubectl('-n', 'hanzo', 'create', 'rolebinding', 'ann-reads', '--role=reader', '--user=ann');
  const renews = (enabled: boolean) => {
    const { spec, ...rest } = manifest('team');
    const { universalAuth } = spec.authentication;
    const credentialsRef = { secretName: 'a-kms-auth', secretNamespace: 'hanzo' };
    const authentication = { universalAuth: { ...universalAuth, credentialsRef, renewal: { enabled } } };
    return Yaml.stringify({
      ...rest,
      metadata: { name: 'renews', namespace: 'team' },
      spec: { ...spec, authentication },
    });
  };
  await expect(cluster.apply(renews(true), '--as=ann', '--server-side=false')).rejects.toThrow(
    'you may not update secrets hanzo/a-kms-auth',
  );
  await cluster.apply(renews(false), '--as=ann', '--server-side=false');
  // Within its own namespace the rule has nothing to say.
  await cluster.apply(Yaml.stringify(manifest('team')), '--as=ann', '--server-side=false');
});
