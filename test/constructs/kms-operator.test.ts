import { App, Chart } from 'cdk8s';
import { expect, test } from 'vitest';
import {
  KmsAdmission,
  KmsAvailability,
  KmsIngress,
  KmsMonitoring,
  KmsNetworkPolicies,
  KmsOperator,
  type KmsOperatorProps,
  KmsPostgres,
  KmsSecret,
  KmsService,
} from '../../constructs/index.ts';

const chart = () => new Chart(new App(), 'chart');

function operator(props: KmsOperatorProps = {}) {
  const here = chart();
  const made = new KmsOperator(here, 'operator', props);
  const objects = here.toJson();
  return { made, objects, of: (kind: string) => objects.filter((object) => object.kind === kind) };
}

test('Secrets are open to it in its own namespace alone, until others are named', () => {
  expect(
    operator()
      .of('Role')
      .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`),
  ).toEqual(['hanzo/kms-operator', 'hanzo/kms-operator-secrets']);
  const named = operator({ secretNamespaces: ['hanzo', 'team'], autoReloadNamespaces: ['team'] });
  expect(named.of('Role').map(({ metadata }) => `${metadata.namespace}/${metadata.name}`)).toEqual([
    'hanzo/kms-operator',
    'hanzo/kms-operator-secrets',
    'team/kms-operator-secrets',
    'team/kms-operator-reload',
  ]);
});

test('with KMSSecrets named, the Roles of their namespaces name each object, and other namespaces are as they were', () => {
  const here = chart();
  const gateway = new KmsService(here, 'gateway', {
    spec: {
      tls: { caRef: { secretName: 'ca', secretNamespace: 'hanzo' } },
      managedKubeConfigMapReferences: [{ configMapName: 'shown', configMapNamespace: 'hanzo' }],
    },
  });
  const { of } = operator({ onlySecretsOf: [gateway, KmsSecret.fromName('till', 'shop')], secretNamespaces: ['team'] });
  const roles = Object.fromEntries(
    of('Role').map(({ metadata, rules }) => [`${metadata.namespace}/${metadata.name}`, rules]),
  );
  const look = ['get', 'list', 'watch'];
  const keep = ['create', 'patch', 'delete'];
  const on = (resource: string, verbs: string[], resourceNames?: string[]) =>
    expect.objectContaining({ resources: [resource], verbs, ...(resourceNames && { resourceNames }) });
  expect(roles['hanzo/kms-operator-secrets']).toEqual([
    on('secrets', look, ['ca', 'gateway-kms-auth', 'gateway-secrets']),
    on('secrets', keep, ['gateway-secrets']),
    on('configmaps', look, ['shown']),
    on('configmaps', keep, ['shown']),
    on('events', ['create']),
  ]);
  expect(roles['shop/kms-operator-secrets']).toEqual([
    on('secrets', look, ['till-kms-auth', 'till-secrets']),
    on('secrets', keep, ['till-secrets']),
    on('events', ['create']),
  ]);
  expect(roles['team/kms-operator-secrets'][0].resourceNames).toBe(undefined);
  const env = of('Deployment')[0].spec.template.spec.containers[0].env;
  expect(env).toContainEqual({ name: 'WATCH_NAMESPACES', value: 'team,hanzo,shop' });
  expect(env).toContainEqual({ name: 'SECRETS_BY_NAME', value: 'hanzo,shop' });
});

test.each<{ name: string; props: KmsOperatorProps; says: string }>([
  {
    name: 'a namespace both ways',
    props: { secretNamespaces: ['hanzo'], onlySecretsOf: [KmsSecret.fromName('a')] },
    says: 'onlySecretsOf: hanzo is in secretNamespaces, too',
  },
  {
    name: 'more names than watches',
    props: { onlySecretsOf: Array.from({ length: 51 }, (_, n) => KmsSecret.fromName(`s${n}`)) },
    says: 'onlySecretsOf: names 102 objects',
  },
  {
    name: 'a server that is no address',
    props: { hosts: ['https://kms.hanzo.ai,https://evil.example/ a'] },
    says: 'hosts.0: must be a URL',
  },
  { name: 'no namespace at all', props: { secretNamespaces: [] }, says: 'secretNamespaces: names no namespace' },
])('$name is refused', ({ props, says }) => {
  expect(() => operator(props)).toThrow(says);
});

test('in its own namespace it may make the Secret of its digests alone', () => {
  const own = operator()
    .of('Role')
    .find(({ metadata }) => metadata.name === 'kms-operator');
  const rules = own.rules.filter(({ resources }: { resources: string[] }) => resources.includes('secrets'));
  expect(rules).toEqual([expect.objectContaining({ resourceNames: ['kms-operator-digests'] })]);
});

test('no rule of the whole cluster reaches a Secret, and none has a wildcard', () => {
  const { objects, of } = operator({ autoReloadNamespaces: ['hanzo'] });
  const cluster = of('ClusterRole').flatMap(({ rules }) => rules);
  expect(cluster.flatMap(({ resources }) => resources)).not.toContain('secrets');
  expect(
    cluster.flatMap(({ verbs }) => verbs).filter((verb: string) => !['get', 'list', 'watch', 'patch'].includes(verb)),
  ).toEqual([]);
  expect(JSON.stringify(objects.filter(({ rules }) => rules))).not.toContain('"*"');
});

test('client secrets go to the servers that are named, or to any', () => {
  const variable = (props: KmsOperatorProps) =>
    operator(props)
      .of('Deployment')[0]
      .spec.template.spec.containers[0].env.find(({ name }: { name: string }) => name === 'KMS_HOSTS');
  expect(variable({})).toBeUndefined();
  expect(variable({ hosts: ['https://kms.hanzo.ai', 'http://kms.hanzo.svc:8080'] })).toEqual({
    name: 'KMS_HOSTS',
    value: 'https://kms.hanzo.ai,http://kms.hanzo.svc:8080',
  });
});

test('workloads are restarted only where that was asked for', () => {
  const variable = (props: KmsOperatorProps) =>
    operator(props)
      .of('Deployment')[0]
      .spec.template.spec.containers[0].env.find(({ name }: { name: string }) => name === 'AUTO_RELOAD');
  expect(variable({})).toEqual({ name: 'AUTO_RELOAD', value: 'false' });
  expect(variable({ autoReloadNamespaces: ['hanzo'] })).toEqual({ name: 'AUTO_RELOAD', value: 'true' });
  const patches = operator()
    .of('Role')
    .flatMap(({ rules }) => rules)
    .filter(({ apiGroups }) => apiGroups.includes('apps'));
  expect(patches).toEqual([]);
});

test.each([
  ['1.28', 'v1beta1'],
  ['1.29', 'v1beta1'],
  ['1.30', 'v1'],
  ['1.34', 'v1'],
] as const)('for Kubernetes %s the policy is %s', (kubernetesVersion, version) => {
  const here = chart();
  new KmsAdmission(here, 'admission', { kubernetesVersion });
  expect(new Set(here.toJson().map(({ apiVersion }) => apiVersion))).toEqual(
    new Set([`admissionregistration.k8s.io/${version}`]),
  );
});

test.each([
  [() => new KmsAdmission(chart(), 'a', { kubernetesVersion: '1.27' }), ['kubernetesVersion: is older than 1.28']],
  [
    () => new KmsOperator(chart(), 'o', { replicas: 0, version: 'latest' }),
    ['replicas: ', 'version: "latest" is not a version'],
  ],
  [() => new KmsOperator(chart(), 'o', { secretNamespaces: [] }), ['secretNamespaces: ']],
  [() => new KmsIngress(chart(), 'i', { host: 'https://kms.hanzo.ai' }), ['host: must be a host name']],
  [
    () => new KmsAvailability(chart(), 'a', { autoscaling: { minReplicas: 5, maxReplicas: 3 } }),
    ['autoscaling: minReplicas is above maxReplicas'],
  ],
  [() => new KmsNetworkPolicies(chart(), 'n', { postgresCidr: '10.0.0.1' }), ['postgresCidr: must be a CIDR']],
  [
    () =>
      new KmsPostgres(chart(), 'p', {
        storage: '50',
        backup: { destinationPath: 'hanzo-backups', credentialsSecretName: 's3' },
      }),
    ['storage: must be a size', 'backup.destinationPath: must be a bucket'],
  ],
])('%s: all problems are told at once', (make, problems) => {
  const found = make().node.validate();
  expect(found).toHaveLength(problems.length);
  for (const problem of problems) expect(found.some((line) => line.startsWith(problem))).toBe(true);
});

test.each([
  ['nginx', { 'nginx.ingress.kubernetes.io/server-snippet': 'ssl_protocols TLSv1.3;' }],
  ['contour', { 'projectcontour.io/tls-minimum-protocol-version': '1.3' }],
  ['traefik', { 'traefik.ingress.kubernetes.io/router.tls.options': 'hanzo-kms-tls13@kubernetescrd' }],
] as const)('%s is told to speak TLS 1.3 only, with a certificate of cert-manager', (controller, annotations) => {
  const here = chart();
  new KmsIngress(here, 'ingress', { controller });
  const ingress = here.toJson().find(({ kind }) => kind === 'Ingress');
  expect(ingress.metadata.annotations).toMatchObject({
    'cert-manager.io/cluster-issuer': 'letsencrypt-prod',
    ...annotations,
  });
  expect(ingress.spec).toMatchObject({
    tls: [{ hosts: ['kms.hanzo.ai'], secretName: 'kms-tls' }],
    ingressClassName: controller,
  });
});

test('Traefik finds the option that its annotation names', () => {
  const here = chart();
  new KmsIngress(here, 'ingress', { controller: 'traefik', namespace: 'kms' });
  const option = here.toJson().find(({ kind }) => kind === 'TLSOption');
  expect(option).toMatchObject({
    metadata: { name: 'kms-tls13', namespace: 'kms' },
    spec: { minVersion: 'VersionTLS13' },
  });
});

test('every alert says what is wrong and what to do', () => {
  const here = chart();
  new KmsMonitoring(here, 'monitoring');
  const rule = here.toJson().find(({ kind }) => kind === 'PrometheusRule');
  const alerts = rule.spec.groups[0].rules;
  expect(alerts.length).toBeGreaterThan(5);
  for (const { annotations, labels } of alerts) {
    expect(annotations.summary).toMatch(/\S/);
    expect(annotations.description).toMatch(/\S/);
    expect(['critical', 'warning']).toContain(labels.severity);
  }
});
