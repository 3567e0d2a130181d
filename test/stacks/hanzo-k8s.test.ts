import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { servicesOf } from '../../examples/hanzo/services.ts';
import { runProgram } from './engine.ts';

/** Pulumi.yaml and its program, as Pulumi's own runner starts them. */

const root = new URL('../../', import.meta.url);
const settings = readFileSync(new URL('Pulumi.yaml', root), 'utf8');
const manifest = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'));
const services = servicesOf(new URL('examples/hanzo/kms.yaml', root));

/** Refuses to us and to Pulumi what a clone has and who installs the package has not. Other packages bring what they need. */
const absent = Object.keys(manifest.devDependencies).filter((name) => !(name in manifest.peerDependencies));
const hook = `import { registerHooks } from 'node:module';
  const absent = ${JSON.stringify(absent)};
  registerHooks({ resolve(name, context, next) {
    const from = context.parentURL ?? '';
    const isWatched = !from.includes('/node_modules/') || from.includes('/node_modules/@pulumi/');
    if (isWatched && absent.some((one) => name === one || name.startsWith(one + '/'))) throw new Error('a dev dependency: ' + name);
    return next(name, context);
  } });`;
const { resources, outputs, code, said } = await runProgram(settings, {
  flags: ['--import', `data:text/javascript,${encodeURIComponent(hook)}`],
});
const component = resources.find(({ type }) => type === 'hanzo:kms:KmsCluster');
const objects = resources.filter(({ type }) => type.startsWith('kubernetes:'));
const ofKind = (kind: string) => objects.filter(({ type }) => type.endsWith(`:${kind}`));
const named = (name: string) => objects.find((object) => object.name === name)!;

test('the program runs to its end without our dev dependencies, and says nothing', () => {
  expect({ code, said }).toEqual({ code: 0, said: '' });
  expect(absent).toContain('typescript');
});

test('each object is registered once, below the component', () => {
  expect(new Set(objects.map(({ urn }) => urn)).size).toBe(objects.length);
  expect(new Set(objects.map(({ parent }) => parent))).toEqual(new Set([component?.urn]));
  expect(Object.fromEntries(objects.map(({ type }) => [type, ofKind(type.split(':')[2] ?? '').length]))).toEqual({
    'kubernetes:admissionregistration.k8s.io/v1:ValidatingAdmissionPolicy': 1,
    'kubernetes:admissionregistration.k8s.io/v1:ValidatingAdmissionPolicyBinding': 1,
    'kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition': 1,
    'kubernetes:rbac.authorization.k8s.io/v1:ClusterRole': 1,
    'kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding': 1,
    'kubernetes:rbac.authorization.k8s.io/v1:Role': 4,
    'kubernetes:rbac.authorization.k8s.io/v1:RoleBinding': 4,
    'kubernetes:core/v1:ConfigMap': 1,
    'kubernetes:core/v1:ServiceAccount': 3,
    'kubernetes:core/v1:Service': 3,
    'kubernetes:apps/v1:Deployment': 2,
    'kubernetes:batch/v1:Job': 1,
    'kubernetes:networking.k8s.io/v1:Ingress': 1,
    'kubernetes:networking.k8s.io/v1:NetworkPolicy': 2,
    'kubernetes:policy/v1:PodDisruptionBudget': 1,
    'kubernetes:monitoring.coreos.com/v1:ServiceMonitor': 2,
    'kubernetes:monitoring.coreos.com/v1:PrometheusRule': 1,
    'kubernetes:secrets.lux.network/v1alpha1:KMSSecret': 10,
  });
});

test('each KMSSecret waits for its definition and the rule of admission, and for nothing else', () => {
  const before = [
    ...ofKind('CustomResourceDefinition'),
    ...ofKind('ValidatingAdmissionPolicy'),
    ...ofKind('ValidatingAdmissionPolicyBinding'),
  ].map(({ urn }) => urn);
  for (const { dependencies } of ofKind('KMSSecret')) expect([...dependencies].sort()).toEqual([...before].sort());
});

