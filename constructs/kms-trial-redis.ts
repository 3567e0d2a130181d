import type { ApiObject } from 'cdk8s';
import { k8s } from 'cdk8s-plus-28';
import { Construct } from 'constructs';
import { z } from 'zod';
import { ImageTag, NamespaceName } from '../contracts/index.ts';
import { BUNDLED_REDIS_SECRET } from './bootstrap/names.ts';
import { bundledMetadata } from './bundled-metadata.ts';
import { DEFAULT_NAMESPACE } from './defaults.ts';
import { restrictedAs } from './restricted.ts';
import { problemsOf } from './validation.ts';

export interface KmsTrialRedisProps {
  /**
   * Namespace of KMS.
   * @default 'hanzo'
   */
  readonly namespace?: string;
  /**
   * Name of the image, as the official one is made.
   * @default 'docker.io/library/redis'
   */
  readonly repository?: string;
  /**
   * Its version.
   * @default '8.2.1'
   */
  readonly version?: string;
}

const NAME = 'kms-redis';
const PORT = 6379;
/** The user of the official image on Debian. */
const USER = 999;
const CREDENTIALS = '/run/kms-redis-auth';
const CONFIG = '/run/redis/redis.conf';

/**
 * The password goes from one file into another, and never into an argument, which everybody on the node could read. Nothing is kept
 * on a disk: what KMS counts in Redis may be lost.
 */
const START = [
  'set -eu; umask 077',
  `{ printf 'bind * -::*\\nport ${PORT}\\nsave ""\\nappendonly no\\ndir /tmp\\nmaxmemory 96mb\\nmaxmemory-policy volatile-ttl\\nrequirepass '; cat ${CREDENTIALS}/password; printf '\\n'; } > ${CONFIG}`,
  `exec redis-server ${CONFIG}`,
].join('\n');

const Props = z.object({ namespace: NamespaceName, repository: z.string().min(1), version: ImageTag });

/**
 * One Redis beside KMS, for a trial, in which the replicas share the counts of their limits: a Deployment of one replica, without a
 * volume, since nothing in it must be kept. Its password is that of Secret `kms-redis-auth`, which must exist:
 * `kms-bootstrap init --bundled-redis` makes it.
 */
export class KmsTrialRedis extends Construct {
  /** The Deployment, for what the props do not cover. */
  readonly deployment: ApiObject;
  /** Host that KMS reaches it by. */
  readonly host: string;

  constructor(scope: Construct, id: string, props: KmsTrialRedisProps = {}) {
    super(scope, id);
    const settings = {
      namespace: props.namespace ?? DEFAULT_NAMESPACE,
      repository: props.repository ?? 'docker.io/library/redis',
      version: props.version ?? '8.2.1',
    };
    this.node.addValidation({ validate: () => problemsOf(Props, settings) });
    this.host = `${NAME}.${settings.namespace}.svc`;
    const metadata = bundledMetadata(NAME, settings.namespace);
    new k8s.KubeService(this, 'Service', {
      metadata,
      spec: {
        selector: { app: NAME },
        ports: [{ name: 'redis', port: PORT, targetPort: k8s.IntOrString.fromString('redis'), protocol: 'TCP' }],
      },
    });
    this.deployment = new k8s.KubeDeployment(this, 'Deployment', {
      metadata,
      spec: {
        replicas: 1,
        selector: { matchLabels: { app: NAME } },
        template: {
          metadata: { labels: metadata.labels },
          spec: {
            automountServiceAccountToken: false,
            enableServiceLinks: false,
            ...restrictedAs(USER, container(settings)),
            volumes: [
              { name: 'config', emptyDir: { medium: 'Memory', sizeLimit: k8s.Quantity.fromString('1Mi') } },
              { name: 'tmp', emptyDir: {} },
              { name: 'auth', secret: { secretName: BUNDLED_REDIS_SECRET, defaultMode: 0o440 } },
            ],
          },
        },
      },
    });
  }
}

function container({ repository, version }: z.output<typeof Props>): k8s.Container {
  const asked = { tcpSocket: { port: k8s.IntOrString.fromString('redis') } };
  return {
    name: 'redis',
    image: `${repository}:${version}`,
    command: ['sh', '-c', START],
    ports: [{ name: 'redis', containerPort: PORT, protocol: 'TCP' }],
    readinessProbe: { ...asked, periodSeconds: 10 },
    livenessProbe: { ...asked, periodSeconds: 30, failureThreshold: 4 },
    resources: {
      requests: { memory: k8s.Quantity.fromString('64Mi'), cpu: k8s.Quantity.fromString('50m') },
      limits: { memory: k8s.Quantity.fromString('192Mi'), cpu: k8s.Quantity.fromString('500m') },
    },
    volumeMounts: [
      { name: 'config', mountPath: '/run/redis' },
      { name: 'tmp', mountPath: '/tmp' },
      { name: 'auth', mountPath: CREDENTIALS, readOnly: true },
    ],
  };
}
