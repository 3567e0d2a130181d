import { z } from 'zod';

/**
 * What `kms why <namespace>/<secret> --json` writes: why a Kubernetes Secret holds what it holds. Names, versions, dates and people,
 * never a value. Fields may be added to `kms-why/v1`; none is changed or taken away.
 */

/** A folder of KMS. */
const WhyPlace = z.object({
  project: z.string().nullable().describe('slug; null: of a project that the caller does not know'),
  projectId: z.string(),
  environment: z.string(),
  path: z.string(),
});
export type WhyPlace = z.infer<typeof WhyPlace>;

/** A change of a secret, as the audit has it. */
const WhyChange = z.object({
  when: z.iso.datetime(),
  who: z.string(),
  key: z.string().nullable().describe('null: of the folder itself, such as of what it imports'),
  event: z.string().describe('as the audit names it, such as `update-secret`'),
  version: z.number().int().nullable(),
  where: z.string().nullable().describe('source IP address'),
  place: WhyPlace,
});
export type WhyChange = z.infer<typeof WhyChange>;

/** A secret of KMS, in its place. */
const WhySecret = z.object({
  key: z.string(),
  place: WhyPlace,
  version: z.number().int().nullable().describe('null: not told to the caller'),
  changedAt: z.iso.datetime().nullable(),
  changedBy: z.string().nullable().describe('who wrote this version; null when that is not told, or they are gone'),
});
export type WhySecret = z.infer<typeof WhySecret>;

/** A secret that another one refers to, and what it refers to itself. */
export interface WhyReference extends WhySecret {
  references: WhyReference[];
}
const WhyReference: z.ZodType<WhyReference> = WhySecret.extend({
  get references() {
    return z.array(WhyReference);
  },
});

/** Where the content of one key of the Secret comes from. */
const WhyEntry = WhySecret.extend({
  imports: z
    .array(WhyPlace)
    .describe('the folders on the way, from the first that is imported to the one that has the secret; empty: its own'),
  references: z.array(WhyReference).describe('what the value refers to, as a tree'),
  lastChange: WhyChange.nullable(),
});
export type WhyEntry = z.infer<typeof WhyEntry>;

/** A key of the Secret. */
const WhyKey = z.object({
  name: z.string(),
  by: z.enum(['secret', 'template', 'other']).describe('`other`: set by somebody else, and left alone'),
  setBy: z.string().nullable().describe('field manager that set it, where it is not the operator'),
  isPresent: z.boolean().nullable().describe('whether the Secret has it; null: not told'),
  from: z.array(WhyEntry).describe('the secrets of KMS that it is made of; several or none with a template'),
});
export type WhyKey = z.infer<typeof WhyKey>;

const WhyRole = z.object({
  role: z.string(),
  environments: z.array(z.string()).nullable().describe('what it is limited to; null: nothing'),
  active: z.boolean(),
  through: z.string().describe('`organization`, `membership`, or the name of a group'),
});

export const WhyReport = z.object({
  schema: z.literal('kms-why/v1'),
  secret: z.object({
    namespace: z.string(),
    name: z.string(),
    exists: z.boolean().nullable().describe('null: not told to the caller'),
  }),
  kmsSecret: z.object({
    namespace: z.string(),
    name: z.string(),
    synced: z.enum(['True', 'False', 'Unknown']).nullable().describe('null: the operator has not looked at it yet'),
    reason: z.string().nullable(),
    message: z.string().nullable(),
    since: z.string().nullable().describe('since when `synced` is what it is'),
    isCurrent: z.boolean().describe('whether the status speaks of the present spec'),
    version: z.number().int().nullable().describe('number of the content'),
    changedAt: z.string().nullable().describe('when the content was last changed in the cluster'),
    suspended: z.boolean(),
    others: z.array(z.string()).describe('KMSSecrets that name the same Secret and do not keep it'),
  }),
  source: z.object({
    hostAPI: z.string().describe('KMS as the operator reaches it'),
    kms: z.string().nullable().describe('KMS as it was asked here; null: it was not'),
    project: z.string().nullable(),
    projectId: z.string().nullable(),
    environment: z.string(),
    path: z.string(),
    recursive: z.boolean(),
    onlyKey: z.string().nullable().describe('`secretName` of the KMSSecret: it takes this one alone'),
  }),
  identity: z
    .object({
      id: z.string().nullable(),
      name: z.string().nullable(),
      credentials: z.string().describe('the Secret that its credentials are in, `namespace/name`'),
      allowed: z.boolean().nullable(),
      reason: z.string().nullable(),
      roles: z.array(WhyRole).nullable(),
      rules: z
        .array(z.object({ effect: z.enum(['allows', 'forbids']), role: z.string(), rule: z.string() }))
        .nullable(),
    })
    .describe('who the operator is to KMS; null where it is not told'),
  lastChange: WhyChange.nullable().describe('of all secrets that it is made of; null: none, or not told'),
  keys: z.array(WhyKey).nullable().describe('null: not told'),
  workloads: z
    .array(
      z.object({
        kind: z.string(),
        name: z.string(),
        by: z.array(z.enum(['environment', 'volume'])),
        pods: z.number().int().nullable().describe('that run now; null: not told'),
        oldPods: z.number().int().nullable().describe('of those, that were started before the content changed last'),
      }),
    )
    .nullable()
    .describe('null: not told'),
  missing: z
    .array(z.object({ part: z.string(), why: z.string() }))
    .describe('parts that are not told, or not whole, and why'),
});
export type WhyReport = z.infer<typeof WhyReport>;
