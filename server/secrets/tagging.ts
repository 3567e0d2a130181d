import type { Db } from '../database/database.ts';
import { notFound } from '../refusal.ts';
import { findTags, findTagsBySlug } from '../tags/store.ts';
import type { SecretTag } from './store.ts';

interface Tagged {
  readonly tagIds?: readonly string[] | null | undefined;
}

/** The tags that secrets of a batch name, by their ids; one that the project does not have is a 404 for the whole batch. */
export async function tagsById(tx: Db, projectId: string, items: readonly Tagged[]): Promise<Map<string, SecretTag>> {
  const ids = [...new Set(items.flatMap(({ tagIds }) => tagIds ?? []))];
  if (ids.length === 0) return new Map();
  const found = new Map(
    (await findTags(tx, projectId, ids)).map(({ id, slug, name, color }) => [id, { id, slug, name, color }]),
  );
  refuseMissing(ids.filter((id) => !found.has(id)));
  return found;
}

/** As `tagsById`, by the slugs. */
export async function tagsBySlug(tx: Db, projectId: string, slugs: readonly string[]): Promise<readonly SecretTag[]> {
  const found = await findTagsBySlug(tx, projectId, slugs);
  refuseMissing(slugs.filter((slug) => !found.some((tag) => tag.slug === slug)));
  return found;
}

function refuseMissing(missing: readonly string[]): void {
  if (missing.length > 0) throw notFound(`tag "${missing.join('", "')}" not found in this project`);
}
