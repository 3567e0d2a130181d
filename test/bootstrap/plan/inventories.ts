import fc from 'fast-check';
import { Inventory } from '../../../contracts/inventory.ts';

/** Inventories over few names, so that two of them meet in some things and differ in others. */
const slugs = ['a', 'b', 'c'] as const;
const environmentSlugs = ['dev', 'staging', 'prod', 'qa'] as const;
const kinds = [
  'database-password',
  'encryption-key',
  'jwt-signing-key',
  'oauth-client-secret',
  'api-key',
  'value',
] as const;
const paths = ['/', '/db', '/db/main', '/oauth'] as const;

const optional = <Value>(arbitrary: fc.Arbitrary<Value>) => fc.option(arbitrary, { nil: undefined });
const someOf = <Value>(values: readonly Value[], minLength = 0) =>
  fc.uniqueArray(fc.constantFrom(...values), { minLength });
const name = fc.constantFrom('One', 'Two');

const environment = (slug: string) => optional(name).map((given) => (given ? { slug, name: given } : slug));

const projectOf = (slug: string) =>
  someOf(environmentSlugs, 1).chain((environments) =>
    fc.record({
      slug: fc.constant(slug),
      name: optional(name),
      description: optional(fc.constantFrom('', 'What it is for')),
      environments: fc.tuple(...environments.map(environment)),
      folders: someOf(paths),
      secrets: fc.dictionary(
        fc.constantFrom('A', 'B', 'C', 'D'),
        fc.record({
          kind: fc.constantFrom(...kinds),
          path: fc.constantFrom(...paths),
          environments: optional(someOf(environments, 1)),
        }),
      ),
    }),
  );

const accessTo = (project: { slug: string; environments: (string | { slug: string })[] }) => {
  const known = project.environments.map((one) => (typeof one === 'string' ? one : one.slug));
  return fc.record({
    project: fc.constant(project.slug),
    role: fc.constantFrom('admin', 'developer', 'member', 'ci', 'viewer', 'no-access'),
    environments: optional(someOf(known, 1)),
  });
};

const organizationOf = (slug: string) =>
  someOf(slugs)
    .chain((projects) => fc.tuple(...projects.map(projectOf)))
    .chain((projects) =>
      fc.record({
        slug: fc.constant(slug),
        name: optional(name),
        admins: someOf(['x@hanzo.ai', 'y@hanzo.ai']),
        projects: fc.constant(projects),
        identities: someOf(slugs).chain((names) =>
          fc.tuple(
            ...names.map((identity) =>
              fc.record({
                name: fc.constant(identity),
                role: fc.constantFrom('admin', 'member', 'no-access'),
                projects: fc.subarray(projects).chain((own) => fc.tuple(...own.map(accessTo))),
              }),
            ),
          ),
        ),
      }),
    );

export const inventories: fc.Arbitrary<Inventory> = someOf(slugs, 1)
  .chain((organizations) =>
    fc.record({ version: fc.constant(1), organizations: fc.tuple(...organizations.map(organizationOf)) }),
  )
  .map((document) => Inventory.parse(JSON.parse(JSON.stringify(document))));
