import type { ProjectAccess } from '../access/access.ts';
import type { Db } from '../database/database.ts';
import type { Keyring } from '../keyring/keyring.ts';
import { conflict } from '../refusal.ts';
import { referencesTo } from '../secrets/dependents.ts';
import { sightOf } from '../secrets/visibility.ts';
import { projectsWithShares } from './store.ts';

/** References that still name an environment by the slug that it had. */
export interface BrokenReferences {
  /** Those whose values the caller may read. */
  readonly seen: readonly { readonly environment: string; readonly secretPath: string; readonly secretKey: string }[];
  /** How many there are besides: elsewhere in the project, and in projects that it shares folders with. */
  readonly others: number;
}

/**
 * The references that a rename would leave behind. They stand within sealed values, and a value is written by those who may
 * write it: a rename does not touch them.
 */
export async function brokenBy(
  tx: Db,
  keyring: Keyring,
  { project, rights, actor }: ProjectAccess,
  environmentId: string,
  slug: string,
): Promise<BrokenReferences> {
  const here = await referencesTo(
    tx,
    keyring,
    project.id,
    ({ projectSlug = project.slug, environment }) => projectSlug === project.slug && environment === slug,
  );
  // Somebody's own value is nothing that others are told of.
  const own = (ownerId?: string) => ownerId === undefined || ownerId === actor.id;
  const seen = here.filter((spot) => own(spot.ownerId) && sightOf(rights, spot) === 'value');
  let others = here.length - seen.length;
  for (const projectId of await projectsWithShares(tx, environmentId)) {
    const there = await referencesTo(
      tx,
      keyring,
      projectId,
      ({ projectSlug, environment }) => projectSlug === project.slug && environment === slug,
    );
    others += there.length;
  }
  const shown = seen.map(({ environment, path: secretPath, key: secretKey }) => ({
    environment,
    secretPath,
    secretKey,
  }));
  return { seen: shown, others };
}

const SHOWN = 20;

/** A rename is refused until its maker has said that the references it leaves behind may fail. */
export function refuseBroken(slug: string, { seen, others }: BrokenReferences): void {
  const count = seen.length + others;
  if (count === 0) return;
  const named = seen
    .slice(0, SHOWN)
    .map(({ environment, secretPath, secretKey }) => `"${secretKey}" at "${secretPath}" in "${environment}"`);
  const more = count - named.length;
  const where = [...named, ...(more > 0 ? [`${more} that are not named here`] : [])].join(', ');
  throw conflict(
    `references in the values of ${count} secrets name environment "${slug}", and a rename does not change values: ${where}; ` +
      'rename with allowBrokenReferences true, and change them then: until they are, reading them expanded fails',
    { references: seen.slice(0, SHOWN), others: more },
  );
}
