import { z } from 'zod';
import { FolderPath, Slug } from './names.ts';

/**
 * KMSSecret: the custom resource that says which folder of KMS becomes which Kubernetes Secret (HIP-27, "KMSSecret Custom
 * Resource Definition"). This schema validates it at synth, types it, and is written out as the CRD's own schema.
 */

export const KMS_SECRET_GROUP = 'secrets.lux.network';
export const KMS_SECRET_VERSION = 'v1alpha1';
export const KMS_SECRET_KIND = 'KMSSecret';
export const KMS_SECRET_API_VERSION = `${KMS_SECRET_GROUP}/${KMS_SECRET_VERSION}`;

/** Where Hanzo's own KMS is reached. */
export const DEFAULT_HOST_API = 'https://kms.hanzo.ai';
/** HIP-27: 60 seconds in production. */
export const DEFAULT_RESYNC_SECONDS = 60;
/** Shorter, a thousand resources would poll KMS two hundred times a second. */
export const MIN_RESYNC_SECONDS = 5;
const MAX_RESYNC_SECONDS = 86_400;

/** Name of a Kubernetes object (RFC 1123 subdomain, as the API server has it). */
export const ObjectName = z
  .string()
  .min(1)
  .max(253)
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/, 'must be a Kubernetes name (RFC 1123)');

/** Name of a namespace (RFC 1123 label). */
export const NamespaceName = z
  .string()
  .min(1)
  .max(63)
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, 'must be a namespace name (RFC 1123)');

export const KmsSecretSpec = z.strictObject({
  hostAPI: z
    .string()
    .max(2048)
    .regex(
      /^https?:\/\/[^\s/?#@]+(\/[^\s?#]*)?$/,
      'must be a URL such as https://kms.hanzo.ai, without a password in it',
    )
    .default(DEFAULT_HOST_API)
    .describe('Address of the KMS API.'),
  resyncInterval: z
    .int()
    .min(MIN_RESYNC_SECONDS, `must be ${MIN_RESYNC_SECONDS} seconds or more`)
    .max(MAX_RESYNC_SECONDS, 'must be a day or less')
    .default(DEFAULT_RESYNC_SECONDS)
    .describe('Longest time between two looks at KMS, in seconds. Recommended: 60 for production, 30 for staging.'),
  authentication: z
    .strictObject({
      universalAuth: z
        .strictObject({
          credentialsRef: z
            .strictObject({
              secretName: ObjectName.describe('Name of the Secret that holds clientId and clientSecret.'),
              secretNamespace: NamespaceName.describe('Namespace of that Secret.'),
            })
            .describe("The bootstrap Secret with the machine identity's credentials."),
          secretsScope: z
            .strictObject({
              projectSlug: Slug.describe('KMS project slug.'),
              envSlug: Slug.describe('KMS environment slug; production means prod.'),
              // Not default(), which is of the schema's output, while the CRD is written from its input.
              secretsPath: FolderPath.prefault('/').describe('Path within the environment.'),
            })
            .describe('The folder that is read.'),
        })
        .describe('Universal Auth: a machine identity logs in with a client id and a client secret.'),
    })
    .describe('How the operator logs in to KMS.'),
  managedSecretReference: z
    .strictObject({
      secretName: ObjectName.describe('Name of the Secret.'),
      secretNamespace: NamespaceName.describe('Namespace of the Secret.'),
      secretType: z.string().min(1).max(253).default('Opaque').describe('Type of the Secret.'),
    })
    .describe('The Kubernetes Secret that is created and kept up to date.'),
});
export type KmsSecretSpec = z.input<typeof KmsSecretSpec>;

const Condition = z.strictObject({
  type: z.string().min(1).max(316),
  status: z.enum(['True', 'False', 'Unknown']),
  observedGeneration: z.int().min(0).max(Number.MAX_SAFE_INTEGER).optional(),
  lastTransitionTime: z.iso.datetime(),
  reason: z.string().min(1).max(1024),
  message: z.string().max(32_768),
});

/** What the operator reports: never a value. */
export const KmsSecretStatus = z.strictObject({
  observedGeneration: z
    .int()
    .min(0)
    .max(Number.MAX_SAFE_INTEGER)
    .optional()
    .describe('The spec that this status speaks of.'),
  conditions: z
    .array(Condition)
    .max(16)
    .optional()
    // One entry for each type, so that two writers who apply different conditions do not take away each other's.
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] })
    .describe('Ready, Authenticated and Synced, with reasons.'),
  lastChangeTime: z.iso
    .datetime()
    .optional()
    .describe('When the Secret was last changed; not when it was last looked at.'),
  keys: z.int().min(0).max(1_000_000).optional().describe('Number of keys in the Secret.'),
});

/** The resource as a whole, for checking a manifest. */
export const KmsSecret = z.strictObject({
  apiVersion: z.literal(KMS_SECRET_API_VERSION),
  kind: z.literal(KMS_SECRET_KIND),
  metadata: z.looseObject({ name: ObjectName, namespace: NamespaceName.optional() }),
  spec: KmsSecretSpec,
  status: KmsSecretStatus.optional(),
});
