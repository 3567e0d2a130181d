import { z } from 'zod';
import { isKmsAddress, KMS_ADDRESS_RULE } from './name-rules.ts';
import { EnvironmentSlug, FolderPath, Slug } from './names.ts';

/**
 * `.kms.yaml` of a repository: where its secrets are, so that `kms run -- npm start` needs no more. It is committed and read by
 * everybody, so it holds no credential: a key that is not listed here is refused.
 */
export const RepositoryFile = z.strictObject({
  url: z
    .string()
    .refine(isKmsAddress, KMS_ADDRESS_RULE)
    .optional()
    .describe('where KMS answers; reached with a `kms login` there'),
  org: Slug.optional().describe('organization, where several have a project of this name'),
  project: Slug.optional(),
  env: EnvironmentSlug.optional().describe('environment; `production` means `prod`'),
  path: FolderPath.optional().describe('folder; the root when absent'),
});
export type RepositoryFile = z.infer<typeof RepositoryFile>;
