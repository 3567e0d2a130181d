import { z } from 'zod';

/** What a stack is told by `pulumi config` besides how KMS is installed. */
export const StackSettings = z.strictObject({
  protect: z
    .boolean()
    .default(true)
    .describe(
      'Whether what holds data is protected: `pulumi destroy` then wants `--exclude-protected`. It stays either way.',
    ),
  inventoryFile: z
    .string()
    .min(1)
    .default('examples/hanzo/kms.yaml')
    .describe(
      'The inventory, from the folder of Pulumi.yaml: its services get a KMSSecret, and the bootstrap Job applies it.',
    ),
  checkSecrets: z
    .boolean()
    .default(true)
    .describe('Whether the stack looks, without reading a value, whether kms-secrets is there, and says what to run.'),
  kubeContext: z
    .string()
    .regex(/^\S+$/, 'must be the name of a context')
    .optional()
    .describe('Context of the kubeconfig for that look. Default: `kubernetes:context`, or the current one.'),
  secrets: z
    .strictObject({
      rootEncryptionKey: z.string().min(1).describe('ROOT_ENCRYPTION_KEY, set with `--secret`.'),
      authSecret: z.string().min(1).describe('AUTH_SECRET, set with `--secret`.'),
      dbConnectionUri: z.string().min(1).describe('DB_CONNECTION_URI, set with `--secret`.'),
      redisUrl: z.string().min(1).optional().describe('REDIS_URL, set with `--secret`.'),
    })
    .optional()
    .describe(
      'The values of kms-secrets, where Pulumi is to hold them, encrypted in its state. Default: it never holds a value.',
    ),
});