test('a Deployment waits for its rights and its network policy, and never for a Service or another Deployment', () => {
  const needed = (name: string) =>
    named(name)
      .dependencies.map((urn) => urn.split('::')[3]!)
      .sort();
  expect(needed('deployment-hanzo-kms')).toEqual(['networkpolicy-hanzo-kms', 'serviceaccount-hanzo-kms']);
  expect(needed('deployment-hanzo-kms-operator')).toEqual([
    'clusterrole-kms-operator',
    'clusterrolebinding-kms-operator',
    'customresourcedefinition-kmssecrets.secrets.lux.network',
    'networkpolicy-hanzo-kms-operator',
    ...['role-hanzo-kms-operator', 'role-hanzo-kms-operator-secrets'],
    ...['rolebinding-hanzo-kms-operator', 'rolebinding-hanzo-kms-operator-secrets'],
    'serviceaccount-hanzo-kms-operator',
  ]);
});

test('the Job waits for its rights, its inventory and the KMSSecrets, and not for KMS', () => {
  const kinds = new Set(named('job-hanzo-kms-bootstrap').dependencies.map((urn) => urn.split('::')[2]!.split(':')[2]));
  expect(kinds).toEqual(
    new Set(['ServiceAccount', 'Role', 'RoleBinding', 'ConfigMap', 'KMSSecret', 'CustomResourceDefinition']),
  );
});

test('the definition stays when the stack goes, and all else may', () => {
  expect(objects.filter(({ retained }) => retained).map(({ type }) => type)).toEqual([
    'kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition',
  ]);
  expect(objects.filter(({ protect }) => protect)).toEqual([]);
});

test('a Kubernetes that knows policies as a beta has the same policy', () => {
  const [policy] = ofKind('ValidatingAdmissionPolicy');
  expect(policy?.formerTypes).toContain('kubernetes:admissionregistration.k8s.io/v1beta1:ValidatingAdmissionPolicy');
});

test('the component and the stack give the same outputs', () => {
  const { namespace, ...given } = outputs['hanzo:kms:KmsCluster']!;
  expect(given).toMatchObject({
    url: 'http://kms.hanzo.svc:8080',
    publicUrl: 'https://kms.hanzo.ai',
    namespaces: ['hanzo'],
    secretNames: Object.fromEntries(services.map(({ name }) => [name, `${name}-secrets`])),
  });
  expect(outputs['pulumi:pulumi:Stack']).toEqual({ ...given, kmsNamespace: namespace });
});

test('what holds data is protected, and stays', async () => {
  const config = { postgres: '{"mode":"bundled"}', redis: '{"mode":"bundled"}', namespaces: '["team"]' };
  const { said, resources } = await runProgram(settings, { config });
  expect(said).toBe('');
  const kept = resources.filter(({ retained, protect }) => retained || protect);
  expect(kept.map(({ name, retained, protect }) => ({ name, retained, protect }))).toEqual(
    expect.arrayContaining([
      { name: 'customresourcedefinition-kmssecrets.secrets.lux.network', retained: true, protect: false },
      { name: 'statefulset-hanzo-kms-postgres', retained: true, protect: true },
      { name: 'namespace-team', retained: true, protect: true },
    ]),
  );
  expect(kept).toHaveLength(3);
});

test('a program that fails is told by its exit code', async () => {
  const missing = settings.replace('stacks/hanzo-k8s/index.ts', 'stacks/hanzo-k8s/missing.ts');
  expect(await runProgram(missing)).toMatchObject({ code: 32, said: expect.stringContaining('missing.ts') });
});

test('a configuration that is wrong is told whole, each with the line that mends it', async () => {
  const config = {
    replicas: 'two',
    replica: '2',
    ingress: '{"host":"KMS","hots":1}',
    services: '[{"name":"Gateway"}]',
  };
  const { code, said, resources } = await runProgram(settings, { config });
  expect(code).toBe(32);
  expect(resources.filter(({ type }) => type.startsWith('kubernetes:'))).toEqual([]);
  expect(said).toContain(`5 settings are wrong:
  replica: is no setting; it has`);
  for (const line of [
    'pulumi config rm replica',
    "pulumi config set --path 'replicas' '2'",
    "pulumi config set --path 'ingress.host' 'kms.hanzo.ai'",
    "pulumi config rm --path 'ingress.hots'",
    "pulumi config set --path 'services[0].name' <value>",
  ])
    expect(said).toContain(`    ${line}\n`);
  expect(said).not.toContain('at readConfiguration');
});
