import {
  type DeclaredAccess,
  type DeclaredIdentity,
  type DeclaredOrganization,
  type DeclaredProject,
  type DeclaredSecret,
  type Inventory,
  recipeOf,
} from '../../contracts/inventory.ts';
import { defaultEnvironments } from '../../contracts/names.ts';
import type { MissingValue, NamedSlug, Plan, SecretsStep, Step } from './steps.ts';
import { type Grant, type LiveOrganization, type LiveProject, secretAddress, type World } from './world.ts';

/** What one part of the inventory comes to. */
interface Share {
  readonly steps: readonly Step[];
  readonly unchanged: number;
  readonly missing?: readonly MissingValue[];
}

/**
 * What has to be done so that the instance holds all that the inventory declares. It adds and changes; what the
 * inventory does not mention stays as it is, and nothing is ever deleted: a line lost in an edit must not take a
 * service's secrets with it. A secret that has a value keeps it.
 */
export function makePlan(inventory: Inventory, world: World): Plan {
  const shares = inventory.organizations.flatMap((declared) => {
    const live = world.organizations.get(declared.slug);
    return [
      planOrganization(declared, live),
      ...declared.admins.map((email) => planAdmin(declared.slug, email, live)),
      ...declared.projects.flatMap((project) => planProject(declared.slug, project, live?.projects.get(project.slug))),
      ...declared.identities.flatMap((identity) => planIdentity(declared.slug, identity, live)),
    ];
  });
  return {
    steps: shares.flatMap(({ steps }) => steps),
    missing: shares.flatMap(({ missing = [] }) => missing),
    unchanged: shares.reduce((sum, { unchanged }) => sum + unchanged, 0),
  };
}

const unchanged: Share = { steps: [], unchanged: 1 };
const only = (step: Step): Share => ({ steps: [step], unchanged: 0 });

function planOrganization({ slug, name }: DeclaredOrganization, live: LiveOrganization | undefined): Share {
  if (!live) return only({ type: 'organization', organization: slug, create: { name: name ?? slug } });
  const rename = difference(live.name, name);
  return rename ? only({ type: 'organization', organization: slug, rename }) : unchanged;
}

function planAdmin(organization: string, email: string, live: LiveOrganization | undefined): Share {
  const from = live?.members.get(email);
  if (from === 'admin') return unchanged;
  return only({ type: 'admin', organization, email, ...(from ? { from } : {}) });
}

function planProject(organization: string, declared: DeclaredProject, live: LiveProject | undefined): Share[] {
  return [
    planProjectItself(organization, declared, live),
    ...foldersOf(declared).map((folder) => planFolder(organization, declared.slug, folder, live)),
    ...planSecrets(organization, declared, live),
  ];
}

function planProjectItself(organization: string, declared: DeclaredProject, live: LiveProject | undefined): Share {
  const { slug, name, description } = declared;
  const wanted = declared.environments;
  const isDefault = (environment: string) => defaultEnvironments.some((one) => one.slug === environment);
  const defaults =
    !live && defaultEnvironments.every((one) => wanted.some((environment) => environment.slug === one.slug));
  const exists = (environment: string) => live?.environments.has(environment) || (defaults && isDefault(environment));
  const nameNow = (environment: string) => live?.environments.get(environment)?.name ?? defaultName(environment);

  const environments = wanted
    .filter((environment) => !exists(environment.slug))
    .map(({ slug, name }): NamedSlug => ({ slug, name: name ?? defaultName(slug) }));
  const renameEnvironments = wanted.flatMap((environment) => {
    const rename = exists(environment.slug) ? difference(nameNow(environment.slug), environment.name) : undefined;
    return rename ? [{ slug: environment.slug, ...rename }] : [];
  });
  const step = { type: 'project', organization, project: slug, environments, renameEnvironments } as const;
  if (!live) return only({ ...step, create: { name: name ?? slug, description: description ?? '', defaults } });

  const rename = difference(live.name, name);
  const describe = difference(live.description, description);
  if (!rename && !describe && environments.length + renameEnvironments.length === 0) return unchanged;
  return only({ ...step, ...(rename ? { rename } : {}), ...(describe ? { describe } : {}) });
}

const difference = (from: string, to: string | undefined) =>
  to === undefined || to === from ? undefined : { from, to };

const defaultName = (slug: string) => defaultEnvironments.find((one) => one.slug === slug)?.name ?? slug;

interface DeclaredFolder {
  readonly path: string;
  readonly environments: readonly string[];
}

