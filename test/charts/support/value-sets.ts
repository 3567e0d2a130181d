import type { ChartValuesInput } from '../../../tools/chart/values-schema.ts';

/** HIP-27, "Helm Chart: kms-standalone", as it stands. */
export const HIP_27: ChartValuesInput = {
  kms: {
    autoBootstrap: {
      enabled: true,
      additionalOrganizations: ['hanzo', 'lux', 'zoo', 'pars'],
      additionalOrganizationAdminEmails: ['z@hanzo.ai'],
      additionalOrganizationsTokenSecretKey: 'token',
    },
  },
};

const INVENTORY = `version: 1
organizations:
  - slug: hanzo
    admins: [z@hanzo.ai]
    identities: [{ name: gateway-service }, { name: chat-service }, { name: 123-service }]
  - slug: lux
    name: "Lux <&> “Ø”"
    identities: [{ name: chat-service }]
`;

const BACKUP = { destinationPath: 's3://backups/kms', credentialsSecretName: 'backup' };

/** Ends a scalar, an object, a template, or is another type, wherever it is not quoted. */
const NASTY = '"\'\n---\nkind: Secret\n{{ .Values | toYaml }} <&> # \\ \t ø🔑\u007f\u2028: - yes';

interface ValueSet {
  readonly values: ChartValuesInput;
  /** Namespace of the release. @default 'hanzo' */
  readonly namespace?: string;
  /** Version of the cluster. @default '1.34' */
  readonly kubernetes?: string;
}

