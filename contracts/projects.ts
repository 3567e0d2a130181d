import { z } from 'zod';
import { emptyBody, Instant, Timestamp } from './http.ts';
import {
  DisplayName,
  EnvironmentSlug,
  FolderName,
  FolderPath,
  FreeText,
  isEnvironmentAlias,
  orAbsent,
  QueryBoolean,
  Slug,
  Uuid,
} from './names.ts';
import { ListedProjectRole } from './project-roles.ts';

/** Projects, their environments and folders: Infisical's `/api/v1/projects`, the older `workspace` routes, `/api/v1/folders`. */

export const ProjectEnvironment = z.object({ id: Uuid, slug: z.string(), name: z.string() });

/** What a reference in a value that leads nowhere does: it fails the read, or stays as it is written (as with Infisical). */
export const UnresolvedReferences = z.enum(['error', 'keep']);
export type UnresolvedReferences = z.infer<typeof UnresolvedReferences>;

export const Project = z.object({
  id: Uuid,
  _id: Uuid,
  name: z.string(),
  slug: z.string(),
  description: z.string(),
  type: z.literal('secret-manager'),
  orgId: Uuid,
  autoCapitalization: z.boolean().describe('names of new secrets have to be in upper case'),
  pitVersionLimit: z
    .number()
    .int()
    .describe("versions of each secret that are kept; 10, Infisical's default, where all are"),
  keepsAllVersions: z.boolean().describe('nobody has set a limit: histories are whole'),
  auditLogsRetentionDays: z.number().int().nullable().describe('null: as long as the instance keeps its audit'),
  version: z.number().int(),
  upgradeStatus: z.null(),
  kmsCertificateKeyId: z.null(),
  kmsSecretManagerKeyId: z.null().optional().describe('each project has a key of its own, which is not named'),
  hasDeleteProtection: z.boolean(),
  unresolvedReferences: UnresolvedReferences,
  createdAt: Timestamp,
  updatedAt: Timestamp,
  environments: z.array(ProjectEnvironment),
});
export type Project = z.infer<typeof Project>;

export const ProjectIdParams = z.object({ projectId: Uuid });
export const ProjectSlugParams = z.object({ slug: Slug });
/** A project by its id or its slug: Infisical's routes of single settings differ in which they take. */
export const ProjectIdOrSlug = z.union([Uuid, Slug]);

const VersionLimit = z.number().int().min(1).max(100);
const RetentionDays = z.number().int().min(0).max(36_500);
/** Infisical has other products; there is one here. */
const ProjectType = z.literal('secret-manager', { error: 'there is one type of project here: "secret-manager"' });
const Template = z.literal('default', { error: 'there are no project templates here besides "default"' });

export const CreateProjectBody = z.object({
  projectName: DisplayName,
  slug: orAbsent(Slug).describe('made from the name when absent'),
  projectDescription: FreeText(1024).nullish(),
  organizationId: orAbsent(Uuid).describe('needed only of callers in several organizations'),
  organizationSlug: orAbsent(Slug).describe('the organization by its slug, in place of its id'),
  type: orAbsent(ProjectType),
  template: orAbsent(Template),
  shouldCreateDefaultEnvs: z.boolean().default(true).describe('dev, staging and prod (HIP-27, "Environments")'),
  hasDeleteProtection: z.boolean().default(false),
});
export type CreateProjectBody = z.infer<typeof CreateProjectBody>;

export const UpdateProjectBody = z.object({
  name: orAbsent(DisplayName),
  slug: orAbsent(Slug),
  description: FreeText(1024).nullish(),
  autoCapitalization: z.boolean().optional(),
  pitVersionLimit: VersionLimit.nullish().describe('null: keep all versions'),
  auditLogsRetentionDays: RetentionDays.nullish().describe('null or 0: as long as the instance keeps its audit'),
  hasDeleteProtection: z.boolean().optional(),
  unresolvedReferences: UnresolvedReferences.optional(),
});
export type UpdateProjectBody = z.infer<typeof UpdateProjectBody>;

/** The bodies of the routes that change one setting each. */
export const ProjectNameBody = z.object({ name: DisplayName });
export const AutoCapitalizationBody = z.object({ autoCapitalization: z.boolean() });
export const DeleteProtectionBody = z.object({ hasDeleteProtection: z.boolean() });
export const VersionLimitBody = z.object({ pitVersionLimit: VersionLimit });
export const AuditRetentionBody = z.object({ auditLogsRetentionDays: RetentionDays });

