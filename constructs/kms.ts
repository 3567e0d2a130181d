import { ApiObject } from 'cdk8s';
import { k8s } from 'cdk8s-plus-28';
import { Construct } from 'constructs';
import { z } from 'zod';
import { NamespaceName, ObjectName } from '../contracts/index.ts';
import { DEFAULT_NAMESPACE } from './defaults.ts';
import { ImageShape, imageName, imageSettings, type KmsImage } from './image.ts';
import { DEFAULT_KUBERNETES_VERSION, hasWhatCameWith, KubernetesVersion } from './kubernetes-version.ts';
import { spread } from './placement.ts';
import { HIP_RESOURCES, type KmsResources, Resources, requirements } from './resources.ts';
import { RESTRICTED_CONTAINER, RESTRICTED_POD_WITH_VOLUMES } from './restricted.ts';
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
}

const PORT = 8080;
/** Long enough for every node to hear that the pod takes no more connections. */
const PRE_STOP_SECONDS = 5;
/** HIP-27 asks each 30 seconds; ten failures in a row are five minutes, which a database may be away without a restart. */
const LIVENESS_FAILURES = 10;
/** What only kms-secrets may hold. */
const SECRET_VARIABLES = ['ROOT_ENCRYPTION_KEY', 'AUTH_SECRET', 'DB_CONNECTION_URI', 'REDIS_URL'];
/** What the Service and the probes rely on. */
const OWN_VARIABLES = ['HOST', 'PORT'];

function problemOfVariable(name: string): string | undefined {
  if (SECRET_VARIABLES.includes(name)) return 'belongs into kms-secrets, not into a manifest';
  if (OWN_VARIABLES.includes(name)) return 'is set by Kms: the Service and the probes rely on it';
  return /^[A-Z_][A-Z0-9_]*$/.test(name) ? undefined : 'must be the name of a variable';
}

const Props = z.object({
  namespace: NamespaceName,
  ...ImageShape,
  replicas: z.int().min(1).max(100),
  secretName: ObjectName,
  resources: Resources,
  environment: z.record(z.string(), z.string()).superRefine((variables, context) => {
    for (const name of Object.keys(variables)) {
      const message = problemOfVariable(name);
      if (message) context.addIssue({ code: 'custom', path: [name], message });
    }
  }),
  kubernetesVersion: KubernetesVersion,
});

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
    this.url = `http://kms.${settings.namespace}.svc:${PORT}`;
    this.serviceAccount = new k8s.KubeServiceAccount(this, 'ServiceAccount', {
      metadata,
      automountServiceAccountToken: false,
    });
    this.service = new k8s.KubeService(this, 'Service', {
      metadata,
      spec: {
        type: 'ClusterIP',
        selector: { app: 'kms' },
        ports: [{ name: 'http', port: PORT, targetPort: k8s.IntOrString.fromString('http'), protocol: 'TCP' }],
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
            containers: [container(settings)],
            volumes: [{ name: 'tmp', emptyDir: {} }],
          },
        },
      },
    });
    // Newer than the API that cdk8s-plus-28 types, which would drop it.
    manifest.spec.template.spec.containers[0].lifecycle = { preStop: pause(settings.kubernetesVersion) };
    this.deployment = new ApiObject(this, 'Resource', manifest);
  }
}

/** By the kubelet, where it can: it needs nothing of the image. */
function pause(version: KubernetesVersion) {
  if (hasWhatCameWith('1.30', version)) return { sleep: { seconds: PRE_STOP_SECONDS } };
  return { exec: { command: ['node', '-e', `setTimeout(() => {}, ${PRE_STOP_SECONDS * 1000})`] } };
}

interface ContainerSettings {
  readonly version: string;
  readonly digest: string | undefined;
  readonly secretName: string;
  readonly resources: Required<KmsResources>;
  readonly environment: Readonly<Record<string, string>>;
}

function container({ version, digest, secretName, resources, environment }: ContainerSettings): k8s.Container {
  // HIP-27, "Health Checks".
  const status = { httpGet: { path: '/api/status', port: k8s.IntOrString.fromNumber(PORT) } };
  const variables = { HOST: '0.0.0.0', ...environment };
  return {
    name: 'kms',
    image: imageName({ version, digest }),
    ports: [{ name: 'http', containerPort: PORT, protocol: 'TCP' }],
    envFrom: [{ secretRef: { name: secretName } }],
    env: Object.entries(variables).map(([name, value]) => ({ name, value })),
    readinessProbe: { ...status, initialDelaySeconds: 60, periodSeconds: 10 },
    livenessProbe: { ...status, initialDelaySeconds: 120, periodSeconds: 30, failureThreshold: LIVENESS_FAILURES },
    resources: requirements(resources),
    securityContext: RESTRICTED_CONTAINER,
    volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }],
  };
}
