import { ApiObject } from 'cdk8s';
import { Construct } from 'constructs';
import { z } from 'zod';
import { NamespaceName, ObjectName, VolumeSize } from '../contracts/index.ts';
import { DEFAULT_NAMESPACE } from './defaults.ts';
import { problemsOf } from './validation.ts';

/** Where backups go: an S3-compatible bucket. */
export interface KmsPostgresBackup {
  /** Such as `s3://hanzo-backups/kms`. */
  readonly destinationPath: string;
  /**
   * Address of the store, for one that is not AWS.
   * @default - AWS S3
   */
  readonly endpointUrl?: string;
  /** Secret with the keys ACCESS_KEY_ID and ACCESS_SECRET_KEY. */
  readonly credentialsSecretName: string;
  /**
   * How long backups are kept.
   * @default '30d'
   */
  readonly retention?: string;
  /**
   * When a base backup is made, with seconds first, as CloudNativePG's cron has it.
   * @default '0 0 3 * * *' - at three every night
   */
  readonly schedule?: string;
}

export interface KmsPostgresProps {
  /**
   * Namespace of KMS.
   * @default 'hanzo'
   */
  readonly namespace?: string;
  /**
   * Instances, of which one is written to.
   * @default 2
   */
  readonly instances?: number;
  /**
   * Size of each one's volume.
   * @default '50Gi'
   */
  readonly storage?: string;
  /**
   * Class of the volumes.
   * @default - the cluster's own
   */
  readonly storageClass?: string;
  /** Base backups and the log in between. Without it a lost volume is a lost KMS, so it has no default. */
  readonly backup: KmsPostgresBackup;
}

const NAME = 'kms-postgres';

const Props = z.object({
  namespace: NamespaceName,
  instances: z.int().min(1).max(9),
  storage: VolumeSize,
  storageClass: ObjectName.optional(),
  backup: z.object({
    destinationPath: z.string().regex(/^s3:\/\/[^/]+/, 'must be a bucket such as s3://hanzo-backups/kms'),
    endpointUrl: z.url({ protocol: /^https?$/ }).optional(),
    credentialsSecretName: ObjectName,
    retention: z
      .string()
      .regex(/^[1-9]\d*[dwm]$/, 'must be a time such as 30d')
      .optional(),
    schedule: z
      .string()
      .regex(/^(\S+ ){5}\S+$/, 'must have six fields, seconds first, such as 0 0 3 * * *')
      .optional(),
  }),
});

/**
 * Postgres for KMS by the CloudNativePG operator: a Cluster with synchronous standby, base backups and the log in between. Its operator must be in
 * the cluster. DB_CONNECTION_URI of `kms-secrets` then names `kms-postgres-rw.<namespace>.svc`.
 */
export class KmsPostgres extends Construct {
  /** The Cluster, for what the props do not cover. */
  readonly cluster: ApiObject;
  /** Host that is written to. */
  readonly host: string;

  constructor(scope: Construct, id: string, props: KmsPostgresProps) {
    super(scope, id);
    const { namespace = DEFAULT_NAMESPACE, instances = 2, storage = '50Gi', storageClass, backup } = props;
    this.node.addValidation({
      validate: () => problemsOf(Props, { namespace, instances, storage, storageClass, backup }),
    });
    const labels = { app: NAME, 'app.kubernetes.io/name': NAME, 'app.kubernetes.io/part-of': 'hanzo-universe' };
    this.host = `${NAME}-rw.${namespace}.svc`;
    const key = (name: string) => ({ name: backup.credentialsSecretName, key: name });
    this.cluster = new ApiObject(this, 'Cluster', {
      apiVersion: 'postgresql.cnpg.io/v1',
      kind: 'Cluster',
      metadata: { name: NAME, namespace, labels },
      spec: {
        instances,
        storage: { size: storage, ...(storageClass && { storageClass }) },
        bootstrap: { initdb: { database: 'kms', owner: 'kms' } },
        // An acknowledged write is on two disks; with one of two instances away KMS goes on with one.
        ...(instances > 1 && {
          postgresql: { synchronous: { method: 'any', number: 1, dataDurability: 'preferred' } },
        }),
        affinity: { podAntiAffinityType: 'preferred', topologyKey: 'kubernetes.io/hostname' },
        backup: {
          retentionPolicy: backup.retention ?? '30d',
          barmanObjectStore: {
            destinationPath: backup.destinationPath,
            ...(backup.endpointUrl && { endpointURL: backup.endpointUrl }),
            s3Credentials: { accessKeyId: key('ACCESS_KEY_ID'), secretAccessKey: key('ACCESS_SECRET_KEY') },
            wal: { compression: 'gzip' },
          },
        },
      },
    });
    new ApiObject(this, 'Backups', {
      apiVersion: 'postgresql.cnpg.io/v1',
      kind: 'ScheduledBackup',
      metadata: { name: NAME, namespace, labels },
      spec: { schedule: backup.schedule ?? '0 0 3 * * *', backupOwnerReference: 'self', cluster: { name: NAME } },
    });
  }
}
