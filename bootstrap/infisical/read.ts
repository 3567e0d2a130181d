import { z } from 'zod';
import { pathProblem } from '../../contracts/name-rules.ts';
import { HIDDEN_VALUE } from '../../contracts/secrets.ts';
import { KmsRefusal } from '../../sdk/index.ts';
import type { Session } from '../../sdk/session.ts';
import { UserError } from '../problem.ts';
import type { TakenEnvironment, TakenFolder, TakenProject, TakenSecret, TakenVersion } from './project.ts';

/**
 * What is needed of the answers of an instance, by the addresses that all versions of Infisical have since 2024 and machines may
 * ask. Ours are stricter: what others send is taken as it is.
 */
const ProjectAnswer = z.object({
  id: z.string(),
  name: z.string(),
  slug: z.string(),
  description: z.string().nullish(),
  environments: z.array(z.object({ id: z.string(), slug: z.string(), name: z.string() })),
});
const FoldersAnswer = z.object({ folders: z.array(z.object({ name: z.string() })) });
const TagsAnswer = z.object({
  workspaceTags: z.array(
    z.object({ id: z.string(), slug: z.string(), name: z.string().nullish(), color: z.string().nullish() }),
  ),
});
const ImportsAnswer = z.object({
  secretImports: z.array(
    z.object({
      importPath: z.string(),
      importEnv: z.object({ slug: z.string() }),
      importProjectId: z.string().nullish(),
      position: z.number(),
      isReplication: z.boolean().nullish(),
    }),
  ),
});
const FoundSecret = z.object({
  id: z.string(),
  version: z.number(),
  type: z.string(),
  secretKey: z.string(),
  secretValue: z.string(),
  secretValueHidden: z.boolean().nullish(),
  secretComment: z.string().nullish(),
  skipMultilineEncoding: z.boolean().nullish(),
  tags: z.array(z.object({ slug: z.string() })).nullish(),
  secretMetadata: z
    .array(z.object({ key: z.string(), value: z.string().nullish(), isEncrypted: z.boolean().nullish() }))
    .nullish(),
});
type FoundSecret = z.infer<typeof FoundSecret>;
const SecretsAnswer = z.object({ secrets: z.array(FoundSecret) });
const SecretAnswer = z.object({ secret: FoundSecret });

interface Place {
  readonly workspaceId: string;
  readonly environment: string;
  readonly path: string;
}

/** Reads a whole project. @throws UserError that names the secrets whose value may not be read: half a project is none */
export async function readProject(source: Session, slug: string): Promise<TakenProject> {
  const found = await source.call({ method: 'GET', path: `/api/v2/workspace/${slug}`, answer: ProjectAnswer });
  const { workspaceTags } = await source.call({
    method: 'GET',
    path: `/api/v1/workspace/${found.id}/tags`,
    answer: TagsAnswer,
  });
  const reader = new Reader(source, found.id);
  const environments: TakenEnvironment[] = [];
  for (const environment of found.environments)
    environments.push({ ...environment, folders: await reader.foldersOf(environment.slug) });
  if (reader.hidden.length > 0)
    throw new UserError(
      `the token may know of ${reader.hidden.join(', ')} and not read the value; nothing was changed`,
      'use the token of an admin of that project',
    );
  return {
    ...{ id: found.id, name: found.name, slug: found.slug, description: found.description ?? '' },
    tags: workspaceTags.map(({ name, color, ...tag }) => ({ ...tag, name: name ?? tag.slug, color: color ?? '' })),
    environments,
    leftOut: reader.leftOut,
  };
}

class Reader {
  readonly hidden: string[] = [];
  readonly leftOut: string[] = [];
  readonly #source: Session;
  readonly #projectId: string;

  constructor(source: Session, projectId: string) {
    this.#source = source;
    this.#projectId = projectId;
  }

