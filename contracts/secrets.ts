import { z } from 'zod';
import { Instant, Timestamp } from './http.ts';
import {
  EnvironmentSlug,
  FolderPath,
  FreeText,
  orAbsent,
  PlainText,
  QueryBoolean,
  QueryWord,
  SecretKey,
  SecretValue,
  Slug,
  Uuid,
} from './names.ts';

/** Secrets: Infisical's `/api/v3/secrets/raw` and `/api/v4/secrets`. */

/** What stands in place of a value that was asked not to be shown (`viewSecretValue=false`); Infisical's clients know it. */
export const HIDDEN_VALUE = '<hidden-by-infisical>';

const projectId = orAbsent(z.string().trim().pipe(Uuid)).describe('project id');
const projectSlug = orAbsent(z.string().trim().pipe(Slug)).describe(
  'project slug, within the organizations of the caller',
);

/** The four ways in which clients name a project. `workspace` is what Infisical called a project before. */
export const ProjectReference = z.object({
  workspaceId: projectId,
  projectId,
  workspaceSlug: projectSlug,
  projectSlug,
  organizationId: orAbsent(Uuid).describe('narrows a slug to one organization'),
});
type ProjectReference = z.infer<typeof ProjectReference>;

/** One reference out of the four; absent when none was given. */
export function referenceOf(
  given: ProjectReference,
): { id?: string; slug?: string; organizationId?: string } | undefined {
  const id = given.projectId ?? given.workspaceId;
  const slug = given.projectSlug ?? given.workspaceSlug;
  if (id === undefined && slug === undefined) return undefined;
  return { id, slug, organizationId: given.organizationId };
}

const named = <Shape extends z.ZodRawShape>(shape: Shape) =>
  ProjectReference.extend(shape).refine((given) => referenceOf(given as ProjectReference) !== undefined, {
    message: 'name the project: projectId (workspaceId) or projectSlug (workspaceSlug)',
    path: ['projectId'],
  });

const environment = EnvironmentSlug.describe('environment slug; `production` means `prod`');
const secretPath = orAbsent(FolderPath)
  .transform((path) => path ?? '/')
  .describe('folder path, absolute; the root when absent');
const type = orAbsent(z.enum(['shared', 'personal']))
  .transform((given) => given ?? 'shared')
  .describe('shared when absent');

const flag = QueryWord;
/** What a flag of a query means: real clients send `""` where they mean "not given". */
export const flagOr = (whenAbsent: boolean, word: z.infer<typeof flag>): boolean =>
  word === undefined || word === '' ? whenAbsent : word === 'true' || word === '1';

const reading = {
  environment,
  secretPath,
  viewSecretValue: flag.describe('`false` hides the values. Default: true'),
  expandSecretReferences: flag.describe('puts in what references lead to. Default: true in v4, false in v3'),
  include_imports: flag.describe('as includeImports'),
  includeImports: flag.describe('shows what the folder imports. Default: true in v4, false in v3'),
  includePersonalOverrides: flag.describe("shows a person's own values in place of the shared ones. Default: false"),
  asOf: orAbsent(Instant).describe(
    'what was there at this moment, as it was stored; takes the right to read `secret-rollback`',
  ),
};

/** `key=a,value=b|key=c`: each part, split at `|`, names a key, a value, or both. */
const metadataFilter = PlainText(4_000).transform((text, context) => {
  const filters = text.split('|').map((part) => {
    const fields = part.split(',').map((field) => /^\s*(key|value)\s*=(.*)$/.exec(field));
    return Object.fromEntries(fields.map((field) => [field?.[1] ?? '', field?.[2]?.trim() ?? '']));
  });
  const right = filters.every((filter) => !('' in filter) && Object.values(filter).every((value) => value !== ''));
  if (right && filters.length <= 10) return filters as { key?: string; value?: string }[];
  context.addIssue({ code: 'custom', message: 'write up to 10 of `key=a,value=b`, with "|" between them' });
  return z.NEVER;
});

