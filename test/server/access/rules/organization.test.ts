import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type OrganizationNeed,
  organizationRoleRules,
  organizationSubjects,
  type Rule,
} from '../../../../contracts/index.ts';
import { firstBeyond } from '../../../../server/access/granting.ts';
import {
  compileOrganizationRules,
  decideOrganization,
  organizationRightsFrom,
} from '../../../../server/access/organization-rights.ts';
import { allowed } from './naive.ts';

/** Roles of organizations against the plain reading of their rules (naive.ts). */

const SEED = Number(process.env.RULES_SEED ?? Date.now() % 2 ** 31);
const CASES = 5_000;

const subjects = Object.keys(organizationSubjects) as (keyof typeof organizationSubjects)[];
const EVERY: OrganizationNeed[] = [
  ...subjects.flatMap((subject) =>
    organizationSubjects[subject].map((action) => ({ subject, action }) as OrganizationNeed),
  ),
  { subject: 'organization', action: 'own' },
];
const rule = fc.constantFrom(...subjects, 'billing').chain((subject) =>
  fc.record({
    subject: fc.constant<string>(subject),
    action: fc.subarray<string>(subject === 'billing' ? ['read'] : [...organizationSubjects[subject]], {
      minLength: 1,
    }),
    inverted: fc.constantFrom(false, false, true),
  }),
);
const role = fc.oneof(
  { weight: 4, arbitrary: fc.array(rule, { maxLength: 6 }) },
  { weight: 1, arbitrary: fc.constantFrom(...Object.values(organizationRoleRules)) },
) as fc.Arbitrary<readonly Rule[]>;

const at = { environment: '', path: '', key: '', tags: [] };
/** A project goes by two names, of which a rule means both. */
const byOneName = (subject: string) => (subject === 'project' ? 'workspace' : subject);
function may(rules: readonly Rule[], { action, subject }: OrganizationNeed): boolean {
  const named = rules.map((each) => ({ ...each, subject: byOneName(each.subject) }));
  return allowed([{ rules: named, environments: null }], action, byOneName(subject), at);
}
const rightsOf = (rules: readonly Rule[]) => organizationRightsFrom('custom role', compileOrganizationRules(rules));

test('what a role allows is what its rules read', () => {
  let yes = 0;
  fc.assert(
    fc.property(role, fc.constantFrom(...EVERY), (rules, need) => {
      const expected = may(rules, need);
      if (expected) yes++;
      expect(decideOrganization(rightsOf(rules), need).allowed).toBe(expected);
    }),
    { numRuns: CASES, seed: SEED, endOnFailure: true },
  );
  expect(yes).toBeGreaterThan(CASES / 50);
});

test('nobody gains by a role what its maker does not hold', () => {
  let granted = 0;
  fc.assert(
    fc.property(role, role, role, (maker, before, after) => {
      const change = { before: compileOrganizationRules(before), after: compileOrganizationRules(after) };
      if (firstBeyond(rightsOf(maker), change) !== undefined) return;
      granted++;
      for (const need of EVERY) if (may(after, need) && !may(before, need)) expect(may(maker, need)).toBe(true);
    }),
    { numRuns: CASES, seed: SEED, endOnFailure: true },
  );
  expect(granted).toBeGreaterThan(100);
});

test('no list of rules that is not the admin role holds what admins are', () => {
  fc.assert(
    fc.property(fc.array(rule, { maxLength: 12 }), (rules) => {
      const change = { before: [], after: compileOrganizationRules(organizationRoleRules.admin) };
      expect(firstBeyond(rightsOf(rules as Rule[]), change)).toBeDefined();
    }),
    { numRuns: 500, seed: SEED, endOnFailure: true },
  );
});
