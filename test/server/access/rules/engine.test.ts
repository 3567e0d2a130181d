import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Action, ProjectSubject, Rule } from '../../../../contracts/index.ts';
import { firstBeyond } from '../../../../server/access/granting.ts';
import { compileAll, limited, type Rights, rightsOf } from '../../../../server/access/permissions.ts';
import { allowed, type NaivePlace, type NaiveRole } from './naive.ts';

/** The engine against the plain reading of the rules (naive.ts), on rules and requests that nobody thought of. */

const CASES = 100_000;
const SEED = Number(process.env.RULES_SEED ?? Date.now() % 2 ** 31);

const ENVIRONMENTS = ['dev', 'staging', 'prod'];
const PATHS = ['/', '/app', '/app/db', '/app/db/main', '/web', '/application'];
const KEYS = ['API_KEY', 'API', 'DB_URL', '.HIDDEN', 'db_url'];
const TAGS = [[], ['pci'], ['pci', 'eu'], ['eu']];

const pick = <Value>(...values: Value[]) => fc.constantFrom(...values);
const environment = pick<unknown>(
  'dev',
  'production',
  { $eq: 'prod' },
  { $in: ['dev', 'staging'] },
  { $in: ['production'] },
  { $ne: 'prod' },
  { $ne: 'production' },
  { $glob: '*' },
  { $glob: 'prod*' },
  { $glob: 'production' },
  { $glob: '{dev,staging}', $ne: 'dev' },
);
const path = pick<unknown>(
  '/app',
  '/app/',
  { $eq: '/' },
  { $in: ['/app', '/web'] },
  { $ne: '/app' },
  { $glob: '/**' },
  { $glob: '/app/**' },
  { $glob: '/app*' },
  { $glob: '/*' },
  { $glob: '/*/db/**' },
  { $glob: '/**/db' },
  { $glob: '/{app,web}/**' },
  { $glob: '/app/[d]?/ma*' },
  { $glob: '**', $ne: '/web' },
);
const key = pick<unknown>(
  'API_KEY',
  { $in: ['API', 'DB_URL'] },
  { $ne: 'API' },
  { $glob: '*' },
  { $glob: 'API*' },
  { $glob: '?PI*' },
  { $glob: '*_*' },
  { $glob: '[!A]*' },
  { $glob: '{DB,db}_URL' },
);
const tags = pick<unknown>('pci', { $in: ['pci', 'us'] }, { $ne: 'eu' }, { $glob: 'e*' });
const sometimes = <Value>(arbitrary: fc.Arbitrary<Value>) => fc.option(arbitrary, { nil: undefined, freq: 2 });

const conditions = fc
  .record({
    environment: sometimes(environment),
    secretPath: sometimes(path),
    secretName: sometimes(key),
    secretTags: sometimes(tags),
    identityId: pick(...Array(9).fill(undefined), 'x'),
  })
  .map((given) => Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)));

const rule = fc
  .record({
    subject: pick('secrets', 'secrets', 'secret-folders'),
    action: fc.subarray(['read', 'describeSecret', 'readValue', 'edit'], { minLength: 1, maxLength: 2 }),
    conditions,
    inverted: pick(false, false, true),
  })
  .map((given) => given as unknown as Rule);

const role = fc.record({
  rules: fc.array(rule, { maxLength: 3 }),
  environments: fc.option(pick(['dev'], ['prod', 'staging']), { nil: null, freq: 3 }),
});
const roles = fc.array(role, { maxLength: 3 });
const place = fc.record({
  environment: pick(...ENVIRONMENTS),
  path: pick(...PATHS),
  key: pick(...KEYS),
  tags: pick(...TAGS),
});
const action = pick<Action>('read', 'describeSecret', 'readValue', 'edit');
const subject = pick<ProjectSubject>('secrets', 'secrets', 'secret-folders');

let count = 0;
/** The engine's rights, by the way that every request takes: a text of grants that names custom roles. */
function rightsBy(held: readonly NaiveRole[]): Rights {
  const known = new Map<string, readonly Rule[]>();
  const texts = held.map(({ rules, environments }) => {
    const revision = `r${count++}`;
    known.set(revision, rules as readonly Rule[]);
    return `custom:${revision}@${environments?.join('+') ?? '*'}`;
  });
  return rightsOf(texts.join(','), (revision) => ({ slug: 'role', rules: compileAll(known.get(revision)!) }))!;
}

