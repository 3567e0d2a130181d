import type { ApiObject } from 'cdk8s';
import { k8s } from 'cdk8s-plus-28';
import { Construct } from 'constructs';
import { z } from 'zod';
import { ImageTag, NamespaceName, ObjectName, VolumeSize } from '../contracts/index.ts';
import { BUNDLED_POSTGRES_SECRET } from './bootstrap/names.ts';
import { bundledMetadata } from './bundled-metadata.ts';
import { DEFAULT_NAMESPACE } from './defaults.ts';
import { restrictedAs } from './restricted.ts';
import { problemsOf } from './validation.ts';

export interface KmsTrialPostgresProps {
  /**
   * Namespace of KMS.
   * @default 'hanzo'
   */
  readonly namespace?: string;
  /**
   * Name of the image, as the official one is made.
   * @default 'docker.io/library/postgres'
   */
  readonly repository?: string;
  /**
   * Its version.
   * @default '18.4'
   */
  readonly version?: string;
  /**
   * Size of the volume.
   * @default '50Gi'
   */
  readonly storage?: string;
  /**
   * Class of the volume.
   * @default - the cluster's own
   */
  readonly storageClass?: string;
}

const NAME = 'kms-postgres';
const PORT = 5432;
/** The user of the official image on Debian. */
const USER = 999;
const CREDENTIALS = '/run/kms-postgres-auth';

const Props = z.object({
  namespace: NamespaceName,
  repository: z.string().min(1),
  version: ImageTag,
  storage: VolumeSize,
  storageClass: ObjectName.optional(),
});

/**
 * One Postgres beside KMS, for a trial: a StatefulSet of one replica with a volume that outlives it. No standby, no backup: for
 * more than a trial take `KmsPostgres` or one that is run by others. User and password are those of Secret `kms-postgres-auth`, which must
 * exist: `kms-bootstrap init --bundled-postgres` makes it.
 */
export class KmsTrialPostgres extends Construct {
  /** The StatefulSet, for what the props do not cover. */
  readonly statefulSet: ApiObject;
  /** Host that KMS reaches it by. */
  readonly host: string;

  constructor(scope: Construct, id: string, props: KmsTrialPostgresProps = {}) {
    super(scope, id);
    const settings = {
      namespace: props.namespace ?? DEFAULT_NAMESPACE,
      repository: props.repository ?? 'docker.io/library/postgres',
      version: props.version ?? '18.4',
      storage: props.storage ?? '50Gi',
      storageClass: props.storageClass,
    };
    this.node.addValidation({ validate: () => problemsOf(Props, settings) });
    const { namespace, storage, storageClass } = settings;
    this.host = `${NAME}.${namespace}.svc`;
    const metadata = bundledMetadata(NAME, namespace);
    new k8s.KubeService(this, 'Service', {
      metadata,
      spec: {
        selector: { app: NAME },
        ports: [{ name: 'postgres', port: PORT, targetPort: k8s.IntOrString.fromString('postgres'), protocol: 'TCP' }],
      },
    });
    this.statefulSet = new k8s.KubeStatefulSet(this, 'StatefulSet', {
      metadata,
      spec: {
        replicas: 1,
        serviceName: NAME,
        selector: { matchLabels: { app: NAME } },
        // Kubernetes' own default, said aloud: the data stays when all else goes.
        persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
        template: {
          metadata: { labels: metadata.labels },
          spec: {
            automountServiceAccountToken: false,
            enableServiceLinks: false,
            // For a checkpoint, so that the next start has nothing to recover.
            terminationGracePeriodSeconds: 60,
            ...restrictedAs(USER, container(settings)),
            volumes: [
              { name: 'run', emptyDir: {} },
              { name: 'tmp', emptyDir: {} },
              { name: 'auth', secret: { secretName: BUNDLED_POSTGRES_SECRET, defaultMode: 0o440 } },
            ],
          },
        },
        volumeClaimTemplates: [
          {
            metadata: { name: 'data', labels: { app: NAME } },
            spec: {
              accessModes: ['ReadWriteOnce'],
              resources: { requests: { storage: k8s.Quantity.fromString(storage) } },
              ...(storageClass && { storageClassName: storageClass }),
            },
          },
        ],
      },
    });
  }
}

function container({ repository, version }: z.output<typeof Props>): k8s.Container {
  const asked = { exec: { command: ['pg_isready', '--quiet', '--host', '127.0.0.1', '--dbname', 'kms'] } };
  return {
    name: 'postgres',
    image: `${repository}:${version}`,
    ports: [{ name: 'postgres', containerPort: PORT, protocol: 'TCP' }],
    env: [
      { name: 'POSTGRES_DB', value: 'kms' },
      { name: 'POSTGRES_USER_FILE', value: `${CREDENTIALS}/username` },
      { name: 'POSTGRES_PASSWORD_FILE', value: `${CREDENTIALS}/password` },
    ],
    // The first start makes the database; later ones may have to recover it.
    startupProbe: { ...asked, periodSeconds: 5, failureThreshold: 60 },
    readinessProbe: { ...asked, periodSeconds: 10 },
    livenessProbe: { ...asked, periodSeconds: 30, failureThreshold: 4 },
    resources: {
      requests: { memory: k8s.Quantity.fromString('256Mi'), cpu: k8s.Quantity.fromString('100m') },
      limits: { memory: k8s.Quantity.fromString('1Gi'), cpu: k8s.Quantity.fromString('1000m') },
    },
    volumeMounts: [
      { name: 'data', mountPath: '/var/lib/postgresql' },
      { name: 'run', mountPath: '/var/run/postgresql' },
      { name: 'tmp', mountPath: '/tmp' },
      { name: 'auth', mountPath: CREDENTIALS, readOnly: true },
    ],
  };
}