/** The folders that are listed, those of secrets, and all that these lie in; parents first. */
function foldersOf(declared: DeclaredProject): DeclaredFolder[] {
  const everywhere = declared.environments.map(({ slug }) => slug);
  const folders = new Map<string, Set<string>>();
  const add = (path: string, environments: readonly string[]) => {
    const segments = path.split('/').slice(1);
    if (path === '/') return;
    for (let depth = 1; depth <= segments.length; depth++) {
      const parent = `/${segments.slice(0, depth).join('/')}`;
      folders.set(parent, new Set([...(folders.get(parent) ?? []), ...environments]));
    }
  };
  for (const path of declared.folders) add(path, everywhere);
  for (const { path, environments } of Object.values(declared.secrets)) add(path, environments ?? everywhere);
  return [...folders]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([path, environments]) => ({ path, environments: everywhere.filter((slug) => environments.has(slug)) }));
}

function planFolder(
  organization: string,
  project: string,
  folder: DeclaredFolder,
  live: LiveProject | undefined,
): Share {
  const environments = folder.environments.filter((slug) => !live?.environments.get(slug)?.folders.has(folder.path));
  if (environments.length === 0) return unchanged;
  return only({ type: 'folder', organization, project, path: folder.path, environments });
}

/** One share for each folder of each environment. */
function planSecrets(organization: string, declared: DeclaredProject, live: LiveProject | undefined): Share[] {
  return declared.environments.flatMap(({ slug: environment }) => {
    const here = Object.entries(declared.secrets).filter(
      ([, secret]) => secret.environments?.includes(environment) ?? true,
    );
    const present = live?.environments.get(environment)?.secrets;
    return [...Map.groupBy(here, ([, { path }]) => path)].map(([path, secrets]): Share => {
      const at = { organization, project: declared.slug, environment, path };
      const absent = secrets.filter(([key]) => !present?.has(secretAddress(path, key)));
      const generated = absent.filter(([, { kind }]) => recipeOf(kind));
      const missing = absent.filter(([, { kind }]) => !recipeOf(kind)).map(([key, { kind }]) => ({ ...at, key, kind }));
      const steps = batches(generated).map(
        (batch): SecretsStep => ({ type: 'secrets', ...at, secrets: batch.map(toGenerate) }),
      );
      return { steps, missing, unchanged: secrets.length - absent.length };
    });
  });
}

const toGenerate = ([key, { kind, length, alphabet, comment }]: [string, DeclaredSecret]) => ({
  key,
  kind,
  length,
  alphabet,
  comment,
});

/** What one request may carry (contracts/secrets.ts, batchOf). */
const MOST_PER_REQUEST = 1000;

function batches<Item>(items: readonly Item[]): Item[][] {
  const count = Math.ceil(items.length / MOST_PER_REQUEST);
  return Array.from({ length: count }, (_, index) =>
    items.slice(index * MOST_PER_REQUEST, (index + 1) * MOST_PER_REQUEST),
  );
}

function planIdentity(organization: string, declared: DeclaredIdentity, live: LiveOrganization | undefined): Share[] {
  return [
    planIdentityItself(organization, declared, live),
    ...declared.projects.map((access) =>
      planAccess(organization, declared.name, access, live?.projects.get(access.project)),
    ),
  ];
}

function planIdentityItself(
  organization: string,
  { name, role }: DeclaredIdentity,
  live: LiveOrganization | undefined,
): Share {
  const known = live?.identities.get(name);
  const step = { type: 'identity', organization, identity: name, attachUniversalAuth: !known?.universalAuth } as const;
  if (!known) return only({ ...step, create: { role } });
  if (known.role !== role) return only({ ...step, role: { from: known.role, to: role } });
  return known.universalAuth ? unchanged : only(step);
}

function planAccess(
  organization: string,
  identity: string,
  declared: DeclaredAccess,
  live: LiveProject | undefined,
): Share {
  const { project, role, environments } = declared;
  const grant: Grant = { role, ...(environments ? { environments } : {}) };
  const from = live?.access.get(identity);
  if (from?.length === 1 && sameGrant(from[0] as Grant, grant)) return unchanged;
  return only({ type: 'access', organization, project, identity, grant, ...(from ? { from } : {}) });
}

function sameGrant(a: Grant, b: Grant): boolean {
  const sorted = ({ environments }: Grant) => environments && [...environments].sort().join();
  return a.role === b.role && sorted(a) === sorted(b);
}
