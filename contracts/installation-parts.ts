import { z } from 'zod';
import { ContainerResources, OPERATOR_RESOURCES } from './container.ts';
import { KeyOfSecret } from './installation-stores.ts';
import { HostApi, NamespaceName, ObjectName } from './kms-secret.ts';
import { Email, FolderPath, Slug } from './names.ts';

/** The parts of an installation, each with its settings. Its databases are in installation-stores.ts. */

/** An address of KMS. Several stand in one variable of the operator, with commas. */
export const KmsAddress = HostApi.regex(/^[^,]*$/, 'must have no comma');

/** Ingress controllers that are told "TLS 1.3 only"; each wants it in its own words. */
export const INGRESS_CONTROLLERS = ['nginx', 'traefik', 'haproxy', 'contour'] as const;

const enabled = (otherwise: boolean) => z.boolean().default(otherwise).describe('Whether it is there.');

/** What is there or not, and has no more to be told. */
export const SwitchSettings = z.strictObject({ enabled: enabled(true) });

const seconds = (otherwise: number) => z.int().min(1).max(3600).default(otherwise);

/** A name that DNS resolves, with a dot in it. */
export const HostName = z
  .string()
  .max(253)
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+$/, 'must be a host name');

const Probe = (delay: number, period: number, failures: number) =>
  z
    .strictObject({
      initialDelaySeconds: z.int().min(0).max(3600).default(delay).describe('Seconds before the first look.'),
      periodSeconds: seconds(period).describe('Seconds between two looks.'),
      failureThreshold: z.int().min(1).max(100).default(failures).describe('Failures in a row that count.'),
    })
    .prefault({});

export const ProbesSettings = z.strictObject({
  readiness: Probe(60, 10, 3).describe('When a replica takes requests (HIP-27, "Health Checks").'),
  // HIP-27 asks each 30 seconds; ten failures in a row are five minutes, which a database may be away without a restart.
  liveness: Probe(120, 30, 10).describe('When a replica is started anew (HIP-27, "Health Checks").'),
});

/** What only kms-secrets may hold. */
const SECRET_VARIABLES = [
  'ROOT_ENCRYPTION_KEY',
  'ROOT_ENCRYPTION_KEY_PREVIOUS',
  'AUTH_SECRET',
  'AUTH_SECRET_PREVIOUS',
  'DB_CONNECTION_URI',
  'REDIS_URL',
];
/** What the Service, the probes and the mounts rely on. */
const OWN_VARIABLES = ['HOST', 'PORT', 'TLS_CERT_FILE', 'TLS_KEY_FILE', 'DB_CA_FILE', 'REDIS_CA_FILE'];

/** What a manifest may not hold. */
export const REFUSED_VARIABLES: readonly string[] = [...SECRET_VARIABLES, ...OWN_VARIABLES];

function problemOfVariable(name: string): string | undefined {
  if (SECRET_VARIABLES.includes(name)) return 'belongs into kms-secrets, not into a manifest';
  if (OWN_VARIABLES.includes(name)) return 'is set by Kms: the Service, the probes and the mounts rely on it';
  return /^[A-Z_][A-Z0-9_]*$/.test(name) ? undefined : 'must be the name of a variable';
}

/** Variables of the server that a manifest may hold: never a secret, and none that Kms itself sets. */
export const ServerVariables = z.record(z.string(), z.string()).superRefine((variables, context) => {
  for (const name of Object.keys(variables)) {
    const message = problemOfVariable(name);
    if (message) context.addIssue({ code: 'custom', path: [name], message });
  }
});

export const TlsSettings = z.strictObject({
  enabled: z.boolean().default(false).describe('Whether KMS itself speaks TLS, 1.3 only, inside of the cluster, too.'),
  secretName: ObjectName.default('kms-server-tls').describe(
    'Secret with its certificate: `tls.crt`, `tls.key`, and in `ca.crt` the authority that clients trust.',
  ),
  issuer: z
    .strictObject({
      name: ObjectName.describe('Name of the issuer.'),
      kind: z.enum(['Issuer', 'ClusterIssuer']).default('ClusterIssuer').describe('Its kind.'),
    })
    .optional()
    .describe("cert-manager's issuer that makes that Secret. Default: it is there."),
});

export const IngressSettings = z.strictObject({
  enabled: enabled(true),
  host: HostName.default('kms.hanzo.ai').describe('Name that KMS is reached by.'),
  controller: z
    .enum(INGRESS_CONTROLLERS)
    .default('nginx')
    .describe('The controller that serves it; each is told "TLS 1.3 only" in its own words.'),
  className: ObjectName.optional().describe("Class of the Ingress. Default: the controller's name."),
  clusterIssuer: ObjectName.default('letsencrypt-prod').describe("cert-manager's ClusterIssuer of its certificate."),
  tlsSecretName: ObjectName.default('kms-tls').describe('Secret that cert-manager writes that certificate to.'),
});

