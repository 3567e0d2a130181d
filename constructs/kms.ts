import { ApiObject } from 'cdk8s';
import { k8s } from 'cdk8s-plus-28';
import { Construct } from 'constructs';
import { z } from 'zod';
import {
  DEFAULT_KUBERNETES_VERSION,
  HIP_RESOURCES,
  KubernetesMinor,
  NamespaceName,
  ObjectName,
  ServerVariables,
} from '../contracts/index.ts';
import { DEFAULT_NAMESPACE } from './defaults.ts';
import { ImageShape, imageSettings, type KmsImage } from './image.ts';
import {
  type KmsAuthority,
  type KmsProbes,
  kmsContainer,
  kmsVolumes,
  PORT,
  pauseBeforeStop,
  SERVER_PORT_NAME,
} from './kms-container.ts';
import type { KubernetesVersion } from './kubernetes-version.ts';
import { spread } from './placement.ts';
import { type KmsResources, Resources } from './resources.ts';
import { RESTRICTED_POD_WITH_VOLUMES } from './restricted.ts';
import { problemsOf } from './validation.ts';

/** How KMS itself runs in the cluster. */
export interface KmsProps extends KmsImage {
  /**
   * Namespace of everything that this construct makes.
   * @default 'hanzo'
   */
  readonly namespace?: string;
  /**
   * Number of replicas; HIP-27 wants two.
   * @default 2
   */
  readonly replicas?: number;
  /**
   * Name of the Secret with ROOT_ENCRYPTION_KEY, AUTH_SECRET, DB_CONNECTION_URI and REDIS_URL. It must exist before the
   * pods start; `kms-bootstrap init` makes it.
   * @default 'kms-secrets'
   */
  readonly secretName?: string;
  /**
   * Requests and limits.
   * @default - HIP-27's
   */
  readonly resources?: KmsResources;
  /**
   * More configuration of the server, by variable (docs/configuration.md). Never a secret, those are in `kms-secrets`, and
   * neither HOST nor PORT, which the Service and the probes rely on.
   * @default {}
   */
  readonly environment?: Readonly<Record<string, string>>;
  /**
   * Oldest Kubernetes that runs it, 1.28 or newer. Before 1.30 a container's own process waits before it stops, where the kubelet
   * does from then on.
   * @default '1.30'
   */
  readonly kubernetesVersion?: KubernetesVersion;
  /**
   * When a replica counts as ready and as alive.
   * @default - HIP-27's: ready after 60 seconds, alive until ten looks in a row failed
   */
  readonly probes?: KmsProbes;
  /**
   * Secret with `tls.crt` and `tls.key`, with which KMS itself speaks TLS, 1.3 only. A renewed one is taken without a restart.
   * @default - plain HTTP inside of the cluster
   */
  readonly tlsSecretName?: string;
  /**
   * Authority of Postgres, which is then spoken to by TLS alone, under the very name of DB_CONNECTION_URI.
   * @default - as DB_CONNECTION_URI says
   */
  readonly postgresCa?: KmsAuthority;
  /**
   * Authority of Redis, which is then spoken to by TLS alone, under the very name of REDIS_URL (`rediss://…`).
   * @default - as REDIS_URL says
   */
  readonly redisCa?: KmsAuthority;
  /**
   * Annotations of the Service: some ingress controllers look there for how KMS is spoken to.
   * @default {}
   */
  readonly serviceAnnotations?: Readonly<Record<string, string>>;
}

const Probe = z.object({
  initialDelaySeconds: z.int().min(0),
  periodSeconds: z.int().min(1),
  failureThreshold: z.int().min(1),
});

const Authority = z
  .object({ secretName: ObjectName.optional(), configMapName: ObjectName.optional(), key: z.string().min(1) })
  .refine(
    ({ secretName, configMapName }) => (secretName === undefined) !== (configMapName === undefined),
    'names either a Secret or a ConfigMap',
  );

const Props = z.object({
  namespace: NamespaceName,
  ...ImageShape,
  replicas: z.int().min(1).max(100),
  secretName: ObjectName,
  resources: Resources,
  environment: ServerVariables,
  kubernetesVersion: KubernetesMinor,
  probes: z.object({ readiness: Probe, liveness: Probe }),
  tlsSecretName: ObjectName.optional(),
  postgresCa: Authority.optional(),
  redisCa: Authority.optional(),
  serviceAnnotations: z.record(z.string(), z.string()),
});

