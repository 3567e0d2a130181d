import { z } from 'zod';
import { canonicalEnvironment } from '../../contracts/names.ts';
import { ChangedEnvironmentAnswer, FolderAnswer, ProjectAnswer } from '../../contracts/projects.ts';
import { WrittenSecretsAnswer } from '../../contracts/secrets.ts';
import { TagAnswer } from '../../contracts/tags.ts';
import type { Session } from '../../sdk/session.ts';
import { UserError } from '../problem.ts';
import type { TakenEnvironment, TakenProject, TakenSecret, TakenTag } from './project.ts';

interface Moved {
  readonly from: string;
  readonly to: string;
}

/** Which id each thing had, and which it has: what names ids elsewhere (Terraform, scripts) is changed by it. */
export interface Ids {
  readonly project: Moved;
  readonly environments: readonly (Moved & { readonly slug: string })[];
  readonly tags: readonly (Moved & { readonly slug: string })[];
  readonly secrets: readonly (Moved & {
    readonly environment: string;
    readonly path: string;
    readonly key: string;
    /** The number that each version had there; here they count from 1. */
    readonly versions: readonly number[];
  })[];
}

/** What one request may hold, well below the server's limits. */
const MOST_SECRETS = 500;
const MOST_BYTES = 700_000;

/** Makes the project as it is there. All of it or nothing: what was made is deleted when a part fails. */
export async function makeProject(
  target: Session,
  taken: TakenProject,
  at: { readonly projectSlug: string; readonly organizationId?: string },
): Promise<Ids> {
  const { project } = await target.call({
    ...{ method: 'POST', path: '/api/v1/projects', answer: ProjectAnswer },
    body: {
      ...{ projectName: taken.name, slug: at.projectSlug, projectDescription: taken.description },
      ...{ organizationId: at.organizationId, shouldCreateDefaultEnvs: false },
    },
  });
  try {
    return await new Maker(target, project.id).fill(taken);
  } catch (error) {
    await target.call({ method: 'DELETE', path: `/api/v1/projects/${project.id}`, answer: ProjectAnswer }).catch(() => {
      throw new UserError(
        `the project ${at.projectSlug} is incomplete: ${(error as Error).message}`,
        'delete it, and run the same again',
        error,
      );
    });
    throw error;
  }
}

class Maker {
  readonly #target: Session;
  readonly #projectId: string;

  constructor(target: Session, projectId: string) {
    this.#target = target;
    this.#projectId = projectId;
  }

  async fill({ id, tags, environments }: TakenProject): Promise<Ids> {
    const made = { environments: [] as Ids['environments'][number][], secrets: [] as Ids['secrets'][number][] };
    const tagIds = await this.#tags(tags);
    for (const { id: from, slug, name } of environments) {
      const { environment } = await this.#post(
        `/api/v1/workspace/${this.#projectId}/environments`,
        ChangedEnvironmentAnswer,
        {
          ...{ slug: canonicalEnvironment(slug), name },
        },
      );
      made.environments.push({ from, to: environment.id, slug: environment.slug });
    }
    for (const environment of environments) made.secrets.push(...(await this.#environment(environment, tagIds)));
    // Last: they name folders of any environment.
    for (const environment of environments) await this.#imports(environment);
    return {
      project: { from: id, to: this.#projectId },
      ...made,
      tags: tags.map((tag) => ({ from: tag.id, to: tagIds.get(tag.slug)!, slug: tag.slug })),
    };
  }

  async #tags(tags: readonly TakenTag[]): Promise<Map<string, string>> {
    const ids = new Map<string, string>();
    for (const { slug, name, color } of tags) {
      const path = `/api/v1/projects/${this.#projectId}/tags`;
      ids.set(slug, (await this.#post(path, TagAnswer, { slug, name, color })).tag.id);
    }
    return ids;
  }

  async #environment({ slug, folders }: TakenEnvironment, tagIds: ReadonlyMap<string, string>) {
    const environment = canonicalEnvironment(slug);
    for (const { path } of folders.slice(1)) {
      const [parent, name] = [path.slice(0, path.lastIndexOf('/')) || '/', path.slice(path.lastIndexOf('/') + 1)];
      await this.#post('/api/v1/folders', FolderAnswer, {
        ...{ workspaceId: this.#projectId, environment, path: parent, name },
      });
    }
    const all = folders.flatMap(({ path, secrets }) => secrets.map((secret) => ({ path, secret })));
    const ids: Ids['secrets'][number][] = [];
    for (const some of portionsOf(all)) {
      const made = await this.#versions(environment, some, tagIds);
      for (const { path, secret } of some) {
        const to = made.get(`${path}:${secret.key}`)!;
        const versions = secret.versions.map(({ version }) => version);
        ids.push({ from: secret.id, to, environment, path, key: secret.key, versions });
      }
    }
    return ids;
  }

  /** The first versions of all of them, then the second of those that have one, and so on. */
  async #versions(environment: string, some: readonly Placed[], tagIds: ReadonlyMap<string, string>) {
    const ids = new Map<string, string>();
    const rounds = Math.max(...some.map(({ secret }) => secret.versions.length));
    for (let round = 0; round < rounds; round++) {
      const secrets = some
        .filter(({ secret }) => secret.versions.length > round)
        .map(({ path, secret }) => ({
          ...{ secretKey: secret.key, secretPath: path },
          ...{ secretValue: secret.versions[round]!.value, secretComment: secret.versions[round]!.comment },
          ...(round > 0
            ? {}
            : {
                ...{ secretMetadata: secret.metadata, skipMultilineEncoding: secret.skipMultilineEncoding },
                tagIds: secret.tagSlugs.flatMap((slug) => tagIds.get(slug) ?? []),
              }),
        }));
      const answer = await this.#target.call({
        ...{ method: round === 0 ? 'POST' : 'PATCH', path: '/api/v4/secrets/batch', answer: WrittenSecretsAnswer },
        body: { projectId: this.#projectId, environment, secretPath: '/', secrets },
      });
      if (round === 0)
        for (const { id, secretKey, secretPath } of answer.secrets) ids.set(`${secretPath}:${secretKey}`, id);
    }
    return ids;
  }

  async #imports({ slug, folders }: TakenEnvironment): Promise<void> {
    for (const { path, imports } of folders)
      for (const { environment, path: from } of imports)
        await this.#post('/api/v1/secret-imports', z.unknown(), {
          ...{ workspaceId: this.#projectId, environment: canonicalEnvironment(slug), path },
          import: { environment, path: from },
        });
  }

  #post<Answer>(path: string, answer: z.ZodType<Answer>, body: unknown): Promise<Answer> {
    return this.#target.call({ method: 'POST', path, body, answer });
  }
}

interface Placed {
  readonly path: string;
  readonly secret: TakenSecret;
}

/** As many as go into one request, whichever version of them is sent. */
function portionsOf(all: readonly Placed[]): Placed[][] {
  const portions: Placed[][] = [];
  let bytes = 0;
  for (const placed of all) {
    const size = Math.max(...placed.secret.versions.map((version) => Buffer.byteLength(JSON.stringify(version))));
    const last = portions.at(-1);
    if (last === undefined || last.length === MOST_SECRETS || bytes + size > MOST_BYTES) {
      portions.push([placed]);
      bytes = size;
    } else {
      last.push(placed);
      bytes += size;
    }
  }
  return portions;
}
