import type { Rule } from '../../contracts/index.ts';
import type { RoleRow } from './store.ts';

/** Rules as the API shows them: what is absent is left out. */
export function showRules(rules: readonly Rule[]) {
  return rules.map(({ subject, action, conditions, inverted }) => ({
    subject,
    action: [...action],
    ...(conditions ? { conditions: { ...conditions } } : {}),
    ...(inverted ? { inverted } : {}),
  }));
}

/** A role in a list: without its rules. */
export function showListed({ permissions: _, ...role }: RoleRow) {
  return { ...role, createdAt: role.createdAt.toISOString(), updatedAt: role.updatedAt.toISOString() };
}
