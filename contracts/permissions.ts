import { z } from 'zod';
import { FreeText } from './names.ts';

/**
 * The language of access rules, in Infisical's wire form: who holds a rule may (or, `inverted`, may not) do these actions
 * to this subject, where the conditions hold. A rule that forbids wins over every rule that allows.
 */

/** What someone can do to a thing. Of a secret, `read` is both `describeSecret` (all but the value) and `readValue`. */
export const actions = ['read', 'create', 'edit', 'delete', 'describeSecret', 'readValue', 'subscribe'] as const;
export type Action = (typeof actions)[number];

const manage = ['read', 'create', 'edit', 'delete'] as const;

/**
 * The subjects that this server asks about, each with its actions. A role may name no other action of them: a slip of the
 * pen in a rule that forbids would forbid nothing.
 */
export const projectSubjects = {
  secrets: actions,
  'secret-folders': manage,
  'secret-imports': manage,
  'secret-rollback': ['read', 'create'],
  environments: manage,
  tags: manage,
  member: [...manage, 'grant-privileges'],
  identity: [...manage, 'grant-privileges'],
  groups: [...manage, 'grant-privileges'],
  role: manage,
  workspace: manage,
  settings: manage,
  'service-tokens': manage,
  webhooks: manage,
  'audit-logs': ['read'],
} as const satisfies Record<string, readonly string[]>;
export type ProjectSubject = keyof typeof projectSubjects;

/** Subjects of Infisical that mean nothing here. Its clients send them, so a role may hold them; they give nothing. */
export const foreignSubjects = [
  'integrations',
  'ip-allowlist',
  'secret-approval',
  'secret-rotation',
  'secret-syncs',
  'secret-event-subscriptions',
  'secret-events',
  'secret-scanning-data-sources',
  'secret-scanning-findings',
  'secret-scanning-configs',
  'dynamic-secrets',
  'commits',
  'kms',
  'cmek',
  'kmip',
  'certificate-authorities',
  'certificates',
  'certificate-templates',
  'certificate-profiles',
  'certificate-policies',
  'pki-alerts',
  'pki-collections',
  'pki-subscribers',
  'pki-syncs',
  'ssh-certificate-authorities',
  'ssh-certificates',
  'ssh-certificate-templates',
  'ssh-hosts',
  'ssh-host-groups',
  'app-connections',
  'honey-tokens',
  'mcp-endpoints',
  'pam-accounts',
  'pam-folders',
  'pam-resources',
  'pam-sessions',
] as const;

/** Longest text of one condition: a name, a path or a glob. */
const MAX_TEXT = 1024;
const Text = FreeText(MAX_TEXT);

const Operators = z
  .strictObject({
    $eq: Text.optional(),
    $ne: Text.optional(),
    $neq: Text.optional().describe('as $ne'),
    $in: z.array(Text).min(1).max(200).optional(),
    $glob: Text.optional(),
  })
  .refine((given) => Object.values(given).some((value) => value !== undefined), {
    message: 'a condition needs one of $eq, $ne, $in and $glob',
  });

const Condition = z.union([Text, Operators]);
export type Condition = z.infer<typeof Condition>;

/** What a rule can be limited by. Each that is named has to hold. */
export const conditionNames = ['environment', 'secretPath', 'secretName', 'secretTags'] as const;
export type ConditionName = (typeof conditionNames)[number];

/** Conditions of Infisical about things that are not here. A rule that has one allows nothing, and forbids as if it held. */
const ForeignName = /^\$?[A-Za-z][\w.-]{0,63}$/;
const ForeignCondition = z.union([
  Text,
  z.record(z.string().regex(ForeignName), z.union([Text, z.array(Text).max(200)])),
]);

const Conditions = z
  .object({
    environment: Condition.optional(),
    secretPath: Condition.optional(),
    secretName: Condition.optional(),
    secretTags: Condition.optional(),
  })
  .catchall(ForeignCondition)
  .refine((given) => Object.keys(given).length <= 8, { message: 'at most 8 conditions' })
  .refine((given) => Object.keys(given).every((name) => ForeignName.test(name)), { message: 'no name of a condition' });

const Word = z
  .string()
  .max(64)
  .regex(/^[A-Za-z][A-Za-z0-9-]*$/, 'a word of letters, digits and "-"');

const words = z.preprocess(
  (given) => (typeof given === 'string' ? [given] : given),
  z.array(Word).min(1, 'names at least one').max(32),
);

/**
 * One rule as a caller gives it. Subject and action may each be a word or a list (Infisical packs
 * `{ subject: ["secrets"], action: ["read"] }`).
 *
 * @param subjects what there is, each with its actions
 * @param foreign subjects that a rule may name, and that give nothing
 * @param placed whether the subjects are somewhere, so that a rule can say where. @default true
 */
export const permissionOf = (
  subjects: Readonly<Record<string, readonly string[]>>,
  foreign: readonly string[],
  placed = true,
) =>
  z
    .object({
      subject: words,
      action: words,
      conditions: Conditions.nullish(),
      inverted: z.boolean().nullish(),
    })
    .superRefine(({ subject, action, conditions }, context) => {
      for (const name of subject) {
        if (foreign.includes(name)) continue;
        const known = Object.hasOwn(subjects, name) ? subjects[name] : undefined;
        if (known === undefined) {
          const all = Object.keys(subjects).join(', ');
          context.addIssue({ code: 'custom', path: ['subject'], message: `no subject "${name}": there are ${all}` });
          continue;
        }
        for (const word of action.filter((asked) => !known.includes(asked))) {
          const message = `nobody can ${word} ${name}: its actions are ${known.join(', ')}`;
          context.addIssue({ code: 'custom', path: ['action'], message });
        }
        if (!placed && Object.keys(conditions ?? {}).length > 0) {
          context.addIssue({ code: 'custom', path: ['conditions'], message: `a rule about ${name} has no conditions` });
        }
      }
    });

/** A rule of a project. */
export const Permission = permissionOf(projectSubjects, foreignSubjects);

/** One rule: of a built-in role, or as it is stored and shown. */
export interface Rule {
  readonly subject: string;
  readonly action: readonly string[];
  readonly conditions?: Readonly<Record<string, Condition>>;
  readonly inverted?: boolean;
}

/** A rule as answers show it. */
export const ShownRule = z.object({
  subject: z.string(),
  action: z.array(z.string()),
  conditions: z.record(z.string(), z.unknown()).optional(),
  inverted: z.boolean().optional(),
});
