import { z } from 'zod';
import { FolderPath, SecretKey, Slug, Uuid } from './names.ts';

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

interface Rule<Value> {
  /** In CEL, for the API server. */
  readonly rule: string;
  readonly message: string;
  /** The same, for synth. */
  readonly holds: (value: Value) => boolean;
}

/** Rules over several fields: said once, checked by zod at synth and by the API server as CEL. */
function withRules<Schema extends z.ZodType>(schema: Schema, ...rules: readonly Rule<z.output<Schema>>[]) {
  return schema
    .superRefine((value, context) => {
      for (const { holds, message } of rules) if (!holds(value)) context.addIssue({ code: 'custom', message });
    })
    .meta({ 'x-kubernetes-validations': rules.map(({ rule, message }) => ({ rule, message })) });
}

const credentialsRef = z
  .strictObject({
    secretName: ObjectName.describe('Name of the Secret that holds clientId and clientSecret.'),
    secretNamespace: NamespaceName.describe('Namespace of that Secret.'),
  })
  .describe("The bootstrap Secret with the machine identity's credentials.");

const secretsScope = withRules(
  z.strictObject({
    projectSlug: Slug.optional().describe('KMS project slug. Either this or projectId.'),
    projectId: Uuid.optional().describe(
      'KMS project id, which survives a change of the slug. Either this or projectSlug.',
    ),
    envSlug: Slug.describe('KMS environment slug; production means prod.'),
    // Not default(), which is of the schema's output, while the CRD is written from its input.
    secretsPath: FolderPath.prefault('/').describe('Path within the environment.'),
    recursive: z
      .boolean()
      .default(false)
      .describe('Take the folders below the path, too. A key that two of them hold is refused.'),
    secretName: SecretKey.optional().describe('Only the secret of this name.'),
  }),
  {
    rule: 'has(self.projectSlug) != has(self.projectId)',
    message: 'name the project by exactly one of projectSlug and projectId',
    holds: ({ projectSlug, projectId }) => (projectSlug === undefined) !== (projectId === undefined),
  },
  {
    rule: '!has(self.secretName) || !self.recursive',
    message: 'secretName is one secret of one folder: leave out recursive',
    holds: ({ secretName, recursive }) => secretName === undefined || !recursive,
  },
).describe('The folder that is read.');

/** `Owner`: the object is deleted with its KMSSecret. `Orphan`: it stays, so that HIP-27's forced resync takes nothing away. */
export const CreationPolicy = z.enum(['Owner', 'Orphan']);
export type CreationPolicy = z.infer<typeof CreationPolicy>;

const Annotations = z.record(z.string(), z.string().max(262_144));

const template = z
  .strictObject({
    includeAllSecrets: z
      .boolean()
      .default(true)
      .describe('Whether the keys of KMS are there as they are, beside data.'),
    data: z
      .record(z.string(), z.string().max(1_000_000))
      .optional()
      .describe('More keys, made of secrets: "{{ .HOST.Value }}:{{ .PORT.Value }}".'),
    metadata: z
      .strictObject({
        labels: Annotations.optional().describe('Labels of the object.'),
        annotations: Annotations.optional().describe('Annotations of the object.'),
      })
      .optional()
      .describe('Labels and annotations of the object.'),
  })
  .describe('What the object holds. Without it: every key of KMS.');

const creationPolicy = CreationPolicy.default('Orphan').describe(
  'Orphan: the object stays when the KMSSecret is deleted. Owner: it is deleted with it, unless it was there before; both are in one namespace then.',
);

/** Types of Kubernetes' own that hold what somebody stores in them. */
const STORED_TYPES = ['tls', 'dockercfg', 'dockerconfigjson', 'basic-auth', 'ssh-auth'].map(
  (type) => `kubernetes.io/${type}`,
);
/**
 * Whether a Secret's type makes nothing happen. Of the others of Kubernetes, one has a token of a ServiceAccount put into it and
 * one lets nodes join, and from Helm's a release is rolled back to: whoever may write KMSSecrets need not have the right to those.
 */
export function isStoredType(type: string): boolean {
  return STORED_TYPES.includes(type) || !ACTED_ON.test(type);
}
const ACTED_ON = /(^|\.)(kubernetes|k8s)\.io\/|^helm\.sh\//;

const SecretType = withRules(z.string().min(1).max(253), {
  rule: `self in [${STORED_TYPES.map((type) => `'${type}'`).join(', ')}] || !self.matches('(^|\\\\.)(kubernetes|k8s)\\\\.io/|^helm\\\\.sh/')`,
  message: `must be Opaque, a type of your own, or one of ${STORED_TYPES.join(', ')}`,
  holds: isStoredType,
});

const managedSecret = z
  .strictObject({
    secretName: ObjectName.describe('Name of the Secret.'),
    secretNamespace: NamespaceName.describe('Namespace of the Secret.'),
    secretType: SecretType.default('Opaque').describe('Type of the Secret.'),
    creationPolicy,
    template: template.optional(),
  })
  .describe('A Kubernetes Secret that is created and kept up to date.');

const managedConfigMap = z
  .strictObject({
    configMapName: ObjectName.describe('Name of the ConfigMap.'),
    configMapNamespace: NamespaceName.describe('Namespace of the ConfigMap.'),
    creationPolicy,
    template: template.optional(),
  })
  .describe('A ConfigMap that is created and kept up to date. What is in it is no secret to anybody who may read it.');

const renewal = z
  .strictObject({
    enabled: z.boolean().describe('Whether the operator renews the client secret.'),
  })
  .describe(
    'The operator has KMS make the next client secret before the one in credentialsRef ends, and writes it there. It has to be one that was made renewable.',
  );

