import { z } from 'zod';

/**
 * What `kms-bootstrap provision --json` writes when it is done: names, states and fingerprints, never a value. Fields may be added to
 * `kms-provision/v1`; none is changed or taken away.
 */

const Named = { namespace: z.string(), name: z.string() };

export const ProvisionReport = z.object({
  version: z.literal('kms-provision/v1'),
  url: z.string().describe('where KMS answers'),
  admin: z.string().describe('e-mail address of the instance admin that this ran as'),
  firstRun: z.boolean().describe('whether the instance had no admin before'),
  secrets: z
    .array(z.object({ ...Named, state: z.enum(['created', 'kept']) }))
    .describe('with --make-secrets: kms-secrets and what it is made of'),
  rootKey: z.string().nullable().describe('fingerprint of the root key in kms-secrets; null without --make-secrets'),
  inventory: z.object({
    created: z.number().int(),
    changed: z.number().int(),
    unchanged: z.number().int(),
    needsValue: z
      .array(
        z.object({
          organization: z.string(),
          project: z.string(),
          environment: z.string(),
          path: z.string(),
          key: z.string(),
          kind: z.string(),
        }),
      )
      .describe('declared secrets that somebody has to set'),
  }),
  credentials: z.array(
    z.object({
      organization: z.string(),
      identity: z.string(),
      ...Named,
      state: z
        .enum(['minted', 'kept', 'other-identity'])
        .describe('other-identity: what is there logs in as somebody else, and was left as it is'),
      revoked: z.number().int().describe('client secrets of an earlier run for this Secret that were ended'),
    }),
  ),
  token: z
    .object({ ...Named, key: z.string(), identity: z.string(), expiresAt: z.iso.datetime() })
    .nullable()
    .describe('with --token-secret'),
  sync: z.array(
    z.object({
      ...Named,
      inSync: z.boolean(),
      reason: z.string().describe('as in the condition Synced; Missing when there is no such KMSSecret'),
      message: z.string(),
    }),
  ),
});
export type ProvisionReport = z.infer<typeof ProvisionReport>;
