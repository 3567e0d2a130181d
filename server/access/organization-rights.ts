import {
  type OrganizationNeed,
  organizationRoleRules,
  organizationSubjects,
  type Rule,
} from '../../contracts/index.ts';
import type { Db, Statement } from '../database/database.ts';
import { unavailable } from '../refusal.ts';
import type { OrganizationAccess } from './admitted.ts';
import { compileAll, type Rights, rightsFrom } from './permissions.ts';
import type { CompiledRule } from './rules.ts';

const CUSTOM = 'custom:';
const AT_MOST = 10_000;
const SUBJECTS = { ...organizationSubjects, organization: ['own'] };

/** Today's Infisical calls a project `project`, and the one before `workspace`; a rule about the one is about both. */
export const compileOrganizationRules = (rules: readonly Rule[]): CompiledRule[] =>
  compileAll(rules.map((rule) => (rule.subject === 'project' ? { ...rule, subject: 'workspace' } : rule)));

/** What a role of an organization says: a custom one by its permissions, a built-in one by its name. */
export function organizationRules(role: string, permissions: readonly Rule[] | null): CompiledRule[] {
  if (permissions !== null) return compileOrganizationRules(permissions);
  // A role that this version does not know gives nothing.
  return Object.hasOwn(organizationRoleRules, role)
    ? compileOrganizationRules(organizationRoleRules[role as keyof typeof organizationRoleRules])
    : [];
}

/** The rights of somebody with these rules in an organization. */
export const organizationRightsFrom = (slug: string, rules: readonly CompiledRule[]): Rights =>
  rightsFrom([{ role: `${slug}@*`, rules }], SUBJECTS);

const builtIn: ReadonlyMap<string, Rights> = new Map(
  Object.keys(organizationRoleRules).map((role) => [role, organizationRightsFrom(role, organizationRules(role, null))]),
);

const LOAD: Statement = {
  name: 'access.load-organization-role',
  text: 'select slug, permissions from organization_roles where revision = $1',
};

/**
 * What roles of organizations mean. A verdict names a custom one by its revision, and a revision is of one wording for
 * ever, so nothing here can be out of date.
 */
export class OrganizationRights {
  readonly #custom = new Map<string, Rights>();

  /** The rights of a role in a verdict. Nothing when it was edited meanwhile. */
  async of(db: Db, role: string): Promise<Rights | undefined> {
    if (!role.startsWith(CUSTOM)) return builtIn.get(role) ?? builtIn.get('no-access');
    const revision = role.slice(CUSTOM.length);
    const known = this.#custom.get(revision);
    if (known) return known;
    const row = await db.first<{ slug: string; permissions: Rule[] }>(LOAD, [revision]);
    if (!row) return undefined;
    if (this.#custom.size >= AT_MOST) this.#custom.clear();
    // A role is never called as a built-in one is: whoever is named `admin` here holds everything.
    const rights = organizationRightsFrom(`custom ${row.slug}`, compileOrganizationRules(row.permissions));
    this.#custom.set(revision, rights);
    return rights;
  }

  /** What the caller holds in the organization, as its role was worded when it was judged. */
  async held(db: Db, { organization }: OrganizationAccess): Promise<Rights> {
    const rights = await this.of(db, organization.role);
    if (!rights) throw unavailable('your role in this organization changed at this moment; try again');
    return rights;
  }
}

/** Whether the rights allow something, and which rules say so. */
export const decideOrganization = (
  rights: Rights,
  { action, subject }: OrganizationNeed,
): ReturnType<Rights['decide']> => rights.decide(action, subject === 'project' ? 'workspace' : subject);
