import { z } from 'zod';
import {
  ContainerResources,
  DEFAULT_KUBERNETES_VERSION,
  HIP_RESOURCES,
  KmsImageSettings,
  KubernetesMinor,
} from './container.ts';
import {
  AvailabilitySettings,
  BootstrapSettings,
  IngressSettings,
  KmsAddress,
  MonitoringSettings,
  NetworkPoliciesSettings,
  OperatorSettings,
  ProbesSettings,
  ServerVariables,
  ServiceSettings,
  SwitchSettings,
  TlsSettings,
} from './installation-parts.ts';
import { PostgresSettings, RedisSettings } from './installation-stores.ts';
import { NamespaceName, ObjectName } from './kms-secret.ts';

/**
 * How KMS is installed in a cluster: the one schema that types and checks the construct, documents the stack's configuration and
 * becomes the chart's values. Defaults are those of hanzo-k8s; what needs the definitions of others in the cluster is off.
 */

const Shape = z.strictObject({
  namespace: NamespaceName.default('hanzo').describe(
    'Namespace of KMS and its operator. It must exist: kms-secrets is in it before all else, and nothing here deletes it.',
  ),
  namespaces: z
    .array(NamespaceName)
    .default([])
    .describe('Namespaces of services that are to be made; never that of KMS.'),
  kubernetesVersion: KubernetesMinor.default(DEFAULT_KUBERNETES_VERSION).describe(
    'Oldest Kubernetes that is to take the objects, 1.28 or newer.',
  ),
  image: KmsImageSettings.prefault({}).describe('Image of KMS and of its operator.'),
  replicas: z.int().min(1).max(100).default(2).describe('Replicas of KMS; HIP-27 wants two.'),
  resources: ContainerResources(HIP_RESOURCES).prefault({}).describe("Requests and limits of a replica; HIP-27's."),
  probes: ProbesSettings.prefault({}).describe('When a replica counts as ready and as alive.'),
  secretName: ObjectName.default('kms-secrets').describe(
    'Secret with ROOT_ENCRYPTION_KEY, AUTH_SECRET, DB_CONNECTION_URI and REDIS_URL; `kms-bootstrap init` makes it.',
  ),
  environment: ServerVariables.default({}).describe('More configuration of the server, by variable; never a secret.'),
  hostApi: KmsAddress.optional().describe(
    'Where the operator finds KMS. Default: the host of the Ingress, or the Service where there is none.',
  ),
  tls: TlsSettings.prefault({}).describe('TLS in the server itself.'),
  ingress: IngressSettings.prefault({}).describe('KMS on the outside, TLS 1.3 only.'),
  postgres: PostgresSettings.prefault({}).describe('Where the data is.'),
  redis: RedisSettings.prefault({}).describe('Where the replicas share the counts of their limits.'),
  operator: OperatorSettings.prefault({}).describe('What keeps Secrets equal to folders of KMS.'),
  crd: SwitchSettings.prefault({}).describe('The definition of KMSSecret.'),
  admission: SwitchSettings.prefault({}).describe('The rule that a KMSSecret lends nobody the rights of the operator.'),
  networkPolicies: NetworkPoliciesSettings.prefault({}).describe('Who reaches KMS, and whom it reaches.'),
  availability: AvailabilitySettings.prefault({}).describe('What keeps KMS running while nodes are drained.'),
  monitoring: MonitoringSettings.prefault({}).describe('What Prometheus looks at, and the alerts.'),
  services: z.array(ServiceSettings).default([]).describe('The services that get a KMSSecret.'),
  bootstrap: BootstrapSettings.prefault({}).describe('The first run, and every later one, in the cluster.'),
});

/** How KMS is installed in a cluster; everything has a default. */
export const Installation = Shape.superRefine((settings, context) => {
  const refuse = (path: (string | number)[], message: string) => context.addIssue({ code: 'custom', path, message });
  const { namespace, namespaces, services, operator, availability, replicas, bootstrap, postgres } = settings;
  const own = [
    settings.secretName,
    settings.tls.secretName,
    settings.ingress.tlsSecretName,
    bootstrap.token?.secretName,
  ];
  for (const [index, { name, namespace: where = namespace }] of services.entries())
    for (const secret of [`${name}-secrets`, `${name}-kms-auth`])
      if (where === namespace && own.includes(secret))
        refuse(['services', index, 'name'], `the Secret ${secret} is of KMS itself`);
  if (namespaces.includes(namespace))
    refuse(['namespaces'], `${namespace} holds the root key: it is made before, and is not to go with the rest`);
  const places = services.map((service) => `${service.namespace ?? namespace}/${service.name}`);
  for (const [index, place] of places.entries())
    if (places.indexOf(place) !== index) refuse(['services', index, 'name'], `${place} is there twice`);
  if (services.length > 0 && operator.onlyNamed && operator.secretNamespaces)
    refuse(['operator', 'secretNamespaces'], 'opens whole namespaces, and onlyNamed is set: choose one');
  if (operator.onlyNamed && services.length === 0)
    refuse(['operator', 'onlyNamed'], 'names nothing: there are no services');
  const fewest = availability.autoscaling?.minReplicas ?? replicas;
  if (availability.enabled && availability.minAvailable >= fewest && fewest > 1)
    refuse(['availability', 'minAvailable'], `allows no eviction: there are ${fewest} replicas`);
  const { makeSecrets } = bootstrap;
  if (bootstrap.enabled && makeSecrets.enabled && postgres.mode === 'external' && !makeSecrets.database)
    refuse(['bootstrap', 'makeSecrets', 'database'], 'name the Secret that holds the DB_CONNECTION_URI');
});

/** What may be said of an installation: everything may be left out. */
export type InstallationProps = Unchanging<z.input<typeof Installation>>;

type Unchanging<Value> = Value extends object ? { readonly [Key in keyof Value]: Unchanging<Value[Key]> } : Value;

/** An installation with every default filled in. */
export type InstallationSettings = z.output<typeof Installation>;
