import type { InstallationProps } from '../../contracts/index.ts';
import { NAMESPACE, type Variation } from './source.ts';
import type { Marks } from './template.ts';

/** The installations that the templates are made of: one with everything on, and what becomes of it when one setting is another. */

const DIGEST = `sha256:${'0'.repeat(64)}`;
const INVENTORY = [
  'version: 1',
  'organizations: [{ slug: zz-slug, admins: [a@zz.example], identities: [{ name: zz-service-service }] }]',
].join('\n');

const AMOUNTS = { requests: { memory: '61', cpu: '61' }, limits: { memory: '99Mi', cpu: '99' } };
const PROBE = { initialDelaySeconds: 61, periodSeconds: 61, failureThreshold: 61 };

/** Everything on. Texts with `zz` in them are marks. */
export const EVERYTHING = {
  namespace: NAMESPACE,
  namespaces: ['zz-made'],
  kubernetesVersion: '1.30',
  image: { version: 'zz-version', digest: DIGEST },
  replicas: 61,
  resources: AMOUNTS,
  probes: { readiness: PROBE, liveness: PROBE },
  secretName: 'zz-secrets',
  hostApi: 'https://zz-api.example',
  tls: { enabled: true, secretName: 'zz-server-tls', issuer: { name: 'zz-issuer', kind: 'Issuer' } },
  ingress: {
    enabled: true,
    host: 'zz-host.example',
    controller: 'nginx',
    className: 'zz-class',
    clusterIssuer: 'zz-cluster-issuer',
    tlsSecretName: 'zz-tls',
  },
  postgres: { mode: 'external', cidr: '192.0.2.1/32', tls: { enabled: true, caSecretName: 'zz-postgres-ca' } },
  redis: { mode: 'external', cidr: '192.0.2.2/32', tls: { enabled: true, caSecretName: 'zz-redis-ca' } },
  operator: {
    enabled: true,
    replicas: 2,
    resources: AMOUNTS,
    secretNamespaces: ['zz-where'],
    autoReloadNamespaces: ['zz-where'],
  },
  networkPolicies: {
    enabled: true,
    ingressNamespace: 'zz-ingress',
    clientNamespaces: [],
    monitoringNamespace: 'zz-monitoring',
  },
  availability: { enabled: true, minAvailable: 1, autoscaling: { minReplicas: 60, maxReplicas: 61, cpuPercent: 61 } },
  monitoring: { enabled: true, labels: {} },
  services: [
    {
      name: 'zz-service',
      project: 'zz-project',
      namespace: 'zz-where',
      environment: 'zz-environment',
      path: '/zz-path',
      renewal: true,
    },
  ],
  bootstrap: {
    enabled: true,
    inventory: INVENTORY,
    makeSecrets: { enabled: true, database: { secretName: 'zz-database', key: 'zz' } },
    token: { secretName: 'zz-token', key: 'token' },
    rerun: 'zz-rerun',
    resources: AMOUNTS,
  },
} satisfies InstallationProps as InstallationProps;

/** What the marks stand for. Those that are a part of others come after them. */
export const MARKS: Marks = {
  [`ghcr.io/hanzoai/kms:zz-version@${DIGEST}`]: 'include "kms.image" $',
  'https://zz-api.example': 'include "kms.hostApi" $',
  'zz-server-tls': '$.Values.tls.secretName',
  'zz-cluster-issuer': '$.Values.ingress.clusterIssuer',
  'zz-issuer': '$.Values.tls.issuer.name',
  'zz-host.example': '$.Values.ingress.host',
  'zz-class': '$.Values.ingress.className | default $.Values.ingress.controller',
  'zz-tls': '$.Values.ingress.tlsSecretName',
  'zz-ingress': '$.Values.networkPolicies.ingressNamespace',
  'zz-monitoring': '$.Values.networkPolicies.monitoringNamespace',
  '192.0.2.1/32': '$.Values.postgres.cidr',
  '192.0.2.2/32': '$.Values.redis.cidr',
  'zz-secrets': '$.Values.existingSecret',
  'zz-made': '$namespace',
  'zz-where': '$where',
  'zz-service': '$service.name',
  'zz-project': '$service.project | default $service.name',
  'zz-environment': '$service.environment | default "production"',
  '/zz-path': '$service.path | default "/"',
  'zz-rerun': 'include "kms.bootstrap.rerun" $',
  [NAMESPACE]: '$.Release.Namespace',
};

