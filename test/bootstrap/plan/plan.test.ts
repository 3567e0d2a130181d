import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseInventory } from '../../../bootstrap/inventory/load.ts';
import { formatLines, lineOf, missingLines, planSummary } from '../../../bootstrap/plan/lines.ts';
import { makePlan } from '../../../bootstrap/plan/plan.ts';
import { weightOf } from '../../../bootstrap/plan/steps.ts';
import { lacks } from './declared.ts';
import { inventories } from './inventories.ts';
import { copyOf, emptyModel, type Model, perform } from './model.ts';

const inventoryOf = (text: string) => parseInventory(`version: 1\norganizations:\n${text}`, 'kms.yaml');
const after = (...texts: string[]): Model =>
  texts.reduce((model, text) => perform(model, makePlan(inventoryOf(text), model)), emptyModel());
const linesOf = (text: string, model: Model) => formatLines(makePlan(inventoryOf(text), model).steps.map(lineOf));

describe('any two inventories, one applied after the other', () => {
  const weight = (plan: ReturnType<typeof makePlan>) =>
    plan.steps.reduce((sum, step) => sum + weightOf(step), 0) + plan.missing.length + plan.unchanged;

  test('give what the second declares, and then nothing to do', () => {
    fc.assert(
      fc.property(inventories, inventories, (first, second) => {
        const model = perform(emptyModel(), makePlan(first, emptyModel()));
        const plan = makePlan(second, model);
        perform(model, plan);
        expect(lacks(model, second)).toEqual([]);
        const again = makePlan(second, model);
        expect(again.steps).toEqual([]);
        expect(again.missing).toEqual(plan.missing);
      }),
      { numRuns: 400 },
    );
  });

  test('take nothing away that the second does not mention', () => {
    fc.assert(
      fc.property(inventories, inventories, (first, second) => {
        const before = perform(emptyModel(), makePlan(first, emptyModel()));
        const model = perform(copyOf(before), makePlan(second, before));
        for (const [slug, organization] of before.organizations) {
          const now = model.organizations.get(slug);
          expect([...(now?.members.keys() ?? [])]).toEqual(expect.arrayContaining([...organization.members.keys()]));
          expect([...(now?.identities.keys() ?? [])]).toEqual(
            expect.arrayContaining([...organization.identities.keys()]),
          );
          for (const [name, project] of organization.projects) {
            for (const [environment, { secrets, folders }] of project.environments) {
              const kept = now?.projects.get(name)?.environments.get(environment);
              expect([...(kept?.secrets ?? [])]).toEqual(expect.arrayContaining([...secrets]));
              expect([...(kept?.folders ?? [])]).toEqual(expect.arrayContaining([...folders]));
            }
          }
        }
      }),
      { numRuns: 200 },
    );
  });

  test('count everything that is declared, once', () => {
    fc.assert(
      fc.property(inventories, inventories, (first, second) => {
        const model = perform(emptyModel(), makePlan(first, emptyModel()));
        expect(weight(makePlan(second, model))).toBe(weight(makePlan(second, emptyModel())));
      }),
      { numRuns: 200 },
    );
  });

  test('broken off after any step, end in the same world', () => {
    fc.assert(
      fc.property(inventories, inventories, fc.nat(), (first, second, at) => {
        const start = perform(emptyModel(), makePlan(first, emptyModel()));
        const plan = makePlan(second, start);
        const cut = copyOf(start);
        perform(cut, { ...plan, steps: plan.steps.slice(0, at % (plan.steps.length + 1)) });
        perform(cut, makePlan(second, cut));
        expect(cut).toEqual(perform(copyOf(start), plan));
      }),
      { numRuns: 200 },
    );
  });
});

const BILLING = `  - slug: hanzo
    admins: [z@hanzo.ai]
    projects:
      - slug: billing
        secrets: { DB_PASSWORD: database-password, STRIPE_KEY: api-key }
    identities: [{ name: billing-service, projects: [{ project: billing, role: developer }] }]
`;