  /** The root and all below it, one level after the other. */
  async foldersOf(environment: string): Promise<TakenFolder[]> {
    const folders: TakenFolder[] = [];
    const paths = ['/'];
    for (const path of paths) {
      // Here before it is asked for: one that is within itself would be read without end.
      const problem = pathProblem(path);
      if (problem !== undefined)
        throw new UserError(
          `folder ${path} of ${environment}: ${problem}; nothing was changed`,
          'change it there first',
        );
      const place = { workspaceId: this.#projectId, environment, path };
      folders.push({ path, secrets: await this.#secretsOf(place), imports: await this.#importsOf(place) });
      const call = { method: 'GET', path: '/api/v1/folders', query: place, answer: FoldersAnswer } as const;
      const below = (await this.#source.call(call)).folders;
      paths.push(...below.map(({ name }) => `${path === '/' ? '' : path}/${name}`));
    }
    return folders;
  }

  async #importsOf(place: Place): Promise<TakenFolder['imports']> {
    const call = { method: 'GET', path: '/api/v1/secret-imports', query: { ...place }, answer: ImportsAnswer } as const;
    const { secretImports } = await this.#source.call(call);
    const ours = secretImports.filter(({ importProjectId, isReplication, importPath }) => {
      const why = isReplication
        ? 'a copy that follows another folder'
        : importProjectId && importProjectId !== this.#projectId
          ? 'of another project'
          : undefined;
      if (why) this.leftOut.push(`the import of ${importPath} into ${place.environment} ${place.path}: it is ${why}`);
      return why === undefined;
    });
    return ours
      .toSorted((a, b) => a.position - b.position)
      .map(({ importEnv, importPath }) => ({ environment: importEnv.slug, path: importPath }));
  }

  async #secretsOf(place: Place): Promise<TakenSecret[]> {
    const { secrets } = await this.#source.call({
      ...{ method: 'GET', path: '/api/v3/secrets/raw', answer: SecretsAnswer },
      query: this.#asWritten(place),
    });
    const taken: TakenSecret[] = [];
    for (const found of secrets) {
      const name = `${found.secretKey} in ${place.environment} ${place.path}`;
      if (found.type !== 'shared') this.leftOut.push(`a personal value of ${name}`);
      else if (isHidden(found)) this.hidden.push(name);
      else taken.push(await this.#withHistory(found, place));
    }
    return taken;
  }

  async #withHistory(found: FoundSecret, place: Place): Promise<TakenSecret> {
    const versions: TakenVersion[] = [];
    for (let version = 1; version < found.version; version++) {
      const earlier = await this.#version(found.secretKey, version, place);
      if (earlier) versions.push(versionOf(earlier, version));
      else this.leftOut.push(`version ${version} of ${found.secretKey} in ${place.environment} ${place.path}`);
    }
    return {
      ...{ id: found.id, key: found.secretKey, versions: [...versions, versionOf(found, found.version)] },
      tagSlugs: (found.tags ?? []).map(({ slug }) => slug),
      metadata: (found.secretMetadata ?? []).map(({ key, value, isEncrypted }) => ({
        ...{ key, value: value ?? '', isEncrypted: isEncrypted === true },
      })),
      skipMultilineEncoding: found.skipMultilineEncoding === true,
    };
  }

  /** An earlier version by the secret's name; instances keep ten, and list them to people alone. */
  async #version(key: string, version: number, place: Place): Promise<FoundSecret | undefined> {
    try {
      const { secret } = await this.#source.call({
        ...{ method: 'GET', path: `/api/v3/secrets/raw/${encodeURIComponent(key)}`, answer: SecretAnswer },
        query: { ...this.#asWritten(place), version },
      });
      return isHidden(secret) ? undefined : secret;
    } catch (error) {
      if (error instanceof KmsRefusal && [400, 403, 404].includes(error.status)) return undefined;
      throw error;
    }
  }

  #asWritten({ workspaceId, environment, path }: Place) {
    const plain = { expandSecretReferences: false, include_imports: false, viewSecretValue: true };
    return { workspaceId, environment, secretPath: path, ...plain };
  }
}

const isHidden = ({ secretValueHidden, secretValue }: FoundSecret) =>
  secretValueHidden === true || secretValue === HIDDEN_VALUE;

const versionOf = ({ secretValue, secretComment }: FoundSecret, version: number): TakenVersion => ({
  ...{ version, value: secretValue, comment: secretComment ?? '' },
});