/** Each list entry is an object of the cluster, and each costs a look at every sync. */
const MAX_REFERENCES = 20;

/** Where the API is, as a KMSSecret may name it. */
export const HostApi = z
  .string()
  .max(2048)
  .regex(
    /^https?:\/\/[^\s/?#@]+(\/[^\s?#]*)?$/,
    'must be a URL such as https://kms.hanzo.ai, without a password in it',
  );

/** The `spec` of a KMSSecret, with its defaults. */
export const KmsSecretSpec = withRules(
  z.strictObject({
    hostAPI: HostApi.default(DEFAULT_HOST_API).describe('Address of the KMS API.'),
    resyncInterval: z
      .int()
      .min(MIN_RESYNC_SECONDS, `must be ${MIN_RESYNC_SECONDS} seconds or more`)
      .max(MAX_RESYNC_SECONDS, 'must be a day or less')
      .default(DEFAULT_RESYNC_SECONDS)
      .describe('Longest time between two looks at KMS, in seconds. Recommended: 60 for production, 30 for staging.'),
    instantUpdates: z
      .boolean()
      .default(true)
      .describe('Hear of changes at once, over the event stream of KMS, beside the looks of resyncInterval.'),
    suspend: z.boolean().default(false).describe('Leave everything as it is until this is false again.'),
    authentication: z
      .strictObject({
        universalAuth: z
          .strictObject({
            credentialsRef,
            secretsScope,
            renewal: renewal.optional(),
          })
          .describe('Universal Auth: a machine identity logs in with a client id and a client secret.'),
      })
      .describe('How the operator logs in to KMS.'),
    tls: z
      .strictObject({
        caRef: z
          .strictObject({
            secretName: ObjectName.describe('Name of the Secret that holds the certificate.'),
            secretNamespace: NamespaceName.describe('Namespace of that Secret.'),
            key: z.string().min(1).max(253).default('ca.crt').describe('Key of the certificate in it, PEM.'),
          })
          .describe('The certificate authority that the certificate of hostAPI is checked with.'),
      })
      .optional()
      .describe('For an address whose certificate no public authority signed.'),
    requiredKeys: z
      .array(z.string().min(1).max(255))
      .max(200)
      .meta({ 'x-kubernetes-list-type': 'set' })
      .optional()
      .describe('Keys that must be there. While one is missing, the last good content stays and Synced names it.'),
    managedSecretReference: managedSecret.optional(),
    managedKubeSecretReferences: z
      .array(managedSecret)
      .max(MAX_REFERENCES)
      .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['secretNamespace', 'secretName'] })
      .optional()
      .describe('More Secrets that are kept up to date from the same folder.'),
    managedKubeConfigMapReferences: z
      .array(managedConfigMap)
      .max(MAX_REFERENCES)
      .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['configMapNamespace', 'configMapName'] })
      .optional()
      .describe('ConfigMaps that are kept up to date from the same folder.'),
  }),
  {
    rule: 'has(self.managedSecretReference) || (has(self.managedKubeSecretReferences) && size(self.managedKubeSecretReferences) > 0) || (has(self.managedKubeConfigMapReferences) && size(self.managedKubeConfigMapReferences) > 0)',
    message:
      'name what is to be kept up to date: managedSecretReference, managedKubeSecretReferences or managedKubeConfigMapReferences',
    holds: (spec) =>
      spec.managedSecretReference !== undefined ||
      (spec.managedKubeSecretReferences?.length ?? 0) > 0 ||
      (spec.managedKubeConfigMapReferences?.length ?? 0) > 0,
  },
  {
    rule: '!has(self.managedSecretReference) || !has(self.managedKubeSecretReferences) || !self.managedKubeSecretReferences.exists(more, more.secretName == self.managedSecretReference.secretName && more.secretNamespace == self.managedSecretReference.secretNamespace)',
    message: 'managedKubeSecretReferences names the Secret of managedSecretReference again',
    holds: ({ managedSecretReference: first, managedKubeSecretReferences: more = [] }) =>
      !more.some(
        ({ secretName, secretNamespace }) =>
          secretName === first?.secretName && secretNamespace === first.secretNamespace,
      ),
  },
);
/** As it is written: what has a default may be left out. */
export type KmsSecretSpec = z.input<typeof KmsSecretSpec>;
/** With its defaults filled in, as an API server stores it. */
export type StoredKmsSecretSpec = z.output<typeof KmsSecretSpec>;

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
  keys: z.int().min(0).max(1_000_000).optional().describe('Number of keys that KMS had.'),
  folderId: z.string().max(64).optional().describe('The folder that the content is of.'),
  changeId: z.string().max(64).optional().describe("The project's change id that the content is of."),
  identityId: z.string().max(64).optional().describe('Machine identity that last logged in to KMS.'),
  content: z.string().max(64).optional().describe("Digest of the content, under a key of the operator's own."),
  version: z
    .int()
    .min(0)
    .max(Number.MAX_SAFE_INTEGER)
    .optional()
    .describe('Number of the content: one more with each change of it.'),
  workloads: z
    .string()
    .max(1024)
    .optional()
    .describe('Which pods run older content, such as "3 of 4 pods of deployment/gateway still run version 6".'),
});

export type KmsSecretStatus = z.infer<typeof KmsSecretStatus>;

/** The resource as a whole, for checking a manifest. */
export const KmsSecret = z.strictObject({
  apiVersion: z.literal(KMS_SECRET_API_VERSION),
  kind: z.literal(KMS_SECRET_KIND),
  metadata: z.looseObject({ name: ObjectName, namespace: NamespaceName.optional() }),
  spec: KmsSecretSpec,
  status: KmsSecretStatus.optional(),
});