export const OperatorSettings = z.strictObject({
  enabled: enabled(true),
  replicas: z.int().min(1).max(10).default(2).describe('Number of replicas, of which one leads.'),
  resources: ContainerResources(OPERATOR_RESOURCES).prefault({}).describe('Requests and limits of a replica.'),
  secretNamespaces: z
    .array(NamespaceName)
    .min(1)
    .optional()
    .describe(
      'Namespaces whose Secrets it may read and write. Default: that of KMS, and those of the services. No other is open to it.',
    ),
  hosts: z
    .array(KmsAddress)
    .default([])
    .describe(
      'Further addresses of KMS that client secrets are sent to, besides `hostApi` and the Service; a KMSSecret that names another is not kept.',
    ),
  onlyNamed: z
    .boolean()
    .default(false)
    .describe('Whether it may touch nothing but what the KMSSecrets of `services` name, in place of whole namespaces.'),
  autoReloadNamespaces: z
    .array(NamespaceName)
    .default([])
    .describe('Namespaces in which it may restart workloads that ask for it.'),
});

export const NetworkPoliciesSettings = z.strictObject({
  enabled: enabled(true),
  ingressNamespace: NamespaceName.default('ingress-nginx').describe('Namespace of the ingress controller.'),
  clientNamespaces: z
    .array(NamespaceName)
    .default([])
    .describe('Further namespaces whose pods may reach the API; that of KMS may.'),
  monitoringNamespace: NamespaceName.default('monitoring').describe('Namespace of Prometheus.'),
});

const Replicas = z.int().min(2).max(100);

export const AvailabilitySettings = z.strictObject({
  enabled: enabled(true),
  minAvailable: z.int().min(1).max(99).default(1).describe('Replicas that an eviction leaves running.'),
  autoscaling: z
    .strictObject({
      minReplicas: Replicas.describe('Fewest replicas.'),
      maxReplicas: Replicas.describe('Most replicas.'),
      cpuPercent: z.int().min(10).max(95).default(70).describe('Share of the requested cpu that is aimed at.'),
    })
    .refine(({ minReplicas, maxReplicas }) => minReplicas <= maxReplicas, 'minReplicas is above maxReplicas')
    .optional()
    .describe('Replicas by load, in place of `replicas`.'),
});

export const MonitoringSettings = z.strictObject({
  enabled: enabled(false).describe('Whether it is there; needs the definitions of the Prometheus operator.'),
  labels: z
    .record(z.string(), z.string())
    .default({ release: 'prometheus' })
    .describe('Labels by which Prometheus finds what it is to look at.'),
});

/** A service that gets a KMSSecret. */
export const ServiceSettings = z.strictObject({
  name: z
    .string()
    .max(54)
    .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, 'must be a name of lower-case letters, digits and hyphens')
    .describe('Name of the service; the names of its Secrets follow from it.'),
  project: Slug.optional().describe("Slug of its project in KMS. Default: the service's name."),
  namespace: NamespaceName.optional().describe('Namespace of its Secrets. Default: that of KMS.'),
  environment: Slug.default('production').describe('Environment in KMS.'),
  path: FolderPath.prefault('/').describe('Folder in it.'),
  renewal: z.boolean().default(false).describe('Whether the operator renews its client secret.'),
  identity: z
    .string()
    .regex(/^[^=/]+$/, 'must be the name of an identity without "=" and "/"')
    .optional()
    .describe('Its machine identity in the inventory. Default: `<name>-service`.'),
  organization: Slug.optional().describe('Organization of that identity, where several have one of this name.'),
});

export const BootstrapSettings = z.strictObject({
  enabled: enabled(false).describe(
    'Whether a Job makes what the inventory declares, and the credentials of the services.',
  ),
  inventory: z.string().max(900_000, 'is too large for a ConfigMap').optional().describe('Text of a `kms.yaml`.'),
  organizations: z.array(Slug).default([]).describe('Organizations that are to exist besides those of the inventory.'),
  adminEmails: z.array(Email).prefault([]).describe('People who are admins of each of `organizations`.'),
  waitForSync: z.boolean().default(true).describe('Whether it ends only when the Secrets of all services are in sync.'),
  makeSecrets: z
    .strictObject({
      enabled: z
        .boolean()
        .default(false)
        .describe('Whether it makes kms-secrets when it is missing. Default: `kms-bootstrap init` made it before.'),
      database: KeyOfSecret.optional().describe('Where DB_CONNECTION_URI of an external Postgres is found then.'),
      redis: KeyOfSecret.optional().describe('Where REDIS_URL of an external Redis is found then. Default: no Redis.'),
    })
    .prefault({})
    .describe('How kms-secrets is made by it.'),
  token: KeyOfSecret.optional().describe('Where it puts a token that ends after two hours. Default: none is made.'),
  rerun: z.string().max(253).optional().describe('Any text: a new one runs it again.'),
  resources: ContainerResources({
    requests: { memory: '128Mi', cpu: '50m' },
    limits: { memory: '256Mi', cpu: '500m' },
  })
    .prefault({})
    .describe('Requests and limits of its pod.'),
});
