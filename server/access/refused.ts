import type { Rule } from '../../contracts/index.ts';
import { forbidden, type Refusal } from '../refusal.ts';
import type { Beyond } from './granting.ts';
import type { Need, Rights } from './permissions.ts';

/** The 403 of a right that is missing: who, what, where, with which roles, and the rule that forbade it if one did. */
export function refusedNeed(who: string, project: string, rights: Rights, need: Need): Refusal {
  const { action, subject, environment, path, key } = need;
  const forbiddenBy = rights.decide(action, subject, need).forbiddenBy[0];
  const because =
    forbiddenBy === undefined ? '' : `; a rule of ${forbiddenBy.role} forbids it: ${showRule(forbiddenBy.rule)}`;
  return forbidden(
    `${who} may not ${action} ${subject}${placeName(need)} of project "${project}"; ` +
      `its roles there are: ${rights.roles || 'none'}${because}`,
    { action, subject, environment, path, key, ...(forbiddenBy === undefined ? {} : { rule: forbiddenBy.rule }) },
  );
}

/** The 403 of whoever gives rights that it does not hold. */
export function refusedGrant(who: string, where: string, rights: Rights, { rule, why }: Beyond): Refusal {
  const what = {
    gives: 'may not give what it does not hold itself in',
    has: 'may not change what holds more than itself in',
    outlasts: 'may not give what it holds for a while only in',
    lifts: 'may not lift what is forbidden, and not held by itself, in',
  }[why];
  return forbidden(`${who} ${what} ${where}: ${showRule(rule)}; its roles there are: ${rights.roles || 'none'}`, {
    rule,
  });
}

function placeName({ environment, path, key }: Need): string {
  const parts = [
    key === undefined ? '' : ` "${key}"`,
    path === undefined ? '' : ` at "${path}"`,
    environment === undefined ? '' : ` in environment "${environment}"`,
  ];
  return parts.join('');
}

/** A rule in one line, as it is written. */
export function showRule({ subject, action, conditions, inverted }: { [Name in keyof Rule]: unknown }): string {
  return JSON.stringify({ subject, action, conditions, inverted });
}
