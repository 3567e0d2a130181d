import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Rule } from '../../../contracts/index.ts';
import { following, lettingGo, reaches } from '../../../server/environments/naming.ts';

const SLUGS = ['qa', 'quality', 'dev', 'prod', 'q'] as const;
const slug = fc.constantFrom<string>(...SLUGS);
const condition = fc.oneof(
  slug,
  fc.record({ $eq: slug }),
  fc.record({ $ne: slug }),
  fc.record({ $neq: slug }),
  fc.record({ $in: fc.array(slug, { minLength: 1, maxLength: 4 }) }),
  fc.record({ $glob: fc.constantFrom('qa', 'q*', '*', '{qa,dev}', 'quality', 'p*') }),
  fc.record({ $in: fc.array(slug, { minLength: 1, maxLength: 4 }), $ne: slug }),
);
const rule: fc.Arbitrary<Rule> = fc
  .record({ inverted: fc.boolean(), environment: fc.option(condition), path: fc.boolean() })
  .map(({ inverted, environment, path }) => ({
    subject: 'secrets',
    action: ['read'],
    ...(environment === null && !path
      ? {}
      : { conditions: { ...(environment ? { environment } : {}), ...(path ? { secretPath: '/app' } : {}) } }),
    ...(inverted ? { inverted } : {}),
  }));

const others = (...names: string[]) => SLUGS.filter((name) => !names.includes(name));

test('a rule that follows a rename means what it meant, or is told by its reach', () => {
  fc.assert(
    fc.property(rule, (given) => {
      const renamed = following(given, 'qa', 'new');
      for (const name of others('qa')) expect(reaches(renamed, name)).toBe(reaches(given, name));
      // Globs of several names alone may reach one name and not the other: such a rename is refused.
      const glob = (given.conditions?.environment as { $glob?: string } | undefined)?.$glob;
      if (glob === undefined || glob === 'qa') expect(reaches(renamed, 'new')).toBe(reaches(given, 'qa'));
    }),
    { numRuns: 500 },
  );
});

test('after a deletion nothing is allowed by the name, and what was forbidden stays so', () => {
  fc.assert(
    fc.property(rule, (given) => {
      const left = lettingGo(given, 'qa');
      for (const name of others('qa')) expect(left !== undefined && reaches(left, name)).toBe(reaches(given, name));
      const { $in, $eq, $glob } = Object(given.conditions?.environment) as Record<string, unknown>;
      const named = given.conditions?.environment === 'qa' || [$in, $eq, $glob].flat().includes('qa');
      if (!given.inverted && named) expect(left !== undefined && reaches(left, 'qa')).toBe(false);
      if (given.inverted && reaches(given, 'qa')) expect(reaches(left!, 'qa')).toBe(true);
    }),
    { numRuns: 500 },
  );
});

test.each<{ what: string; conditions?: Rule['conditions']; inverted?: boolean; left?: Rule['conditions'] | null }>([
  { what: 'an allowance there alone', conditions: { environment: 'qa' }, left: null },
  {
    what: 'one of several',
    conditions: { environment: { $in: ['qa', 'dev'] } },
    left: { environment: { $in: ['dev'] } },
  },
  { what: 'an allowance elsewhere', conditions: { environment: { $ne: 'qa' } }, left: { environment: { $ne: 'qa' } } },
  { what: 'a prohibition there', conditions: { environment: 'qa' }, inverted: true, left: { environment: 'qa' } },
  {
    what: 'a prohibition everywhere else',
    conditions: { environment: { $ne: 'qa' } },
    inverted: true,
    left: undefined,
  },
])('a deletion leaves of $what what is still meant', ({ conditions, inverted, left }) => {
  const given: Rule = {
    subject: 'secrets',
    action: ['read'],
    conditions: conditions!,
    ...(inverted ? { inverted } : {}),
  };
  const { conditions: _, ...bare } = given;
  const expected = left === null ? undefined : left === undefined ? bare : { ...given, conditions: left };
  expect(lettingGo(given, 'qa')).toEqual(expected);
});
