import { type Condition, canonicalEnvironment, type Rule } from '../../contracts/index.ts';
import { compile, holds } from '../access/rules.ts';

/**
 * Rules name environments by their slugs. A rule that names one exactly means that environment, so it goes with it to a new
 * slug, and lets go of it at its end: else a new name would leave behind what the rule forbids, and the next environment of
 * the old name would be open to whoever was let into the last.
 */

/** The rule, following an environment from one slug to another. Globs that match more than one name stay as they are. */
export function following(rule: Rule, before: string, after: string): Rule {
  const condition = rule.conditions?.environment;
  if (condition === undefined) return rule;
  const swap = (text: string) => (canonicalEnvironment(text) === before ? after : text);
  return { ...rule, conditions: { ...rule.conditions, environment: mapNames(condition, swap) } };
}

/**
 * The rule once an environment is gone: it allows nothing in the next one of that name, and forbids there what it forbade.
 * Nothing when it allowed something there alone.
 */
export function lettingGo(rule: Rule, slug: string): Rule | undefined {
  const condition = rule.conditions?.environment;
  if (condition === undefined) return rule;
  const names = (text: string | undefined) => text !== undefined && canonicalEnvironment(text) === slug;
  const { $eq, $ne, $neq, $in, $glob } = typeof condition === 'string' ? { $eq: condition } : condition;
  if (rule.inverted) {
    if (!names($ne) && !names($neq)) return rule;
    const { environment: _, ...others } = rule.conditions!;
    const { $ne: _ne, $neq: _neq, ...rest } = condition as Exclude<Condition, string>;
    const kept = {
      ...rest,
      ...($ne === undefined || names($ne) ? {} : { $ne }),
      ...($neq === undefined || names($neq) ? {} : { $neq }),
    };
    const conditions = Object.keys(kept).length === 0 ? others : { ...others, environment: kept };
    const { conditions: __, ...bare } = rule;
    return Object.keys(conditions).length === 0 ? bare : { ...bare, conditions };
  }
  if (names($eq) || names($glob)) return undefined;
  if (!$in?.some(names)) return rule;
  const left = $in.filter((text) => !names(text));
  if (left.length === 0) return undefined;
  const environment = { ...(condition as Exclude<Condition, string>), $in: left };
  return { ...rule, conditions: { ...rule.conditions, environment } };
}

/** Whether a rule says anything about an environment of this slug. */
export function reaches(rule: Rule, slug: string): boolean {
  const ready = compile(rule);
  return ready !== undefined && holds(ready, { environment: slug }) !== 'no';
}

function mapNames(condition: Condition, map: (name: string) => string): Condition {
  if (typeof condition === 'string') return map(condition);
  const { $in, ...one } = condition;
  return {
    ...Object.fromEntries(Object.entries(one).map(([operator, name]) => [operator, name && map(name)])),
    ...($in === undefined ? {} : { $in: [...new Set($in.map(map))] }),
  };
}