/** What the chart is held to the constructs with, by what is special about it. */
export const VALUE_SETS: Readonly<Record<string, ValueSet>> = {
  'nothing told': { values: {} },
  "HIP-27's": { values: HIP_27 },
  'a trial with everything bundled': {
    values: {
      ...HIP_27,
      postgres: { mode: 'bundled', storage: '5Gi', storageClass: 'fast', image: { version: '18.1' } },
      redis: { mode: 'bundled', image: { repository: 'registry.hanzo.ai/redis' } },
      ingress: { enabled: false },
      replicas: 1,
    },
  },
  'CloudNativePG with all of its settings': {
    values: {
      ...HIP_27,
      postgres: {
        mode: 'cloudnativepg',
        instances: 3,
        storage: '1Ti',
        storageClass: 'fast',
        backup: { ...BACKUP, endpointUrl: 'https://minio.hanzo.ai:9000', retention: '4w', schedule: '0 30 2 * * *' },
      },
    },
  },
  'CloudNativePG with one instance, spoken to without TLS': {
    values: {
      postgres: { mode: 'cloudnativepg', instances: 1, backup: BACKUP, tls: { enabled: false } },
      redis: { mode: 'none' },
    },
  },
  'an external Postgres whose address the Job puts into kms-secrets': {
    values: {
      kms: {
        autoBootstrap: {
          ...HIP_27.kms!.autoBootstrap,
          additionalOrganizationAdminEmails: ['Z@Hanzo.ai', 'a@hanzo.ai'],
          makeSecrets: { database: { secretName: 'database', key: 'uri' }, redis: { secretName: 'cache', key: 'url' } },
          secretDestination: { name: 'first-token' },
          resources: { limits: { memory: '512Mi' } },
          rerun: 'again <&>',
        },
      },
      existingSecret: 'kms-prod',
    },
  },
  'a Job that makes no Secret of KMS': {
    values: {
      kms: {
        autoBootstrap: {
          ...HIP_27.kms!.autoBootstrap,
          makeSecrets: { enabled: false },
          additionalOrganizationsTokenSecretKey: undefined,
        },
      },
      postgres: { mode: 'bundled' },
    },
  },
  'services with an inventory': {
    values: {
      kms: { autoBootstrap: { enabled: true, inventory: INVENTORY } },
      services: [
        { name: 'gateway', renewal: true },
        {
          name: 'till',
          project: 'shop',
          namespace: 'team',
          environment: 'staging',
          path: '/a/b',
          identity: 'chat-service',
          organization: 'lux',
        },
        { name: '123', namespace: 'team' },
      ],
      namespaces: ['team', 'team'],
    },
  },
  'an operator that may touch named Secrets alone': {
    values: {
      kms: { autoBootstrap: { enabled: true, inventory: INVENTORY, waitForSync: false } },
      operator: { onlyNamed: true, replicas: 1, resources: { requests: { memory: '64Mi' } } },
      services: [
        { name: 'gateway', renewal: true },
        { name: 'chat', namespace: 'team', organization: 'hanzo' },
      ],
      tls: { enabled: true },
      ingress: { enabled: false },
    },
  },
  'an operator of several namespaces that restarts': {
    values: {
      operator: {
        hosts: ['https://kms.zoo.example', 'https://kms.example.com'],
        secretNamespaces: ['hanzo', 'team', 'team'],
        autoReloadNamespaces: ['team', 'hanzo', 'team'],
      },
      services: [{ name: 'gateway', namespace: 'team' }],
      hostApi: 'https://kms.example.com',
    },
  },
  'neither operator, CRD, admission, Ingress, policies nor budget': {
    values: Object.fromEntries(
      ['operator', 'crd', 'admission', 'ingress', 'networkPolicies', 'availability'].map((part) => [
        part,
        { enabled: false },
      ]),
    ),
  },
  'TLS everywhere, with traefik': {
    values: {
      ...HIP_27,
      tls: { enabled: true, secretName: 'inside', issuer: { name: 'ca', kind: 'Issuer' } },
      ingress: {
        controller: 'traefik',
        className: 'outer',
        host: 'kms.example.com',
        tlsSecretName: 'outside',
        clusterIssuer: 'le',
      },
      postgres: { cidr: '10.1.0.0/16', tls: { caConfigMapName: 'rds', caKey: 'rds.pem' } },
      redis: { cidr: '10.2.0.0/16', tls: { enabled: true, caSecretName: 'cache-ca' } },
    },
  },
  'TLS inside, with nginx': { values: { tls: { enabled: true, issuer: { name: 'ca' } } } },
  'TLS inside, with contour': { values: { tls: { enabled: true }, ingress: { controller: 'contour' } } },
  'TLS inside, with haproxy': { values: { tls: { enabled: true }, ingress: { controller: 'haproxy' } } },
  'replicas by load, watched by Prometheus': {
    values: {
      replicas: 3,
      availability: { minAvailable: 2, autoscaling: { minReplicas: 3, maxReplicas: 12, cpuPercent: 55 } },
      monitoring: { enabled: true, labels: { release: 'other', yes: 'true' } },
      networkPolicies: { ingressNamespace: 'edge', clientNamespaces: ['team', 'edge'], monitoringNamespace: 'watch' },
      environment: { LOG_LEVEL: 'debug', SITE_URL: 'https://kms.example.com', KMS_METRICS_PORT: '9091', A: '1e3' },
      probes: {
        readiness: { initialDelaySeconds: 0, failureThreshold: 5 },
        liveness: { failureThreshold: 3, periodSeconds: 7 },
      },
    },
  },
  'an older cluster, in another namespace, with pinned bytes': {
    values: {
      image: { version: '1.2.3', digest: `sha256:${'ab'.repeat(32)}` },
      resources: { requests: { cpu: '1' }, limits: { cpu: '4', memory: '8Gi' } },
      monitoring: { enabled: true, labels: {} },
    },
    namespace: '1e3',
    kubernetes: '1.28',
  },
  'texts that are something else where they are not quoted': {
    values: {
      kms: {
        autoBootstrap: {
          ...HIP_27.kms!.autoBootstrap,
          rerun: NASTY,
          inventory: `${INVENTORY}# ${NASTY.replaceAll('\n', ' ')}\n`,
        },
      },
      environment: {
        A: NASTY,
        B: 'yes',
        C: '0x10',
        D: '',
        E: '1e3',
        F: 'null',
        G: '~',
        H: '2001-01-01',
        NULL: 'x',
        NO: 'y',
        Y: 'z',
      },
      monitoring: { enabled: true, labels: { a: NASTY, b: '012' } },
      hostApi: 'https://kms.example.com/a={{b}}&c="d"',
      services: [
        { name: 'gateway', identity: 'gateway-service' },
        { name: '0', identity: `chat-service`, organization: 'lux' },
      ],
      postgres: {
        mode: 'cloudnativepg',
        backup: { destinationPath: `s3://b${NASTY}`, credentialsSecretName: '1e3', schedule: '* * * * * *' },
      },
    },
    namespace: '0',
  },
  'an older cluster told by hand': { values: { kubernetesVersion: '1.29' } },
};
