import type { Rule } from '../../contracts/index.ts';
import { BadGlob, Glob } from '../access/glob.ts';
import { invalid } from '../refusal.ts';

/** Infisical's, for what it knows of the caller. */
const PLACEHOLDER = /\{\{\s*identity\./;

/**
 * Refuses rules that could never mean what they say: a glob of another language, a path that no folder has. A rule that
 * forbids and never applies would look like protection.
 */
export function refuseUnreadable(rules: readonly Rule[]): void {
  rules.forEach((rule, n) => {
    for (const [name, condition] of Object.entries(rule.conditions ?? {})) {
      const at = ['permissions', n, 'conditions', name];
      const { $glob, $eq, $ne, $neq, $in } =
        typeof condition === 'string' ? { $eq: condition } : (condition as Exclude<typeof condition, string>);
      for (const text of [$eq, $ne, $neq, $glob, ...($in ?? [])]) {
        if (text !== undefined && PLACEHOLDER.test(text))
          throw invalid(at, `"${text}": nothing is put in for a placeholder here; name what is meant`);
      }
      if (name === 'secretPath') {
        for (const path of [$eq, $ne, $neq, ...($in ?? [])]) {
          if (path !== undefined && !path.startsWith('/')) throw invalid(at, `"${path}": a path begins with "/"`);
        }
        if ($glob !== undefined && !/^[/*{[?]/.test($glob)) throw invalid(at, `"${$glob}": a path begins with "/"`);
      }
      if ($glob !== undefined) refuseGlob(at, $glob);
    }
  });
}

function refuseGlob(at: (string | number)[], source: string): void {
  try {
    new Glob(source);
  } catch (error) {
    if (error instanceof BadGlob) throw invalid(at, error.message);
    throw error;
  }
}
