import { isDeepStrictEqual } from 'node:util';
import { projectRoles, type Rule } from '../../contracts/index.ts';
import type { Access, ProjectAccess } from '../access/access.ts';
import type { Db } from '../database/database.ts';
import { conflict } from '../refusal.ts';
import { removeFromLists, renameInLists, rewriteRules, type WrittenRules, writtenRules } from './followers-store.ts';
import { following, lettingGo, reaches } from './naming.ts';
import { told } from './told.ts';

/** The slugs of the roles whose rules were written anew, for the audit. */
type Rewritten = readonly { readonly roleId: string; readonly slug: string }[];

/**
 * Takes along whatever names an environment by its slug when it gets another: memberships, service tokens, and the rules of
 * the project's own roles. Nobody gets into it, and nobody out of what forbids it, by a name.
 *
 * @throws where written rules would reach it that did not, or no longer do: what a glob means cannot be written anew
 * @throws where the built-in roles would, unless the caller may read and change all of it, and put it where it goes: who
 *   could have copied the secrets opens nothing by the name
 */
export async function followRename(
  tx: Db,
  access: Access,
  allowed: ProjectAccess,
  before: string,
  after: string,
): Promise<Rewritten> {
  const roles = await writtenRules(tx, allowed.project.id);
  const changed = (rule: Rule, renamed: Rule) => reaches(rule, before) !== reaches(renamed, after);
  const differing = roles.filter(({ permissions }) =>
    permissions.some((rule) => changed(rule, following(rule, before, after))),
  );
  if (differing.length > 0) throw reachedOtherwise(allowed, before, after, differing);
  if (Object.values<readonly Rule[]>(projectRoles).some((rules) => rules.some((rule) => changed(rule, rule)))) {
    for (const action of ['read', 'edit', 'delete'] as const)
      await access.needEverywhere(allowed, { action, subject: 'secrets', environment: before });
    for (const action of ['read', 'create', 'edit', 'delete'] as const)
      await access.needEverywhere(allowed, { action, subject: 'secrets', environment: after });
  }
  await renameInLists(tx, allowed.project.id, before, after);
  return rewrite(tx, roles, (rules) => rules.map((rule) => following(rule, before, after)));
}

/** Lets go of a deleted environment: the next of its slug is another one, which nobody was let into. */
export async function followDeletion(tx: Db, projectId: string, slug: string): Promise<Rewritten> {
  await removeFromLists(tx, projectId, slug);
  return rewrite(tx, await writtenRules(tx, projectId), (rules) =>
    rules.map((rule) => lettingGo(rule, slug)).filter((rule) => rule !== undefined),
  );
}

async function rewrite(
  tx: Db,
  roles: readonly WrittenRules[],
  map: (rules: readonly Rule[]) => readonly Rule[],
): Promise<Rewritten> {
  const rewritten = roles
    .map((role) => ({ ...role, permissions: map(role.permissions), before: role.permissions }))
    .filter(({ permissions, before }) => !isDeepStrictEqual(permissions, before));
  await rewriteRules(tx, rewritten);
  return rewritten.map(({ id: roleId, slug }) => ({ roleId, slug }));
}

function reachedOtherwise(allowed: ProjectAccess, before: string, after: string, differing: readonly WrittenRules[]) {
  const { whose, details } = told(allowed, differing);
  return conflict(
    `environment "${before}" of project "${allowed.project.slug}" cannot be renamed to "${after}": rules of ${whose} ` +
      'reach one of the two names and not the other; change those rules first',
    details,
  );
}
