import type { WhyPlace, WhySecret } from '../../contracts/why.ts';
import type { FolderAddress, Kms, NamedSecret } from '../../sdk/index.ts';
import type { Gaps } from './gaps.ts';

type Described = Awaited<ReturnType<Kms['secrets']['describe']>>;
type Listed = Described['secrets'][number];

/** A folder by the ids that KMS knows it by. */
export type Folder = Omit<WhyPlace, 'project'>;

/** Levels of imports that KMS itself follows. */
const IMPORTS_AT_MOST = 10;

/** The folders of KMS as the caller may see them, each asked once. */
export class Folders {
  readonly #kms: Kms;
  readonly #gaps: Gaps;
  readonly #asked = new Map<string, Promise<unknown>>();

  constructor(kms: Kms, gaps: Gaps) {
    this.#kms = kms;
    this.#gaps = gaps;
  }

  /** What a folder has and imports, without values; undefined when it may not be seen. */
  describe(at: FolderAddress, recursive = false): Promise<Described | undefined> {
    const part = 'projectId' in at ? placeName(at.environment, at.secretPath) : 'keys and versions';
    return this.#once(`list ${recursive} ${JSON.stringify(at)}`, part, () =>
      this.#kms.secrets.describe(at, { recursive }),
    );
  }

  /** A folder with the slug of its project, where the caller knows it. */
  async place(at: Folder): Promise<WhyPlace> {
    const projects = (await this.#once('projects', 'projects', () => this.#kms.projects.list())) ?? [];
    return { project: projects.find(({ id }) => id === at.projectId)?.slug ?? null, ...at };
  }

  /** Names, versions and writers of a secret that another one names. */
  async secret(named: NamedSecret): Promise<WhySecret> {
    const { key, projectId, environment, secretPath } = named;
    const there = await this.describe({ projectId, environment, secretPath });
    const found = there?.secrets.find(({ secretKey, type }) => secretKey === key && type === 'shared');
    const place = await this.place({ projectId, environment, path: secretPath });
    return found ? shown(found, place) : { key, place, version: null, changedAt: null, changedBy: null };
  }

  /**
   * The folders from the one that a folder imports to the one that has the secret, both among them. What lies between is left out where it
   * may not be seen.
   */
  async way(importer: Folder, first: Omit<Folder, 'projectId'>, last: Folder): Promise<WhyPlace[]> {
    const ways = (await this.#imports(importer)).filter(
      ({ environment, path }) => environment === first.environment && path === first.path,
    );
    for (const from of ways) {
      const way = await this.#search(from, last, importer.projectId, 1);
      if (way) return Promise.all(way.map((at) => this.place(at)));
    }
    const ends = first.environment === last.environment && first.path === last.path ? [] : [{ ...importer, ...first }];
    return Promise.all([...ends, last].map((at) => this.place(at)));
  }

  async #search(from: Folder, last: Folder, projectId: string, depth: number): Promise<Folder[] | undefined> {
    if (isSame(from, last)) return [from];
    // What a folder of another project imports does not come along with it.
    if (depth === IMPORTS_AT_MOST || from.projectId !== projectId) return undefined;
    for (const next of await this.#imports(from)) {
      const rest = await this.#search(next, last, projectId, depth + 1);
      if (rest) return [from, ...rest];
    }
    return undefined;
  }

  /** The later first: of two that have a key it counts. */
  async #imports(of: Folder): Promise<Folder[]> {
    const { projectId, environment, path } = of;
    const imports = await this.#once(`imports ${nameOf(of)}`, `what ${placeName(environment, path)} imports`, () =>
      this.#kms.projects.imports({ projectId, environment, path }),
    );
    return (imports ?? []).toReversed().map(({ importProjectId, importEnv, importPath }) => ({
      projectId: importProjectId,
      environment: importEnv.slug,
      path: importPath,
    }));
  }

  #once<Answer>(key: string, part: string, ask: () => Promise<Answer>): Promise<Answer | undefined> {
    const asked = this.#asked.get(key) ?? this.#gaps.ask(part, ask);
    this.#asked.set(key, asked);
    return asked as Promise<Answer | undefined>;
  }
}

/** `prod:/db`, as references have it. */
export const placeName = (environment: string, path = '/') => `${environment}:${path}`;

const nameOf = ({ projectId, environment, path }: Folder) => `${projectId} ${environment} ${path}`;
const isSame = (a: Folder, b: Folder) => nameOf(a) === nameOf(b);

/** A secret as a list shows it. */
export function shown({ secretKey, version, updatedAt, actor }: Listed, place: WhyPlace): WhySecret {
  return { key: secretKey, place, version, changedAt: updatedAt, changedBy: actor?.name ?? actor?.actorId ?? null };
}
