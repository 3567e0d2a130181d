import { canonicalEnvironment, defaultEnvironments } from '../../contracts/names.ts';
import { didYouMean, type Problem } from './problem.ts';
import { isRecord } from './shape.ts';

type Path = readonly (string | number)[];
type Loose = Record<string, unknown>;

/**
 * What no schema can say: nothing is there twice, and every name that is used exists. Works on the document as written,
 * so that one look at a file with a mistyped key also shows the identity that points at nothing.
 */
export function checkReferences(document: unknown): Problem[] {
  const organizations = list(record(document).organizations);
  return [
    ...duplicates(organizations, ['organizations'], slugOf, (slug) => `organization "${slug}" is declared twice`),
    ...organizations.flatMap((organization, index) =>
      checkOrganization(record(organization), ['organizations', index]),
    ),
  ];
}

function checkOrganization(organization: Loose, path: Path): Problem[] {
  const projects = list(organization.projects);
  const identities = list(organization.identities);
  const known = new Map(projects.map((project) => [slugOf(project) ?? '', environmentsOf(record(project))]));
  const adminKey = (admin: unknown) => text(admin)?.trim().toLowerCase();
  return [
    ...duplicates(
      list(organization.admins),
      [...path, 'admins'],
      adminKey,
      (email) => `admin ${email} is listed twice`,
    ),
    ...duplicates(projects, [...path, 'projects'], slugOf, (slug) => `project "${slug}" is declared twice`),
    ...duplicates(identities, [...path, 'identities'], nameOf, (name) => `identity "${name}" is declared twice`),
    ...projects.flatMap((project, index) => checkProject(record(project), [...path, 'projects', index])),
    ...identities.flatMap((identity, index) => checkIdentity(record(identity), [...path, 'identities', index], known)),
  ];
}

function checkProject(project: Loose, path: Path): Problem[] {
  const environments = environmentsOf(project);
  const folderKey = (folder: unknown) => text(folder)?.replace(/(?<=.)\/$/, '');
  return [
    ...checkEnvironmentList(list(project.environments), [...path, 'environments']),
    ...duplicates(
      list(project.folders),
      [...path, 'folders'],
      folderKey,
      (folder) => `folder ${folder} is listed twice`,
    ),
    ...Object.entries(record(project.secrets)).flatMap(([key, secret]) => {
      const named = list(record(secret).environments);
      const at = [...path, 'secrets', key, 'environments'];
      return [...checkEnvironmentList(named, at), ...unknownEnvironments(named, at, slugOf(project), environments)];
    }),
  ];
}

function checkIdentity(identity: Loose, path: Path, known: ReadonlyMap<string, readonly string[]>): Problem[] {
  const accesses = list(identity.projects);
  const projectOf = (access: unknown) => text(record(access).project);
  return [
    ...duplicates(
      accesses,
      [...path, 'projects'],
      projectOf,
      (slug) => `access to project "${slug}" is declared twice`,
    ),
    ...accesses.flatMap((access, index): Problem[] => {
      const slug = projectOf(access);
      if (slug === undefined) return [];
      const at = [...path, 'projects', index];
      const environments = known.get(slug);
      if (environments === undefined) {
        const message = `project "${slug}" is not declared in this organization${didYouMean(slug, [...known.keys()])}`;
        return [{ path: [...at, 'project'], message }];
      }
      const named = list(record(access).environments);
      const where = [...at, 'environments'];
      return [...checkEnvironmentList(named, where), ...unknownEnvironments(named, where, slug, environments)];
    }),
  ];
}

function unknownEnvironments(
  named: unknown[],
  path: Path,
  project: string | undefined,
  known: readonly string[],
): Problem[] {
  return named.flatMap((entry, index): Problem[] => {
    const slug = text(entry);
    if (slug === undefined || known.includes(canonicalEnvironment(slug))) return [];
    const guess = didYouMean(slug, known) || `: it has ${known.join(', ')}`;
    return [{ path: [...path, index], message: `project "${project}" has no environment "${slug}"${guess}` }];
  });
}

function checkEnvironmentList(environments: unknown[], path: Path): Problem[] {
  const written = environments.map(environmentSlug);
  return duplicates(
    environments,
    path,
    (entry) => canonical(environmentSlug(entry)),
    (slug, first, second) => {
      if (written[first] === written[second]) return `environment "${slug}" is listed twice`;
      const alias = written.find((word) => word !== undefined && word !== slug && canonicalEnvironment(word) === slug);
      return `environment "${alias}" is an alias of "${slug}", which is listed too`;
    },
  );
}

function duplicates(
  entries: unknown[],
  path: Path,
  keyOf: (entry: unknown) => string | undefined,
  message: (key: string, first: number, second: number) => string,
): Problem[] {
  const seen = new Map<string, number>();
  return entries.flatMap((entry, index): Problem[] => {
    const key = keyOf(entry);
    if (key === undefined) return [];
    const first = seen.get(key);
    if (first !== undefined) return [{ path: [...path, index], message: message(key, first, index) }];
    seen.set(key, index);
    return [];
  });
}

function environmentsOf(project: Loose): string[] {
  const declared = project.environments ?? defaultEnvironments;
  return list(declared).flatMap((entry) => canonical(environmentSlug(entry)) ?? []);
}

const environmentSlug = (entry: unknown) => text(entry) ?? text(record(entry).slug);
const canonical = (slug: string | undefined) => (slug === undefined ? undefined : canonicalEnvironment(slug));
const slugOf = (entry: unknown) => text(record(entry).slug);
const nameOf = (entry: unknown) => text(record(entry).name)?.trim();
const text = (given: unknown) => (typeof given === 'string' ? given : undefined);
const list = (given: unknown): unknown[] => (Array.isArray(given) ? given : []);
const record = (given: unknown): Loose => (isRecord(given) ? given : {});