const PAGE = 1000;
export const ListProjectsQuery = z.object({
  organizationId: orAbsent(Uuid),
  orgId: orAbsent(Uuid),
  type: orAbsent(ProjectType),
  includeRoles: QueryBoolean.describe('shows the roles of each project too, to those who may invite people'),
  offset: orAbsent(z.coerce.number().int().min(0).max(1_000_000)),
  limit: orAbsent(z.coerce.number().int().min(1).max(PAGE)).describe('all of them when absent'),
});
export const SearchProjectsBody = emptyBody(
  z.object({
    name: orAbsent(DisplayName).describe('a part of the name, in any case'),
    projectIds: z.array(Uuid).max(PAGE).nullish(),
    type: orAbsent(ProjectType),
    orderBy: orAbsent(z.literal('name')),
    orderDirection: orAbsent(z.enum(['asc', 'desc'])),
    offset: z.number().int().min(0).max(1_000_000).default(0),
    limit: z.number().int().min(1).max(PAGE).default(100),
  }),
);
export type SearchProjects = z.infer<typeof SearchProjectsBody>;
export const ProjectSlugQuery = z.object({ organizationId: orAbsent(Uuid) });

export const ProjectAnswer = z.object({ project: Project });
export const ProjectsAnswer = z.object({
  projects: z.array(Project.extend({ roles: z.array(ListedProjectRole).optional() })),
});
export const WorkspaceAnswer = z.object({ workspace: Project });
export const ChangedProjectAnswer = ProjectAnswer.extend({ message: z.string() });
export const ChangedWorkspaceAnswer = WorkspaceAnswer.extend({ message: z.string() });
export const FoundProjectsAnswer = z.object({
  projects: z.array(Project.extend({ isMember: z.boolean() })),
  totalCount: z.number().int(),
});
export const WorkspacesAnswer = z.object({ workspaces: z.array(Project) });
export const WorkspacesOfOrganizationAnswer = z.object({
  workspaces: z.array(Project.extend({ organization: Uuid.describe('its id') })),
});

export const Environment = z.object({
  id: Uuid,
  name: z.string(),
  slug: z.string(),
  position: z.number().int(),
  projectId: Uuid,
  createdAt: Timestamp,
  updatedAt: Timestamp,
});

/** A slug under which an environment can be made: `production` is taken, it names `prod`. */
const NewEnvironmentSlug = Slug.refine((slug) => !isEnvironmentAlias(slug), {
  message: 'this slug is an alias of the environment "prod", which every project can have only once',
});

const Position = z
  .number()
  .int()
  .min(1)
  .max(10_000)
  .optional()
  .describe('from 1; the others make room, and there are no gaps');

export const CreateEnvironmentBody = z.object({ name: DisplayName, slug: NewEnvironmentSlug, position: Position });
export const UpdateEnvironmentBody = z.object({
  name: orAbsent(DisplayName),
  slug: orAbsent(NewEnvironmentSlug),
  position: Position,
  allowBrokenReferences: z
    .boolean()
    .optional()
    .describe('rename although references within values name the old slug; they lead nowhere until they are changed'),
});
export type UpdateEnvironmentBody = z.infer<typeof UpdateEnvironmentBody>;
export const EnvironmentParams = ProjectIdParams.extend({ environmentId: Uuid });
export const EnvironmentIdParams = z.object({ environmentId: Uuid });
export const EnvironmentAnswer = z.object({ environment: Environment });
export const EnvironmentsAnswer = z.object({ environments: z.array(Environment) });
export const ChangedEnvironmentAnswer = z.object({
  message: z.string(),
  projectId: Uuid,
  workspace: Uuid.describe('the same, as older clients call it'),
  environment: Environment,
  brokenReferences: z
    .array(z.object({ environment: z.string(), secretPath: z.string(), secretKey: z.string() }))
    .optional()
    .describe('after a rename: secrets whose values still name the old slug, as far as the caller may read them'),
  otherBrokenReferences: z.number().int().optional().describe('how many there are besides those'),
});

export const Folder = z.object({
  id: Uuid,
  name: z.string(),
  path: z.string(),
  description: z.string().nullable(),
  version: z.number().int(),
  envId: Uuid,
  parentId: Uuid.nullable(),
  isReserved: z.boolean(),
  lastSecretModified: Timestamp.nullable().describe(
    'when a secret in it, not below it, was last made, changed or deleted',
  ),
  createdAt: Timestamp,
  updatedAt: Timestamp,
});

