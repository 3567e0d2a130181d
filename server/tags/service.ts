import type { Access, Caller, Need, ProjectAccess } from '../access/access.ts';
import type { Database, Db } from '../database/database.ts';
import { takenAs } from '../database/taken.ts';
import { notFound } from '../refusal.ts';
import {
  decidesAccess,
  deleteTag,
  findTags,
  findTagsBySlug,
  insertTag,
  listTags,
  type TagRow,
  updateTag,
} from './store.ts';

interface TagChange {
  readonly slug?: string | undefined;
  readonly name?: string | undefined;
  readonly color?: string | null | undefined;
}

/** The tags of a project, which its secrets can carry. Rules may speak of them, so they have a right of their own. */
export class Tags {
  readonly #db: Database;
  readonly #access: Access;

  constructor(options: { db: Database; access: Access }) {
    this.#db = options.db;
    this.#access = options.access;
  }

  async list(caller: Caller, projectId: string): Promise<TagRow[]> {
    await this.#access.project(caller, { id: projectId }, need('read'));
    return listTags(this.#db, projectId);
  }

  async get(caller: Caller, projectId: string, id: string): Promise<TagRow> {
    await this.#access.project(caller, { id: projectId }, need('read'));
    const [tag] = await findTags(this.#db, projectId, [id]);
    return tag ?? missing(id);
  }

  async getBySlug(caller: Caller, projectId: string, slug: string): Promise<TagRow> {
    await this.#access.project(caller, { id: projectId }, need('read'));
    const [tag] = await findTagsBySlug(this.#db, projectId, [slug]);
    return tag ?? missing(slug);
  }

  async create(caller: Caller, projectId: string, given: TagChange & { readonly slug: string }): Promise<TagRow> {
    const { slug, name = slug } = given;
    return takenAs(`tag "${slug}" exists already in this project`, () =>
      this.#change(caller, projectId, 'create', (tx, { actor }) =>
        insertTag(tx, { projectId, slug, name, color: given.color ?? '', maker: actor }),
      ),
    );
  }

  async update(caller: Caller, projectId: string, id: string, change: TagChange): Promise<TagRow> {
    return takenAs(`tag "${change.slug}" exists already in this project`, () =>
      this.#change(caller, projectId, 'edit', async (tx, allowed) => {
        if (change.slug !== undefined) await this.#mayLetGo(tx, allowed, id, change.slug);
        return (await updateTag(tx, projectId, id, change)) ?? missing(id);
      }),
    );
  }

  /** Deletes a tag; the secrets that carried it carry it no longer. */
  async remove(caller: Caller, projectId: string, id: string): Promise<TagRow> {
    return this.#change(caller, projectId, 'delete', async (tx, allowed) => {
      await this.#mayLetGo(tx, allowed, id);
      return (await deleteTag(tx, projectId, id)) ?? missing(id);
    });
  }

  /**
   * Refuses to call a tag otherwise, or to end it, where rules speak of tags and secrets carry it: to who may not read and
   * change them all. A slug is what rules go by, so without it what they forbid is open, and with another what they allow is.
   */
  async #mayLetGo(tx: Db, allowed: ProjectAccess, id: string, slug?: string): Promise<void> {
    const projectId = allowed.project.id;
    const [tag] = await findTags(tx, projectId, [id]);
    if (!tag || tag.slug === slug || !(await decidesAccess(tx, projectId, id))) return;
    for (const action of ['read', 'edit'] as const)
      await this.#access.needEverywhere(allowed, { action, subject: 'secrets' });
  }

  async #change(
    caller: Caller,
    projectId: string,
    action: 'create' | 'edit' | 'delete',
    work: (tx: Db, allowed: ProjectAccess) => Promise<TagRow>,
  ): Promise<TagRow> {
    const allowed = await this.#access.project(caller, { id: projectId }, need(action));
    return this.#access.change(allowed, [need(action)], async (tx, audit, again) => {
      const tag = await work(tx, again);
      const verb = action === 'edit' ? 'update' : action;
      await audit([{ action: verb, event: `${verb}-tag`, metadata: { tagId: tag.id, slug: tag.slug } }]);
      return tag;
    });
  }
}

const need = (action: Need['action']): Need => ({ action, subject: 'tags' });

function missing(idOrSlug: string): never {
  throw notFound(`tag "${idOrSlug}" not found in this project`);
}
