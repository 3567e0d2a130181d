import { type Action, type Permission, type ProjectSubject, projectRoles } from '../../contracts/index.ts';

/** Where in a project something is: an environment, a folder in it, a secret in that. What is absent is not asked about. */
export interface Place {
  readonly environment?: string | undefined;
  readonly path?: string | undefined;
  readonly key?: string | undefined;
}

/** What a caller holds in a project, read from the grants of a verdict. */
export interface Rights {
  /** Whether the action is allowed at the place. With no `path` or `key`: whether it is anywhere in the environment. */
  may(action: Action, subject: ProjectSubject, at?: Place): boolean;
}

interface Grant {
  readonly permissions: readonly Permission[];
  /** The environments that the membership is limited to; none means no limit. */
  readonly environments: ReadonlySet<string> | undefined;
}

const parsed = new Map<string, Rights>();
const PARSED_AT_MOST = 10_000;

/** Reads `viewer@prod,ci@*`. The same few texts come again and again, so what they mean is kept. */
export function rightsOf(grants: string): Rights {
  const known = parsed.get(grants);
  if (known) return known;
  if (parsed.size >= PARSED_AT_MOST) parsed.clear();
  const rights = new Grants(grants === '' ? [] : grants.split(',').map(parseGrant));
  parsed.set(grants, rights);
  return rights;
}

function parseGrant(text: string): Grant {
  const [role, environments] = text.split('@') as [string, string];
  // A role that this version does not know gives nothing: deny by default, also while versions run side by side.
  const permissions = Object.hasOwn(projectRoles, role) ? projectRoles[role as keyof typeof projectRoles] : [];
  return { permissions, environments: environments === '*' ? undefined : new Set(environments.split('+')) };
}

class Grants implements Rights {
  readonly #grants: readonly Grant[];

  constructor(grants: readonly Grant[]) {
    this.#grants = grants;
  }

  may(action: Action, subject: ProjectSubject, at: Place = {}): boolean {
    return this.#grants.some((grant) => allows(grant, action, subject, at.environment));
  }
}

function allows(grant: Grant, action: Action, subject: ProjectSubject, environment: string | undefined): boolean {
  const { permissions, environments } = grant;
  if (environment !== undefined && environments !== undefined && !environments.has(environment)) return false;
  // A membership that reaches only some environments cannot run the project: it may look, and change nothing of the whole.
  if (environment === undefined && environments !== undefined && action !== 'read') return false;
  // The audit tells the key names of every environment, so a limited membership has to name one of its own.
  if (environment === undefined && environments !== undefined && subject === 'audit-logs') return false;
  return permissions.some(
    (permission) =>
      permission.subject === subject &&
      permission.actions.includes(action) &&
      (environment === undefined ||
        permission.environments === undefined ||
        permission.environments.includes(environment)),
  );
}