export const ListSecretsQuery = named({
  ...reading,
  recursive: QueryBoolean,
  tagSlugs: orAbsent(PlainText(2_000)).describe('only secrets with one of these tags; a list with commas'),
  metadataFilter: orAbsent(metadataFilter).describe('only secrets with all of this metadata: `key=a,value=b|key=c`'),
});
export type ListSecretsQuery = z.infer<typeof ListSecretsQuery>;

export const GetSecretQuery = named({
  ...reading,
  version: orAbsent(z.coerce.number().int().min(1).max(2_147_483_647)),
  type: z
    .enum(['shared', 'personal', ''])
    .optional()
    .transform((word) => (word === 'personal' ? 'personal' : 'shared'))
    .describe("`personal`: the caller's own value"),
});
export type GetSecretQuery = z.infer<typeof GetSecretQuery>;

export const SecretIdParams = z.object({ secretId: Uuid });
export const GetSecretByIdQuery = z.object({
  viewSecretValue: reading.viewSecretValue,
  expandSecretReferences: flag.describe('puts in what references lead to. Default: false'),
});

export const ReferenceTreeQuery = named({
  environment,
  secretPath: reading.secretPath,
  viewSecretValue: flag.describe('`false` leaves the values out of the tree. Default: true'),
});

export const SecretNameParams = z.object({ secretName: SecretKey });

export const SecretMetadata = z.object({
  key: z.string().trim().pipe(PlainText(255)),
  value: FreeText(4096).default(''),
  isEncrypted: z.boolean().default(false).describe('sealed like the value of the secret, and shown only with it'),
});
export type SecretMetadata = z.infer<typeof SecretMetadata>;

/** What can be written of a secret besides its value. Absent: as it is; `tagIds` and `secretMetadata` replace all that is there. */
const writable = {
  skipMultilineEncoding: z.boolean().nullish(),
  tagIds: z.array(Uuid).max(100).nullish(),
  secretMetadata: z.array(SecretMetadata).max(64).nullish(),
  secretReminderRepeatDays: z.number().int().min(1).max(365).nullish().describe('null ends the reminder'),
  secretReminderNote: FreeText(1024).nullish(),
  secretReminderRecipients: z.array(PlainText(255)).max(100).nullish(),
};
const secretComment = FreeText(10_000);
const ownPath = orAbsent(FolderPath).describe('of this secret, in place of the one of the whole batch');

export const CreateSecretBody = named({
  environment,
  secretPath,
  secretValue: SecretValue,
  secretComment: secretComment.default(''),
  ...writable,
  type,
});

export const UpdateSecretBody = named({
  environment,
  secretPath,
  secretValue: SecretValue.optional(),
  newSecretName: orAbsent(SecretKey),
  secretComment: secretComment.optional(),
  ...writable,
  type,
});

export const DeleteSecretBody = named({ environment, secretPath, type });

const noDuplicates = (items: readonly { readonly secretKey: string; readonly secretPath?: string | undefined }[]) =>
  new Set(items.map(({ secretKey, secretPath = '' }) => `${secretPath}:${secretKey}`)).size === items.length;
const batchOf = <Item extends z.ZodType<{ secretKey: string; secretPath?: string | undefined }>>(item: Item) =>
  z.array(item).min(1).max(1000).refine(noDuplicates, 'a key is named twice');

export const CreateSecretsBody = named({
  environment,
  secretPath,
  secrets: batchOf(
    z.object({
      secretKey: SecretKey,
      secretPath: ownPath,
      secretValue: SecretValue,
      secretComment: secretComment.default(''),
      ...writable,
    }),
  ),
});

export const UpdateSecretsBody = named({
  environment,
  secretPath,
  mode: orAbsent(z.enum(['failOnNotFound', 'upsert', 'ignore']))
    .transform((mode) => mode ?? 'failOnNotFound')
    .describe('failOnNotFound when absent'),
  secrets: batchOf(
    z.object({
      secretKey: SecretKey,
      secretPath: ownPath,
      secretValue: SecretValue.optional(),
      newSecretName: orAbsent(SecretKey),
      secretComment: secretComment.optional(),
      ...writable,
    }),
  ),
});

export const DeleteSecretsBody = named({
  environment,
  secretPath,
  secrets: batchOf(z.object({ secretKey: SecretKey, secretPath: ownPath, type })),
});