const compiled = (held: readonly NaiveRole[]) =>
  held.flatMap(({ rules, environments }) => limited(compileAll(rules as readonly Rule[]), environments));

const check = (property: fc.IPropertyWithHooks<any> | fc.IProperty<any>, numRuns: number) =>
  fc.assert(property, { numRuns, seed: SEED, endOnFailure: true });

/** Every place that there is in this small world, and those within a part of it. */
const EVERYWHERE: NaivePlace[] = ENVIRONMENTS.flatMap((environment) =>
  PATHS.flatMap((path) => KEYS.flatMap((key) => TAGS.map((tags) => ({ environment, path, key, tags })))),
);

test(`${CASES} requests are decided as the rules read`, { timeout: 60_000 }, () => {
  let yes = 0;
  check(
    fc.property(roles, action, subject, place, (held, action, subject, at) => {
      const expected = allowed(held, action, subject, at);
      if (expected) yes++;
      expect(rightsBy(held).may(action, subject, at)).toBe(expected);
    }),
    CASES,
  );
  // A generator that never allowed anything would prove nothing.
  expect(yes).toBeGreaterThan(CASES / 50);
  expect(yes).toBeLessThan(CASES / 2);
});

test('what is allowed somewhere or everywhere is so place by place', { timeout: 60_000 }, () => {
  const partly = fc.record({ environment: sometimes(pick(...ENVIRONMENTS)), path: sometimes(pick(...PATHS)) });
  check(
    fc.property(roles, action, subject, partly, (held, action, subject, at) => {
      const rights = rightsBy(held);
      const within = EVERYWHERE.filter(
        (one) => (at.environment ?? one.environment) === one.environment && (at.path ?? one.path) === one.path,
      );
      const here = within.map((one) => allowed(held, action, subject, one));
      if (rights.everywhere(action, subject, at)) expect(here).not.toContain(false);
      if (!rights.somewhere(action, subject, at)) expect(here).not.toContain(true);
      const safe = action === 'edit' ? rights.everywhere(action, subject, at) : rights.somewhere(action, subject, at);
      expect(rights.may(action, subject, at)).toBe(safe);
    }),
    1_000,
  );
});

test('unknown tags are taken against the caller', { timeout: 60_000 }, () => {
  check(
    fc.property(roles, action, place, (held, action, at) => {
      const { tags: _, ...untagged } = at;
      if (rightsBy(held).may(action, 'secrets', untagged)) {
        for (const tags of TAGS) expect(allowed(held, action, 'secrets', { ...at, tags })).toBe(true);
      }
    }),
    10_000,
  );
});

test('nobody gains by a change what its maker does not hold', { timeout: 60_000 }, () => {
  let granted = 0;
  const actions = ['describeSecret', 'readValue', 'edit'];
  // Makers that hold much, so that many changes pass; somebody else holds what it may, and is given or relieved.
  const much = fc.record({
    rules: fc.array(fc.oneof({ weight: 3, arbitrary: fc.constant(broad) }, { weight: 2, arbitrary: rule }), {
      minLength: 1,
      maxLength: 3,
    }),
    environments: fc.constant(null),
  });
  check(
    fc.property(fc.array(much, { maxLength: 2 }), role, role, roles, (maker, before, after, others) => {
      const rights = rightsBy(maker);
      if (firstBeyond(rights, { before: compiled([before]), after: compiled([after]) }) !== undefined) return;
      granted++;
      for (const at of EVERYWHERE) {
        for (const action of actions) {
          const gained =
            allowed([...others, after], action, 'secrets', at) && !allowed([...others, before], action, 'secrets', at);
          if (gained) expect(allowed(maker, action, 'secrets', at)).toBe(true);
        }
      }
    }),
    3_000,
  );
  expect(granted).toBeGreaterThan(100);
});

const broad = { subject: 'secrets', action: ['read', 'edit'] } as Rule;