test('a plan for nothing creates everything in order', () => {
  expect(linesOf(BILLING, emptyModel())).toEqual([
    '  + organization  hanzo',
    '  + admin         z@hanzo.ai                     admin of hanzo',
    '  + project       hanzo/billing                  dev, staging, prod',
    '  + secrets       hanzo/billing dev              generated: DB_PASSWORD',
    '  + secrets       hanzo/billing staging          generated: DB_PASSWORD',
    '  + secrets       hanzo/billing prod             generated: DB_PASSWORD',
    '  + identity      hanzo/billing-service          machine identity',
    '  + access        hanzo/billing-service billing  developer',
  ]);
});

test.each([
  {
    name: 'a changed role',
    text: BILLING.replace('role: developer', 'role: viewer, environments: [prod]'),
    lines: ['  ~ access  hanzo/billing-service billing  developer -> viewer in prod'],
  },
  {
    name: 'a new environment, with its secrets',
    text: BILLING.replace('        secrets', '        environments: [dev, staging, prod, qa]\n        secrets'),
    lines: [
      '  ~ project  hanzo/billing     environments + qa',
      '  + secrets  hanzo/billing qa  generated: DB_PASSWORD',
    ],
  },
  {
    name: 'a new secret in a folder',
    text: BILLING.replace(
      '{ DB_PASSWORD',
      '{ KEY: { kind: encryption-key, path: /a/b, environments: [prod] }, DB_PASSWORD',
    ),
    lines: [
      '  + folder   hanzo/billing/a         prod',
      '  + folder   hanzo/billing/a/b       prod',
      '  + secrets  hanzo/billing prod/a/b  generated: KEY',
    ],
  },
  {
    name: 'a name',
    text: BILLING.replace('slug: hanzo', 'slug: hanzo\n    name: Hanzo AI'),
    lines: ['  ~ organization  hanzo  hanzo -> Hanzo AI'],
  },
  {
    name: 'a role in the organization',
    text: BILLING.replace('name: billing-service', 'name: billing-service, role: member'),
    lines: ['  ~ identity  hanzo/billing-service  no-access -> member of hanzo'],
  },
])('a plan changes $name and nothing else', ({ text, lines }) => {
  expect(linesOf(text, after(BILLING))).toEqual(lines);
});

test('an identity that lost Universal Auth gets it back', () => {
  const model = after(BILLING);
  model.organizations.get('hanzo')!.identities.set('billing-service', { role: 'no-access', universalAuth: false });
  expect(linesOf(BILLING, model)).toEqual(['  ~ identity  hanzo/billing-service  Universal Auth switched on']);
});

test('a role that somebody added beside the declared one goes', () => {
  const model = after(BILLING);
  model.organizations.get('hanzo')!.projects.get('billing')!.access.get('billing-service')!.push({ role: 'admin' });
  expect(linesOf(BILLING, model)).toEqual([
    '  ~ access  hanzo/billing-service billing  developer and admin -> developer',
  ]);
});

test('a secret that only people know is missing, and never made', () => {
  const plan = makePlan(inventoryOf(BILLING), emptyModel());
  expect(missingLines(plan.missing)).toEqual([
    '3 secrets need a value:',
    '  ! hanzo/billing  dev, staging, prod: STRIPE_KEY',
  ]);
  expect(JSON.stringify(plan.steps)).not.toContain('STRIPE_KEY');
});

test('a plan with nothing to do says how much is unchanged', () => {
  expect(planSummary(makePlan(inventoryOf(BILLING), after(BILLING)))).toBe('nothing to change, 8 unchanged');
  expect(planSummary(makePlan(inventoryOf(BILLING), emptyModel()))).toBe(
    '8 to create, 0 to change, 0 to delete, 0 unchanged.',
  );
});

test('more secrets than one request takes go in several', () => {
  const keys = Array.from({ length: 2001 }, (_, index) => `K${index}: encryption-key`).join(', ');
  const text = `  - { slug: a, projects: [{ slug: b, environments: [dev], secrets: { ${keys} } }] }\n`;
  const steps = makePlan(inventoryOf(text), emptyModel()).steps.filter(({ type }) => type === 'secrets');
  expect(steps.map(weightOf)).toEqual([1000, 1000, 1]);
});
