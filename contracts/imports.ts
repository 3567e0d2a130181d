import { z } from 'zod';
import { Timestamp } from './http.ts';
import { EnvironmentSlug, FolderPath, orAbsent, Uuid } from './names.ts';

/** Imports of folders (Infisical's `/api/v2/secret-imports` and the older `v1`), and folders shared with other projects. */

const address = {
  workspaceId: orAbsent(Uuid),
  projectId: orAbsent(Uuid),
  environment: EnvironmentSlug,
  path: orAbsent(FolderPath),
};
const addressed = <Shape extends z.ZodRawShape>(more: Shape) =>
  z.object({ ...address, ...more }).transform((given, context) => {
    const { projectId, workspaceId, path } = given as z.infer<z.ZodObject<typeof address>>;
    const id = projectId ?? workspaceId;
    if (id !== undefined) return { ...given, projectId: id, path: path ?? '/' };
    const message = 'name the project: projectId (or workspaceId)';
    context.addIssue({ code: 'custom', path: ['projectId'], message });
    return z.NEVER;
  });

export const CreateImportBody = addressed({
  import: z.object({
    environment: EnvironmentSlug,
    path: FolderPath,
    projectId: orAbsent(Uuid).describe('of another project of the organization, which shares the folder with this one'),
  }),
  isReplication: z.boolean().default(false),
});
export const UpdateImportBody = addressed({
  import: z.object({
    environment: orAbsent(EnvironmentSlug),
    path: orAbsent(FolderPath),
    position: z
      .number()
      .int()
      .min(1)
      .max(10_000)
      .optional()
      .describe('1 is the first; of two imports with one key, the later wins'),
  }),
});
export const DeleteImportBody = addressed({});
export const ListImportsQuery = addressed({});
export const ImportIdParams = z.object({ secretImportId: Uuid });

const NamedEnvironment = z.object({ id: Uuid, slug: z.string(), name: z.string() });

export const SecretImport = z.object({
  id: Uuid,
  version: z.number().int(),
  importPath: z.string(),
  importEnv: NamedEnvironment,
  importProjectId: Uuid.describe('the project of the imported folder; mostly the very project'),
  isActive: z.boolean().describe('false while the other project does not share the folder: nothing is read through it'),
  position: z.number().int(),
  folderId: Uuid,
  isReplication: z.boolean(),
  isReplicationSuccess: z.boolean().nullable(),
  replicationStatus: z.string().nullable(),
  lastReplicated: z.string().nullable(),
  isReserved: z.boolean(),
  createdAt: Timestamp,
  updatedAt: Timestamp,
});
export type SecretImport = z.infer<typeof SecretImport>;

export const ImportAnswer = z.object({ message: z.string(), secretImport: SecretImport });
export const ImportsAnswer = z.object({ message: z.string(), secretImports: z.array(SecretImport) });
export const PlacedImportAnswer = z.object({
  secretImport: SecretImport.extend({ projectId: Uuid, environment: NamedEnvironment, secretPath: z.string() }),
});

export const ShareFolderBody = z.object({
  environment: EnvironmentSlug,
  path: FolderPath.default('/'),
  targetProjectId: Uuid.describe('the project, of the same organization, that may import the folder'),
});
export const ShareParams = z.object({ projectId: Uuid, shareId: Uuid });

export const FolderShare = z.object({
  id: Uuid,
  projectId: Uuid,
  projectSlug: z.string(),
  environment: z.string(),
  path: z.string(),
  folderId: Uuid,
  targetProjectId: Uuid,
  targetProjectSlug: z.string(),
  createdAt: Timestamp,
});
export type FolderShare = z.infer<typeof FolderShare>;
export const ShareAnswer = z.object({ folderShare: FolderShare });
export const SharesAnswer = z.object({ folderShares: z.array(FolderShare) });