/** Tags that a secret gets or loses, by their slugs: `POST` and `DELETE /api/v3/secrets/tags/:secretName`. */
export const SecretTagsBody = named({ environment, secretPath, type, tagSlugs: z.array(Slug).min(1).max(100) });

export const MoveSecretsBody = named({
  sourceEnvironment: environment,
  sourceSecretPath: secretPath,
  destinationEnvironment: environment,
  destinationSecretPath: secretPath,
  secretIds: z
    .array(Uuid)
    .min(1)
    .max(1000)
    .refine((ids) => new Set(ids).size === ids.length, 'an id is named twice'),
  shouldOverwrite: z.boolean().default(false),
});
export const MovedSecretsAnswer = z.object({ isSourceUpdated: z.boolean(), isDestinationUpdated: z.boolean() });

export const Secret = z.object({
  id: Uuid,
  _id: Uuid,
  workspace: Uuid.describe('project id'),
  environment: z.string(),
  secretPath: z.string(),
  version: z.number().int(),
  type: z.enum(['shared', 'personal']),
  secretKey: z.string(),
  secretValue: z.string(),
  secretValueHidden: z.boolean(),
  secretComment: z.string(),
  skipMultilineEncoding: z.boolean(),
  secretReminderNote: z.string().nullable(),
  secretReminderRepeatDays: z.number().int().nullable(),
  secretReminderRecipients: z.array(z.string()).optional(),
  secretMetadata: z.array(z.object({ key: z.string(), value: z.string(), isEncrypted: z.boolean() })),
  tags: z.array(z.object({ id: z.string(), slug: z.string(), name: z.string(), color: z.string() })),
  actor: z
    .object({
      actorId: z.string().nullable(),
      actorType: z.string().nullable().describe('user, identity or service; null when they are no longer there'),
      name: z.string().nullable().describe("an identity's or token's name, a person's e-mail address"),
      membershipId: z.string().nullable().describe('in the project; null in answers to writes and of personal values'),
      groupId: z
        .string()
        .nullable()
        .describe('the group through which they are in the project, when they are no member themselves'),
    })
    .nullable()
    .describe('who wrote it; null when it was deleted, and of what another project shares'),
  isRotatedSecret: z.boolean(),
  rotationId: z.string().nullable(),
  createdAt: Timestamp,
  updatedAt: Timestamp,
});
export type Secret = z.infer<typeof Secret>;

/** What a folder imports, without what it has itself: `GET /api/v2/secret-imports/secrets`. */
export const SecretsOfImportsQuery = named({
  environment,
  path: orAbsent(FolderPath).transform((path) => path ?? '/'),
});
export const ImportedSecrets = z.object({
  secretPath: z.string(),
  environment: z.string(),
  folderId: Uuid,
  secrets: z.array(Secret),
});
/** Tells a folder that is empty from one that is not meant: lists always have it, other servers of this API never do. */
const FolderRead = z
  .object({
    id: Uuid,
    projectId: Uuid,
    changeId: Uuid.describe("the project's when this body was made; alone it makes no new ETag"),
  })
  .describe('the folder that was read; the uppermost with `recursive`');
export const SecretsAnswer = z.object({
  secrets: z.array(Secret),
  imports: z.array(ImportedSecrets),
  folder: FolderRead.optional(),
});
export const SecretsOfImportsAnswer = z.object({
  secrets: z.array(
    ImportedSecrets.extend({ environmentInfo: z.object({ id: Uuid, slug: z.string(), name: z.string() }) }),
  ),
});
export const SecretAnswer = z.object({ secret: Secret });
export const WrittenSecretsAnswer = z.object({ secrets: z.array(Secret) });

/** A secret with those that it refers to, or that refer to it. Written flat: few readers of OpenAPI follow a schema into itself. */
const ReferenceTree = z.object({
  key: z.string(),
  value: z.string().optional(),
  projectId: Uuid.optional().describe('of what a secret refers to: mostly the very project'),
  environment: z.string(),
  secretPath: z.string(),
  children: z.array(z.unknown()).describe('more of the same shape'),
});
export const ReferenceTreeAnswer = z.object({ tree: ReferenceTree, value: z.string().optional() });
