import { App, Chart, Yaml } from 'cdk8s';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { KmsAdmission, KmsOperator } from '../../constructs/index.ts';
import { TestCluster } from './support/cluster.ts';
import type { OperatorProcess } from './support/operator-process.ts';

/** The operator with the rights that its construct gives it, tried as its own ServiceAccount. */

let cluster: TestCluster;
let operator: OperatorProcess;

beforeAll(async () => {
  cluster = await TestCluster.start({ nodes: 3 });
  for (const namespace of ['hanzo', 'team', 'closed']) await cluster.namespace(namespace);
  const chart = new Chart(new App(), 'operator');
  new KmsOperator(chart, 'operator', { secretNamespaces: ['hanzo', 'team'], autoReloadNamespaces: ['hanzo'] });
  new KmsAdmission(chart, 'admission');
  expect(await cluster.apply(Yaml.stringify(...chart.toJson()))).not.toContain('Warning');
  operator = await cluster.operatorAs('kms-operator', 'hanzo', { AUTO_RELOAD: 'true', WATCH_NAMESPACES: 'hanzo,team' });
});
afterAll(() => cluster.close());

test('with its own rights and no others it keeps a Secret, writes the status and Events', async () => {
  await cluster.service('gateway', 'hanzo', { A: '1' });
  await cluster.kmsSecret('gateway', 'hanzo');
  await expect.poll(() => cluster.data('hanzo', 'gateway-secrets')).toEqual({ A: '1' });
  await expect.poll(async () => (await cluster.synced('gateway', 'hanzo'))?.reason).toBe('Synced');
  const described = await cluster.kubectl('-n', 'hanzo', 'describe', 'kmssecret', 'gateway-kms-sync');
  expect(described).toMatch(/Normal\s+Synced.*1 keys of gateway production:\//);
  expect(operator.lines.filter(({ level }) => level >= 40)).toEqual([]);
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
  // Within its own namespace the rule has nothing to say.
  await cluster.apply(Yaml.stringify(manifest('team')), '--as=ann', '--server-side=false');
});
