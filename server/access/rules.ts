import {
  type Condition,
  type ConditionName,
  canonicalEnvironment,
  conditionNames,
  type Rule,
} from '../../contracts/index.ts';
import { BadGlob, Glob } from './glob.ts';

/** Where in a project something is: an environment, a folder in it, a secret in that, with its tags. */
export interface Place {
  readonly environment?: string | undefined;
  readonly path?: string | undefined;
  readonly key?: string | undefined;
  /** Slugs of the secret's tags. Absent beside a key: not known, so that no rule about tags allows and each one forbids. */
  readonly tags?: readonly string[] | undefined;
}

type Dimension = keyof Place;
type Test =
  | { readonly about: Dimension; readonly is: 'in'; readonly values: ReadonlySet<string> }
  | { readonly about: Dimension; readonly is: 'not'; readonly value: string }
  | { readonly about: Dimension; readonly is: 'glob'; readonly glob: Glob };

/** Whether something holds; `maybe` where the place does not say enough. */
export type Told = 'yes' | 'no' | 'maybe';

/** A rule, ready to be asked. */
export interface CompiledRule {
  readonly written: Rule;
  readonly subject: string;
  /** Of a secret, `read` is taken apart into what it is: a rule may forbid one half of it. */
  readonly actions: ReadonlySet<string>;
  readonly inverted: boolean;
  readonly tests: readonly Test[];
}

const DIMENSIONS: Readonly<Record<ConditionName, Dimension>> = {
  environment: 'environment',
  secretPath: 'path',
  secretName: 'key',
  secretTags: 'tags',
};

/** The actions that an action consists of. */
export function parts(action: string, subject: string): readonly string[] {
  return action === 'read' && subject === 'secrets' ? ['describeSecret', 'readValue'] : [action];
}

/**
 * Makes a rule ready. What it cannot read it takes against the caller: a rule with a condition that nobody here knows
 * allows nothing, and forbids whatever else fits.
 */
export function compile(rule: Rule): CompiledRule | undefined {
  const inverted = rule.inverted === true;
  const tests: Test[] = [];
  for (const [name, condition] of Object.entries(rule.conditions ?? {})) {
    const made = isConditionName(name) ? readCondition(DIMENSIONS[name], condition) : undefined;
    if (made !== undefined) tests.push(...made);
    else if (!inverted) return undefined;
  }
  const actions = new Set(rule.action.flatMap((action) => parts(action, rule.subject)));
  return { written: rule, subject: rule.subject, actions, inverted, tests };
}

const isConditionName = (name: string): name is ConditionName => (conditionNames as readonly string[]).includes(name);

/** The tests that a condition consists of, all of which have to hold; nothing when it cannot be read. */
function readCondition(about: Dimension, condition: Condition): Test[] | undefined {
  const { $eq, $ne, $neq, $in, $glob, ...unknown } = typeof condition === 'string' ? { $eq: condition } : condition;
  if (Object.keys(unknown).length > 0) return undefined;
  const name =
    about === 'environment' ? canonicalEnvironment : about === 'path' ? withoutSlash : (text: string) => text;
  const tests: Test[] = [];
  if ($eq !== undefined) tests.push({ about, is: 'in', values: new Set([name($eq)]) });
  if ($in !== undefined) tests.push({ about, is: 'in', values: new Set($in.map(name)) });
  for (const value of [$ne, $neq]) if (value !== undefined) tests.push({ about, is: 'not', value: name(value) });
  try {
    if ($glob !== undefined) tests.push({ about, is: 'glob', glob: globOf($glob) });
  } catch (error) {
    if (error instanceof BadGlob) return undefined;
    throw error;
  }
  return tests.length === 0 ? undefined : tests;
}

const withoutSlash = (path: string) => (path.length > 1 ? path.replace(/\/$/, '') : path);

const globs = new Map<string, Glob>();
const GLOBS_AT_MOST = 10_000;

function globOf(source: string): Glob {
  const known = globs.get(source);
  if (known) return known;
  const glob = new Glob(source);
  if (globs.size >= GLOBS_AT_MOST) globs.clear();
  globs.set(source, glob);
  return glob;
}

/** The rule, limited to some environments besides. */
export function within(rule: CompiledRule, environments: ReadonlySet<string> | undefined): CompiledRule {
  if (environments === undefined) return rule;
  return { ...rule, tests: [...rule.tests, { about: 'environment', is: 'in', values: environments }] };
}

/** Whether the rule's conditions hold at a place. */
export function holds(rule: CompiledRule, at: Place): Told {
  let told: Told = 'yes';
  for (const test of rule.tests) {
    const value = at[test.about];
    if (value === undefined) told = 'maybe';
    else if (!(typeof value === 'string' ? passes(test, value) : tagsPass(test, value))) return 'no';
  }
  return told;
}

function passes(test: Test, value: string): boolean {
  switch (test.is) {
    case 'in':
      return test.values.has(value);
    case 'not':
      return test.value !== value;
    case 'glob':
      if (test.glob.test(value)) return true;
      return test.about === 'environment' && value === 'prod' && test.glob.test('production');
  }
}

function tagsPass(test: Test, tags: readonly string[]): boolean {
  return test.is === 'not' ? tags.every((tag) => tag !== test.value) : tags.some((tag) => passes(test, tag));
}

/** True only when `rule` reaches every place that `other` does, for every action and subject of it. False also when unsure. */
export function covers(rule: CompiledRule, other: CompiledRule, action: string): boolean {
  return (
    rule.subject === other.subject &&
    rule.actions.has(action) &&
    rule.tests.every((ours) => other.tests.some((theirs) => testCovers(ours, theirs)))
  );
}

function testCovers(ours: Test, theirs: Test): boolean {
  if (ours.about !== theirs.about) return false;
  if (ours.is === 'not' && theirs.is === 'not') return ours.value === theirs.value;
  // Of several tags one may pass the one test and another the other: only the same test is sure.
  if (ours.about === 'tags') {
    if (ours.is === 'in' && theirs.is === 'in') return [...theirs.values].every((value) => ours.values.has(value));
    return ours.is === 'glob' && theirs.is === 'glob' && ours.glob.covers(theirs.glob);
  }
  if (theirs.is === 'in') return [...theirs.values].every((value) => passes(ours, value));
  return ours.is === 'glob' && theirs.is === 'glob' && ours.glob.covers(theirs.glob);
}

/** True only when no place is reached by both rules. False also when unsure. */
export function apart(rule: CompiledRule, other: CompiledRule): boolean {
  return rule.tests.some((ours) => other.tests.some((theirs) => testsApart(ours, theirs)));
}

function testsApart(ours: Test, theirs: Test): boolean {
  // A secret has many tags: two tests about them can hold at once.
  if (ours.about !== theirs.about || ours.about === 'tags') return false;
  if (ours.is === 'in') return [...ours.values].every((value) => !passes(theirs, value));
  if (theirs.is === 'in') return testsApart(theirs, ours);
  // `production` is an alias of `prod`: globs that look apart may both mean it.
  if (ours.about === 'environment') return false;
  return ours.is === 'glob' && theirs.is === 'glob' && ours.glob.apartFrom(theirs.glob);
}
