import type { Rule } from '../../contracts/index.ts';

/** Rules as the API shows them: what is absent is left out. */
export function showRules(rules: readonly Rule[]) {
  return rules.map(({ subject, action, conditions, inverted }) => ({
    subject,
    action: [...action],
    ...(conditions ? { conditions: { ...conditions } } : {}),
    ...(inverted ? { inverted } : {}),
  }));
}
