import type { Access, Caller, Need } from '../access/access.ts';
import type { Database, Db } from '../database/database.ts';
import { takenAs } from '../database/taken.ts';
import { notFound } from '../refusal.ts';
import { deleteTag, findTags, findTagsBySlug, insertTag, listTags, type TagRow, updateTag } from './store.ts';

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
      this.#change(caller, projectId, 'create', (tx, maker) =>
        insertTag(tx, { projectId, slug, name, color: given.color ?? '', maker }),
      ),
    );
  }

  async update(caller: Caller, projectId: string, id: string, change: TagChange): Promise<TagRow> {
    return takenAs(`tag "${change.slug}" exists already in this project`, () =>
      this.#change(
        caller,
        projectId,
        'edit',
        async (tx) => (await updateTag(tx, projectId, id, change)) ?? missing(id),
      ),
    );
  }

  /** Deletes a tag; the secrets that carried it carry it no longer. */
  async remove(caller: Caller, projectId: string, id: string): Promise<TagRow> {
    return this.#change(caller, projectId, 'delete', async (tx) => (await deleteTag(tx, projectId, id)) ?? missing(id));
  }

  async #change(
    caller: Caller,
    projectId: string,
    action: 'create' | 'edit' | 'delete',
    work: (tx: Db, maker: { readonly id: string; readonly kind: string }) => Promise<TagRow>,
  ): Promise<TagRow> {
    const allowed = await this.#access.project(caller, { id: projectId }, need(action));
    return this.#access.change(allowed, [need(action)], async (tx, audit) => {
      const tag = await work(tx, allowed.actor);
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
