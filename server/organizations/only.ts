import type { Db } from '../database/database.ts';
import { badRequest, notFound } from '../refusal.ts';
import { organizationsOf } from './store.ts';

/** The organization that is meant when none is named: the only one there is for the caller. */
export async function onlyOrganization(db: Db, actor: Parameters<typeof organizationsOf>[1]): Promise<string> {
  const organizations = await organizationsOf(db, actor);
  if (organizations.length === 1) return organizations[0]!.id;
  const slugs = organizations.map(({ slug }) => slug).join(', ');
  throw badRequest(`name the organization by organizationId: you belong to ${slugs || 'none'}`);
}

/** The organization of this slug, among those of the caller; one of strangers is not there. */
export async function organizationOfSlug(
  db: Db,
  actor: Parameters<typeof organizationsOf>[1],
  slug: string,
): Promise<string> {
  const found = (await organizationsOf(db, actor)).find((organization) => organization.slug === slug);
  if (!found) throw notFound(`organization "${slug}" not found`);
  return found.id;
}