/** The project that a request is about; each route says which of the ways to name it are open. */
const projectNames = { workspaceId: orAbsent(Uuid), projectId: orAbsent(Uuid), projectSlug: orAbsent(Slug) };
const folderPlace = { environment: EnvironmentSlug, path: orAbsent(FolderPath), directory: orAbsent(FolderPath) };
const pathOf = (given: { readonly path?: string | undefined; readonly directory?: string | undefined }) =>
  given.path ?? given.directory ?? '/';

const addressed = <Shape extends z.ZodRawShape>(more: Shape) =>
  z
    .object({ workspaceId: projectNames.workspaceId, projectId: projectNames.projectId, ...folderPlace, ...more })
    .transform((given, context) => {
      const address = given as z.infer<z.ZodObject<typeof projectNames & typeof folderPlace>>;
      const projectId = address.projectId ?? address.workspaceId;
      if (projectId === undefined) {
        context.addIssue({
          code: 'custom',
          path: ['projectId'],
          message: 'name the project: projectId (or workspaceId)',
        });
        return z.NEVER;
      }
      return { ...given, projectId, path: pathOf(address) };
    });

/** The word is also what a folder can be called. */
const NO_LIST = { error: 'a list of folders; one folder that is called "batch" is named by its id' };

/** Several folders of one project, in any of its environments. */
const several = <Item extends z.ZodType>(item: Item) =>
  z
    .object({ ...projectNames, folders: z.array(item, NO_LIST).min(1).max(100) })
    .transform(({ projectId, workspaceId, projectSlug, folders }, context) => {
      const id = projectId ?? workspaceId;
      if (id === undefined && projectSlug === undefined) {
        context.addIssue({
          code: 'custom',
          path: ['projectId'],
          message: 'name the project: projectId (or workspaceId, or projectSlug)',
        });
        return z.NEVER;
      }
      return { project: id === undefined ? { slug: projectSlug } : { id }, folders };
    });
const placed = <Shape extends z.ZodRawShape>(more: Shape) =>
  z.object({ ...folderPlace, ...more }).transform((given) => ({
    ...given,
    path: pathOf(given as z.infer<z.ZodObject<typeof folderPlace>>),
  }));

const FolderDescription = FreeText(255).nullish();
const IdOrName = z.union([Uuid, FolderName]);

export const CreateFolderBody = addressed({ name: FolderName, description: FolderDescription });
export const ListFoldersQuery = addressed({
  recursive: QueryBoolean,
  lastSecretModified: orAbsent(Instant).describe('only folders in which a secret was changed since'),
  offset: orAbsent(z.coerce.number().int().min(0).max(1_000_000)),
  limit: orAbsent(z.coerce.number().int().min(1).max(PAGE)).describe('all of them when absent'),
});
export const UpdateFolderBody = addressed({
  name: FolderName,
  description: FolderDescription.describe('absent: as it is; null: none'),
});
export const DeleteFolderBody = addressed({});
export const CreateFoldersBody = several(placed({ name: FolderName, description: FolderDescription }));
export const UpdateFoldersBody = several(placed({ id: IdOrName, name: FolderName, description: FolderDescription }));
export const DeleteFoldersBody = several(placed({ id: IdOrName.describe("a folder's id, or its name at the path") }));
export const FolderIdParams = z.object({ folderId: Uuid });
/** The path is one segment of the address: `%2Fapp%2Fdb`, or without the first slash. */
export const FolderPathParams = z.object({
  projectId: Uuid,
  environment: EnvironmentSlug,
  path: z.preprocess(
    (given) => (typeof given === 'string' && !given.startsWith('/') ? `/${given}` : given),
    FolderPath,
  ),
});
export const FolderIdOrNameParams = z.object({ folderId: IdOrName });
export const FolderAnswer = z.object({ folder: Folder });
/** One folder by its id: says where it is, too. */
export const PlacedFolderAnswer = z.object({
  folder: Folder.extend({
    projectId: Uuid,
    environment: z.object({ envId: Uuid, envName: z.string(), envSlug: z.string() }),
  }),
});
export const FoldersAnswer = z.object({ folders: z.array(Folder) });
export const ListedFoldersAnswer = z.object({
  folders: z.array(
    Folder.extend({ relativePath: z.string().optional().describe('of a recursive list: from the folder asked for') }),
  ),
});
/** By the slug of each environment. */
export const FolderTreeAnswer = z.record(z.string(), Environment.extend({ folders: z.array(Folder) }));