/** From then on policies of admission are stable, and a kubelet waits by itself. */
export const IS_1_30 = 'ge (include "kms.minor" $ | int) 30';

/** Conditions that more than one setting decides, in `_helpers.tpl`. */
const POSTGRES_CA = 'include "kms.postgres.hasAuthority" $';
const REDIS_CA = 'include "kms.redis.hasAuthority" $';

/** One setting off, with the condition under which it is on. */
const conditions: readonly Variation[] = [
  when(false, '$.Values.tls.enabled', 'tls', 'enabled'),
  when(undefined, '$.Values.tls.issuer', 'tls', 'issuer'),
  when(false, '$.Values.ingress.enabled', 'ingress', 'enabled'),
  when(undefined, POSTGRES_CA, 'postgres', 'tls'),
  when(undefined, '$.Values.postgres.cidr', 'postgres', 'cidr'),
  when(undefined, REDIS_CA, 'redis', 'tls'),
  when(undefined, '$.Values.redis.cidr', 'redis', 'cidr'),
  when(false, '$.Values.operator.enabled', 'operator', 'enabled'),
  when([], '$.Values.operator.autoReloadNamespaces', 'operator', 'autoReloadNamespaces'),
  when(false, '$.Values.crd.enabled', 'crd', 'enabled'),
  when(false, '$.Values.admission.enabled', 'admission', 'enabled'),
  when('1.28', IS_1_30, 'kubernetesVersion'),
  when(false, '$.Values.networkPolicies.enabled', 'networkPolicies', 'enabled'),
  when(false, 'include "kms.availability.isThere" $', 'availability', 'enabled'),
  when(undefined, '$.Values.availability.autoscaling', 'availability', 'autoscaling'),
  when(false, '$.Values.monitoring.enabled', 'monitoring', 'enabled'),
  when(false, '$.Values.kms.autoBootstrap.enabled', 'bootstrap', 'enabled'),
  when(undefined, '$.Values.kms.autoBootstrap.additionalOrganizationsTokenSecretKey', 'bootstrap', 'token'),
];

const probe = (name: string) =>
  ['initialDelaySeconds', 'periodSeconds', 'failureThreshold'].map((field) => number(62, 'probes', name, field));

const amounts = (values: string, ...path: string[]) =>
  ['requests', 'limits'].flatMap((kind) =>
    ['memory', 'cpu'].map((what) => ({
      settings: changed(kind === 'requests' ? '1' : '999Mi'.slice(0, what === 'cpu' ? 3 : 5), ...path, kind, what),
      finding: { value: `${values}.${kind}.${what} | quote` },
    })),
  );

/** One setting that is another one, with the expression that gives it. */
const values: readonly Variation[] = [
  number(62, 'replicas'),
  ...probe('readiness'),
  ...probe('liveness'),
  {
    settings: changed('ClusterIssuer', 'tls', 'issuer', 'kind'),
    finding: { value: '$.Values.tls.issuer.kind | default "ClusterIssuer"' },
  },
  number(3, 'operator', 'replicas'),
  number(2, 'availability', 'minAvailable'),
  number(59, 'availability', 'autoscaling', 'minReplicas'),
  number(62, 'availability', 'autoscaling', 'maxReplicas'),
  number(62, 'availability', 'autoscaling', 'cpuPercent'),
  ...amounts('$.Values.resources', 'resources'),
  ...amounts('$.Values.operator.resources', 'operator', 'resources'),
  ...amounts('$.Values.kms.autoBootstrap.resources', 'bootstrap', 'resources'),
];

export const VARIATIONS: readonly Variation[] = [...conditions, ...values];

function when(other: unknown, condition: string, ...path: string[]): Variation {
  return { settings: changed(other, ...path), finding: { when: condition } };
}

function number(other: number, ...path: string[]): Variation {
  return { settings: changed(other, ...path), finding: { value: `$.Values.${path.join('.')} | int` } };
}

/** Everything, with one setting changed. */
function changed(other: unknown, ...path: string[]): InstallationProps {
  // Not structuredClone: what is there twice would be one and the same in the copy, too.
  const settings = JSON.parse(JSON.stringify(EVERYTHING)) as InstallationProps;
  const parent = path.slice(0, -1).reduce<unknown>((node, step) => {
    const map = node as Record<string, unknown>;
    map[step] ??= {};
    return map[step];
  }, settings);
  (parent as Record<string, unknown>)[path.at(-1)!] = other;
  return settings;
}