/** HIP-27, "Health Checks". Ten failures in a row are five minutes, which a database may be away without a restart. */
const PROBES: Required<KmsProbes> = {
  readiness: { initialDelaySeconds: 60, periodSeconds: 10, failureThreshold: 3 },
  liveness: { initialDelaySeconds: 120, periodSeconds: 30, failureThreshold: 10 },
};

/**
 * KMS itself, as HIP-27 deploys it: a Deployment of two replicas that prefer different nodes and roll without a gap, its
 * Service on port 8080, and a ServiceAccount without a token. The namespace and `kms-secrets` in it must exist.
 *
 * Rendered by the typed objects of the API and not by cdk8s-plus's Deployment, whose selectors and affinities carry
 * generated labels: HIP-27's manifest, with `app: kms`, is to come out as it stands.
 *
 * @example
 * new Kms(chart, 'kms', { version: '0.1.0' });
 */
export class Kms extends Construct {
  /** The Deployment, for what the props do not cover. */
  readonly deployment: ApiObject;
  /** The Service, for what the props do not cover. */
  readonly service: ApiObject;
  /** The ServiceAccount, for what the props do not cover. */
  readonly serviceAccount: ApiObject;
  /** The namespace that they are in. */
  readonly namespace: string;
  /** Where the cluster's own clients reach KMS. */
  readonly url: string;

  constructor(scope: Construct, id: string, props: KmsProps = {}) {
    super(scope, id);
    const settings = {
      namespace: props.namespace ?? DEFAULT_NAMESPACE,
      ...imageSettings(props),
      replicas: props.replicas ?? 2,
      secretName: props.secretName ?? 'kms-secrets',
      resources: { ...HIP_RESOURCES, ...props.resources },
      environment: props.environment ?? {},
      kubernetesVersion: props.kubernetesVersion ?? DEFAULT_KUBERNETES_VERSION,
      probes: { ...PROBES, ...props.probes },
      tlsSecretName: props.tlsSecretName,
      postgresCa: props.postgresCa,
      redisCa: props.redisCa,
      serviceAnnotations: props.serviceAnnotations ?? {},
    };
    this.node.addValidation({ validate: () => problemsOf(Props, settings) });
    const labels = {
      app: 'kms',
      'app.kubernetes.io/name': 'kms',
      'app.kubernetes.io/component': 'server',
      'app.kubernetes.io/part-of': 'hanzo-universe',
    };
    const metadata = { name: 'kms', namespace: settings.namespace, labels };
    this.namespace = settings.namespace;
    this.url = `${settings.tlsSecretName ? 'https' : 'http'}://kms.${settings.namespace}.svc:${PORT}`;
    this.serviceAccount = new k8s.KubeServiceAccount(this, 'ServiceAccount', {
      metadata,
      automountServiceAccountToken: false,
    });
    const annotations = settings.serviceAnnotations;
    this.service = new k8s.KubeService(this, 'Service', {
      metadata: Object.keys(annotations).length > 0 ? { ...metadata, annotations } : metadata,
      spec: {
        type: 'ClusterIP',
        selector: { app: 'kms' },
        ports: [
          {
            name: SERVER_PORT_NAME,
            port: PORT,
            targetPort: k8s.IntOrString.fromString(SERVER_PORT_NAME),
            protocol: 'TCP',
          },
        ],
      },
    });
    const manifest = k8s.KubeDeployment.manifest({
      metadata,
      spec: {
        replicas: settings.replicas,
        selector: { matchLabels: { app: 'kms' } },
        strategy: {
          type: 'RollingUpdate',
          rollingUpdate: { maxSurge: k8s.IntOrString.fromNumber(1), maxUnavailable: k8s.IntOrString.fromNumber(0) },
        },
        template: {
          metadata: { labels },
          spec: {
            serviceAccountName: 'kms',
            automountServiceAccountToken: false,
            enableServiceLinks: false,
            securityContext: RESTRICTED_POD_WITH_VOLUMES,
            ...spread('kms'),
            containers: [kmsContainer(settings)],
            volumes: kmsVolumes(settings),
          },
        },
      },
    });
    // Newer than the API that cdk8s-plus-28 types, which would drop it.
    manifest.spec.template.spec.containers[0].lifecycle = { preStop: pauseBeforeStop(settings.kubernetesVersion) };
    this.deployment = new ApiObject(this, 'Resource', manifest);
  }
}
