import { canonicalEnvironment } from '../../contracts/name-rules.ts';
import { addressQuery, SECRETS_PATH } from '../../sdk/address.ts';
import { openSession } from '../../sdk/open.ts';
import { listOf, object, readerOf, text } from '../../sdk/shape.ts';
import { organizationIdOf, organizationsOf } from '../logins/organization.ts';
import { findReach, withCredentials } from '../logins/reach.ts';
import { findRepository } from '../logins/repository-file.ts';

/** What only KMS knows. */
export type Live = 'project' | 'environment' | 'folder' | 'organization' | 'key';

/** Somebody waits at a prompt: what is not there by then is not offered. */
const PATIENCE = { retries: 0, timeoutMs: 2_000 } as const;

const slugs = object({ slug: text });
const ProjectsAnswer = readerOf<{
  readonly projects: readonly {
    readonly id: string;
    readonly slug: string;
    readonly environments: readonly { slug: string }[];
  }[];
}>(object({ projects: listOf(object({ id: text, slug: text, environments: listOf(slugs) })) }));
const FoldersAnswer = readerOf<{ readonly folders: readonly { readonly name: string }[] }>(
  object({ folders: listOf(object({ name: text })) }),
);
const KeysAnswer = readerOf<{ readonly secrets: readonly { readonly secretKey: string }[] }>(
  object({ secrets: listOf(object({ secretKey: text })) }),
);

/**
 * Names that KMS knows, as the options before the cursor and `.kms.yaml` say where. No value is asked for.
 *
 * @param begun what is begun at the cursor: of folders, those beside it are told
 */
export async function liveNames(
  live: Live,
  environment: NodeJS.ProcessEnv,
  given: Readonly<Record<string, string>>,
  begun: string,
): Promise<string[]> {
  const repository = await findRepository(process.cwd());
  const client = withCredentials(await findReach(environment, given.state ?? '.kms', repository.url));
  const session = openSession({ ...client, ...PATIENCE });
  const seen = organizationsOf(session);
  if (live === 'organization') return (await seen.list()).map(({ slug }) => slug);
  const slug = given.project ?? repository.project;
  const ours = slug === repository.project;
  const org = given.org ?? (ours ? repository.org : undefined);
  const organizationId = org === undefined ? undefined : await organizationIdOf(seen, org);
  const projects = async () => {
    const path = '/api/v1/projects';
    return (await session.call({ method: 'GET', path, query: { organizationId }, answer: ProjectsAnswer })).projects;
  };
  if (live === 'project') return (await projects()).map((project) => project.slug);
  if (slug === undefined) return [];
  const project = async () => (await projects()).find((each) => each.slug === slug);
  if (live === 'environment') return ((await project())?.environments ?? []).map((each) => each.slug);
  const env = given.env ?? repository.env;
  if (env === undefined) return [];
  if (live === 'folder') {
    const parent = begun.startsWith('/') ? begun.slice(0, begun.lastIndexOf('/') + 1) : '/';
    const id = (await project())?.id;
    const query = { workspaceId: id, environment: canonicalEnvironment(env), path: parent };
    if (id === undefined) return [];
    const { folders } = await session.call({ method: 'GET', path: '/api/v1/folders', query, answer: FoldersAnswer });
    return folders.map(({ name }) => `${parent}${name}`);
  }
  const secretPath = given.path ?? (ours ? repository.path : undefined) ?? '/';
  const at = { projectSlug: slug, ...(organizationId ? { organizationId } : {}), environment: env, secretPath };
  const query = { ...addressQuery(at), viewSecretValue: false };
  const { secrets } = await session.call({ method: 'GET', path: SECRETS_PATH, query, answer: KeysAnswer });
  return secrets.map(({ secretKey }) => secretKey);
}
