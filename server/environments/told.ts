import type { ProjectAccess } from '../access/access.ts';
import type { WrittenRules } from './followers-store.ts';

/** Whose rules stand in the way, for a refusal: told to those who may look at roles, and to others as the project's. */
export function told({ rights }: ProjectAccess, rules: readonly WrittenRules[]) {
  if (!rights.may('read', 'role')) return { whose: 'the project', details: undefined };
  const roles = rules.map(({ slug, holder }) => (holder === null ? slug : `${slug} of ${holder}`));
  return { whose: roles.map((role) => `"${role}"`).join(', '), details: { roles } };
}
