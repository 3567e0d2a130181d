import { z } from 'zod';
import { ImageTag, VolumeSize } from './container.ts';
import { ObjectName } from './kms-secret.ts';

/** Where KMS keeps its data and its counts: Postgres and Redis, as an installation has them. */

/** A key of a Secret in the namespace of KMS. */
export const KeyOfSecret = z.strictObject({
  secretName: ObjectName.describe('Name of the Secret.'),
  key: z
    .string()
    .regex(/^[-._a-zA-Z0-9]{1,253}$/, 'must be a key of a Secret')
    .describe('Key in it.'),
});

const Cidr = z.union([z.cidrv4(), z.cidrv6()], 'must be a CIDR such as 10.0.0.0/8');

/** The certificate authority of a database, which is mounted into KMS: it then speaks to nobody else. */
const StoreTls = z.strictObject({
  enabled: z
    .boolean()
    .optional()
    .describe(
      'Whether it is reached by TLS alone, with a certificate of the authority below for its very name (`verify-full`). Default: where an authority is named, and with CloudNativePG, which has its own.',
    ),
  caSecretName: ObjectName.optional().describe('Secret that holds the certificate of its authority.'),
  caConfigMapName: ObjectName.optional().describe('ConfigMap that holds it, in place of a Secret.'),
  caKey: z
    .string()
    .regex(/^[-._a-zA-Z0-9]{1,253}$/, 'must be a key of a Secret')
    .default('ca.crt')
    .describe('Key of the certificate in it, PEM.'),
});

const tls = StoreTls.prefault({}).superRefine((settings, context) => {
  const { enabled, caSecretName, caConfigMapName } = settings;
  if (caSecretName !== undefined && caConfigMapName !== undefined)
    context.addIssue({
      code: 'custom',
      path: ['caConfigMapName'],
      message: 'is beside caSecretName: name one of them',
    });
  if (enabled === false && (caSecretName ?? caConfigMapName) !== undefined)
    context.addIssue({ code: 'custom', path: ['enabled'], message: 'is false, and an authority is named' });
});

const image = (repository: string, version: string) =>
  z
    .strictObject({
      repository: z
        .string()
        .regex(/^[a-z0-9]+([._/:-][a-z0-9]+)*$/, 'must be the name of an image')
        .default(repository)
        .describe('Name of the image of the bundled one.'),
      version: ImageTag.default(version).describe('Its version.'),
    })
    .prefault({});

const Backup = z.strictObject({
  destinationPath: z
    .string()
    .regex(/^s3:\/\/[^/]+/, 'must be a bucket such as s3://hanzo-backups/kms')
    .describe('Bucket that backups go to.'),
  endpointUrl: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe('Address of the store, for one that is not AWS.'),
  credentialsSecretName: ObjectName.describe('Secret with the keys ACCESS_KEY_ID and ACCESS_SECRET_KEY.'),
  retention: z
    .string()
    .regex(/^[1-9]\d*[dwm]$/, 'must be a time such as 30d')
    .default('30d')
    .describe('How long backups are kept.'),
  schedule: z
    .string()
    .regex(/^(\S+ ){5}\S+$/, 'must have six fields, seconds first, such as 0 0 3 * * *')
    .default('0 0 3 * * *')
    .describe('When a base backup is made, seconds first.'),
});

/** Postgres of an installation. */
export const PostgresSettings = z
  .strictObject({
    mode: z
      .enum(['external', 'bundled', 'cloudnativepg'])
      .default('external')
      .describe(
        '`external`: DB_CONNECTION_URI of kms-secrets says where; `bundled`: one Postgres for a trial; `cloudnativepg`: a Cluster of that operator, which must be there.',
      ),
    cidr: Cidr.optional().describe('Where an external one is, for the network policy. Default: anywhere.'),
    tls: tls.describe('How its certificate is judged.'),
    image: image('docker.io/library/postgres', '18.4').describe('Image of a bundled one.'),
    storage: VolumeSize.default('50Gi').describe('Size of its volume, of each instance with CloudNativePG.'),
    storageClass: ObjectName.optional().describe("Class of its volumes. Default: the cluster's own."),
    instances: z.int().min(1).max(9).default(2).describe('Instances with CloudNativePG, of which one is written to.'),
    backup: Backup.optional().describe(
      'Base backups and the log in between, with CloudNativePG, which needs it: without it a lost volume is a lost KMS.',
    ),
  })
  .superRefine(({ mode, tls: { enabled, caSecretName, caConfigMapName }, backup }, context) => {
    const refuse = (path: string[], message: string) => context.addIssue({ code: 'custom', path, message });
    if (mode === 'cloudnativepg' && backup === undefined) refuse(['backup'], 'is needed with cloudnativepg');
    if (mode === 'bundled' && enabled) refuse(['tls', 'enabled'], 'is for an external one or CloudNativePG');
    if (mode === 'external' && enabled && (caSecretName ?? caConfigMapName) === undefined)
      refuse(['tls', 'caSecretName'], 'name it, or caConfigMapName: whose certificates are to be trusted');
  });

/** Redis of an installation. */
export const RedisSettings = z
  .strictObject({
    mode: z
      .enum(['external', 'bundled', 'none'])
      .default('external')
      .describe(
        '`external`: REDIS_URL of kms-secrets says where, if it has one; `bundled`: one Redis for a trial; `none`: each replica counts its limits for itself.',
      ),
    cidr: Cidr.optional().describe('Where an external one is, for the network policy. Default: anywhere.'),
    tls: tls.describe('How its certificate is judged.'),
    image: image('docker.io/library/redis', '8.2.1').describe('Image of a bundled one.'),
  })
  .superRefine(({ mode, tls: { enabled, caSecretName, caConfigMapName } }, context) => {
    const refuse = (path: string[], message: string) => context.addIssue({ code: 'custom', path, message });
    if (mode !== 'external' && enabled) refuse(['tls', 'enabled'], 'is for an external one');
    if (mode === 'external' && enabled && (caSecretName ?? caConfigMapName) === undefined)
      refuse(['tls', 'caSecretName'], 'name it, or caConfigMapName: whose certificates are to be trusted');
  });
