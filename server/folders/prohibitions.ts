import { isDeepStrictEqual } from 'node:util';
import type { Rule } from '../../contracts/index.ts';
import type { ProjectAccess } from '../access/access.ts';
import { compile, holds, parts } from '../access/rules.ts';
import type { Db } from '../database/database.ts';
import { writtenRules } from '../environments/followers-store.ts';
import { told } from '../environments/told.ts';
import { conflict } from '../refusal.ts';

/** A folder on its way from one path to another, with each of those below it. */
export interface Way {
  readonly from: string;
  readonly to: string;
}

/**
 * Refuses a rename by which a folder would leave what somebody's rules forbid in it behind. Rules name paths in all
 * environments at once, so none is written anew here: whoever renames lets them forbid the new path first.
 */
export async function refuseEscape(
  tx: Db,
  allowed: ProjectAccess,
  environment: string,
  ways: readonly [Way, ...Way[]],
): Promise<void> {
  const escaped = (await writtenRules(tx, allowed.project.id)).filter(({ permissions }) => {
    const forbidding = permissions.filter(({ inverted }) => inverted);
    return forbidding.some(
      (rule) =>
        rule.conditions?.secretPath !== undefined &&
        ways.some(
          ({ from, to }) =>
            forbids(rule, environment, from) &&
            !forbidding.some((other) => forbids(other, environment, to) && asWide(other, rule)),
        ),
    );
  });
  if (escaped.length === 0) return;
  const { whose, details } = told(allowed, escaped);
  const [{ from, to }] = ways;
  throw conflict(
    `folder "${from}" in environment "${environment}" cannot be renamed to "${to}": rules of ${whose} forbid something ` +
      'at or below the one path and not at the other; let them forbid it there first',
    details,
  );
}

function forbids(rule: Rule, environment: string, path: string): boolean {
  const ready = compile(rule);
  return ready !== undefined && holds(ready, { environment, path }) !== 'no';
}

/** Whether a rule, where it holds, forbids at least what another one does. */
function asWide(rule: Rule, other: Rule): boolean {
  const actions = new Set(rule.action.flatMap((action) => parts(action, rule.subject)));
  const { environment: _, secretPath: __, ...ours } = rule.conditions ?? {};
  const { environment: ___, secretPath: ____, ...theirs } = other.conditions ?? {};
  return (
    rule.subject === other.subject &&
    other.action.flatMap((action) => parts(action, other.subject)).every((action) => actions.has(action)) &&
    (Object.keys(ours).length === 0 || isDeepStrictEqual(ours, theirs))
  );
}
