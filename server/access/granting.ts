import type { Rule } from '../../contracts/index.ts';
import type { Rights } from './permissions.ts';
import { type CompiledRule, covers } from './rules.ts';

/**
 * A change of what somebody holds: the rules of a role that is edited, of the roles of a membership, or of a group that
 * somebody enters or leaves.
 */
export interface Change {
  readonly before: readonly CompiledRule[];
  /** What is held from then on, until somebody takes it away. */
  readonly after: readonly CompiledRule[];
  /**
   * What is held besides and ends by itself: the rules of each role on time, which end together. What they forbid, they
   * forbid for a while only, so it narrows no rule but those of the same role. @default none
   */
  readonly passing?: readonly (readonly CompiledRule[])[];
}

/** A rule that stands in the way of a change: what it gives, what is there already, or what it lifts is not held, or for a while only. */
export interface Beyond {
  readonly rule: Rule;
  readonly why: 'gives' | 'has' | 'lifts' | 'outlasts';
}

/**
 * The first thing in a change that is beyond the rights of whoever makes it. Three ways of giving are the same here: a
 * rule that allows; a rule that forbids and is taken away, since something else may allow what it forbade; and power over
 * those who hold more, who could be made to hold less and then be replaced.
 */
export function firstBeyond(rights: Rights, { before, after, passing = [] }: Change): Beyond | undefined {
  const stays = after.filter(({ inverted }) => inverted);
  const gives = [after, ...passing.map((role) => [...role, ...stays])]
    .map((rules) => rights.beyond(rules))
    .find((rule) => rule !== undefined);
  if (gives) return { rule: gives.written, why: 'gives' };
  const has = rights.beyond(before);
  if (has) return { rule: has.written, why: 'has' };
  for (const rule of before.filter(({ inverted }) => inverted)) {
    const kept = [...rule.actions].every((action) => stays.some((other) => covers(other, rule, action)));
    // Held everywhere where the rule forbade: then nobody gets by its end what the caller does not have.
    if (!kept && rights.beyond([{ ...rule, inverted: false }])) return { rule: rule.written, why: 'lifts' };
  }
  return undefined;
}
