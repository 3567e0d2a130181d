import { canonicalEnvironment, canonicalPath, pathProblem, slugProblem } from '../../contracts/name-rules.ts';
import type { Kms } from '../../sdk/kms.ts';
import { type KmsOptions, openSession } from '../../sdk/open.ts';
import type { Session } from '../../sdk/session.ts';
import { organizationIdOf, organizationsOf } from '../logins/organization.ts';
import { findReach, withCredentials } from '../logins/reach.ts';
import { findRepository } from '../logins/repository-file.ts';
import { UserError } from '../problem.ts';

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

/** Who asks, and the folder that a command line and `.kms.yaml` name; the command line wins. @throws UserError when neither names it */
export async function findFolder(
  environment: NodeJS.ProcessEnv,
  options: FolderOptions,
): Promise<{ client: KmsOptions; session: Session; at: NamedFolder }> {
  const repository = await findRepository(process.cwd());
  // Of another project the folder and the organization that the file names say nothing.
  const ours = options.project === undefined || options.project === repository.project;
  const projectSlug = slugOf('--project', options.project ?? repository.project);
  const env = canonicalEnvironment(slugOf('--env', options.env ?? repository.env));
  const path = options.path ?? ((ours && repository.path) || '/');
  const problem = pathProblem(path);
  if (problem !== undefined) throw new UserError(`--path: ${problem}`);
  const client = withCredentials(await findReach(environment, options.state, repository.url));
  const session = openSession(client);
  const org = options.org ?? (ours ? repository.org : undefined);
  const organizationId = org === undefined ? undefined : await organizationIdOf(organizationsOf(session), org);
  return {
    client,
    session,
    at: {
      projectSlug,
      environment: env,
      secretPath: canonicalPath(path),
      ...(organizationId ? { organizationId } : {}),
    },
  };
}

/** The same with a client of everything. */
export async function reach(
  environment: NodeJS.ProcessEnv,
  options: FolderOptions,
): Promise<{ kms: Kms; at: NamedFolder }> {
  const { client, at } = await findFolder(environment, options);
  // Loaded here: kms run does without it.
  const { Kms } = await import('../../sdk/kms.ts');
  return { kms: new Kms(client), at };
}

function slugOf(option: string, given: string | undefined): string {
  if (given === undefined)
    throw new UserError(
      `${option} is missing`,
      `name it, or put "${option.slice(2)}: …" into a .kms.yaml of the repository`,
    );
  const problem = slugProblem(given);
  if (problem === undefined) return given;
  throw new UserError(`${option} ${JSON.stringify(given)}: ${problem}`);
}
