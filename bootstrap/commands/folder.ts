import { FolderPath, Slug } from '../../contracts/names.ts';
import type { Kms } from '../../sdk/index.ts';
import { findRepository } from '../logins/repository-file.ts';
import { UserError } from '../problem.ts';
import { clientOf, findReach, organizationIdOf } from './connection.ts';

/** Which folder a command works on; what is absent, `.kms.yaml` says. */
export interface FolderOptions {
  /** The project's slug. */
  readonly project?: string;
  /** The environment's slug, or an alias of it. */
  readonly env?: string;
  /** The folder. @default - that of .kms.yaml, or the root */
  readonly path?: string;
  /** The organization's slug, where several have a project of this name. */
  readonly org?: string;
  /** Folder in which the local trial keeps its state. */
  readonly state: string;
  /** Print for programs. */
  readonly json?: boolean;
}

/** A folder by the slugs that people write. */
export interface NamedFolder {
  readonly projectSlug: string;
  readonly organizationId?: string;
  readonly environment: string;
  readonly secretPath: string;
}

/** A client, and the folder that a command line and `.kms.yaml` name; the command line wins. @throws UserError when neither names it */
export async function reach(
  environment: NodeJS.ProcessEnv,
  options: FolderOptions,
): Promise<{ kms: Kms; at: NamedFolder }> {
  const repository = await findRepository(process.cwd());
  // Of another project the folder and the organization that the file names say nothing.
  const ours = options.project === undefined || options.project === repository.project;
  const projectSlug = slugOf('--project', options.project ?? repository.project);
  const env = slugOf('--env', options.env ?? repository.env);
  const path = FolderPath.safeParse(options.path ?? ((ours && repository.path) || '/'));
  if (!path.success) throw new UserError(`--path: ${path.error.issues[0]?.message}`);
  const kms = clientOf(await findReach(environment, options.state, repository.url));
  const org = options.org ?? (ours ? repository.org : undefined);
  const organizationId = org === undefined ? undefined : await organizationIdOf(kms, org);
  return {
    kms,
    at: { projectSlug, environment: env, secretPath: path.data, ...(organizationId ? { organizationId } : {}) },
  };
}

function slugOf(option: string, given: string | undefined): string {
  if (given === undefined)
    throw new UserError(
      `${option} is missing`,
      `name it, or put "${option.slice(2)}: …" into a .kms.yaml of the repository`,
    );
  const slug = Slug.safeParse(given);
  if (slug.success) return slug.data;
  throw new UserError(`${option} ${JSON.stringify(given)}: ${slug.error.issues[0]?.message}`);
}
