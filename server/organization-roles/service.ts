import {
  builtInOrganizationRoleIds,
  type CreateOrganizationRoleBody,
  OrganizationRole,
  organizationRoleRules,
  type UpdateOrganizationRoleBody,
} from '../../contracts/index.ts';
import type { Access, Caller, OrganizationAccess } from '../access/access.ts';
import { compileOrganizationRules } from '../access/organization-rights.ts';
import type { Audit } from '../audit/audit.ts';
import type { Database } from '../database/database.ts';
import { takenAs } from '../database/taken.ts';
import { onlyOrganization } from '../organizations/only.ts';
import { asIfAbsent, badRequest, notFound } from '../refusal.ts';
import { describedRole } from '../roles/wording.ts';
import {
  countHolders,
  deleteRole,
  findRole,
  findRoleBySlug,
  insertRole,
  listRoles,
  lockRole,
  type OrganizationRoleRow,
  updateRole,
} from './store.ts';

type Action = 'read' | 'create' | 'edit' | 'delete';

/** Roles that organizations write. Nobody writes into one what it does not hold in the organization itself. */
export class OrganizationRoles {
  readonly #db: Database;
  readonly #access: Access;
  readonly #audit: Audit;

  constructor(options: { db: Database; access: Access; audit: Audit }) {
    this.#db = options.db;
    this.#access = options.access;
    this.#audit = options.audit;
  }

  /** The built-in roles, then the organization's own. */
  async list(caller: Caller, organizationId: string | undefined): Promise<OrganizationRoleRow[]> {
    const { organization } = await this.#reach(caller, organizationId, 'read', 'list-organization-roles');
    return [...builtIn(organization.id), ...(await listRoles(this.#db, organization.id))];
  }

  async getBySlug(caller: Caller, organizationId: string | undefined, slug: string): Promise<OrganizationRoleRow> {
    const { organization } = await this.#reach(caller, organizationId, 'read', 'get-organization-role');
    const found =
      builtIn(organization.id).find((role) => role.slug === slug) ??
      (await findRoleBySlug(this.#db, organization.id, slug));
    if (!found) throw notFound(`role "${slug}" not found in this organization`);
    return found;
  }

  /** A custom role by its id. In an organization of strangers it is not there. */
  async get(caller: Caller, id: string, organizationId?: string): Promise<OrganizationRoleRow> {
    return (await this.#find(caller, id, organizationId, 'read', 'get-organization-role')).role;
  }

  async create(
    caller: Caller,
    organizationId: string | undefined,
    given: CreateOrganizationRoleBody,
  ): Promise<OrganizationRoleRow> {
    const event = 'create-organization-role';
    const access = await this.#reach(caller, organizationId, 'create', event);
    return takenAs(`role "${given.slug}" exists already in this organization`, () =>
      this.#access.changeOrganization(access, async (tx) => {
        const after = compileOrganizationRules(given.permissions);
        await this.#access.giving.inOrganization(tx, access, event, { before: [], after });
        const wording = { ...given, description: given.description ?? '' };
        const role = await insertRole(tx, access.organization.id, wording);
        await this.#audit.changedOrganization(tx, access, 'create', event, describedRole(role));
        return role;
      }),
    );
  }

  /** Changes a role. Whoever has it holds what it says now from the next request on. */
  async update(
    caller: Caller,
    id: string,
    change: UpdateOrganizationRoleBody,
    organizationId?: string,
  ): Promise<OrganizationRoleRow> {
    const event = 'update-organization-role';
    const { access } = await this.#find(caller, id, organizationId, 'edit', event);
    return takenAs(`role "${change.slug}" exists already in this organization`, () =>
      this.#access.changeOrganization(access, async (tx) => {
        const before = await lockRole(tx, id);
        if (!before) throw noRole(id);
        await this.#access.giving.inOrganization(tx, access, event, {
          before: compileOrganizationRules(before.permissions),
          after: compileOrganizationRules(change.permissions ?? before.permissions),
        });
        const role = await updateRole(tx, id, change);
        await this.#audit.changedOrganization(tx, access, 'update', event, {
          ...describedRole(role),
          before: before.permissions,
        });
        return role;
      }),
    );
  }

  /** Deletes a role that nobody has. */
  async remove(caller: Caller, id: string, organizationId?: string): Promise<OrganizationRoleRow> {
    const event = 'delete-organization-role';
    const { access } = await this.#find(caller, id, organizationId, 'delete', event);
    return this.#access.changeOrganization(access, async (tx) => {
      const role = await lockRole(tx, id);
      if (!role) throw noRole(id);
      const holders = await countHolders(tx, id);
      if (holders > 0) throw badRequest(`role "${role.slug}" is given to ${holders} members; take it from them first`);
      await deleteRole(tx, id);
      await this.#audit.changedOrganization(tx, access, 'delete', event, describedRole(role));
      return role;
    });
  }

  async #reach(
    caller: Caller,
    organizationId: string | undefined,
    action: Action,
    what: string,
  ): Promise<OrganizationAccess> {
    const id = organizationId ?? (await onlyOrganization(this.#db, await this.#access.actor(caller)));
    return this.#access.organizationWith(caller, id, { action, subject: 'role' }, what);
  }

  async #find(
    caller: Caller,
    id: string,
    organizationId: string | undefined,
    action: Action,
    what: string,
  ): Promise<{ role: OrganizationRoleRow; access: OrganizationAccess }> {
    // Whoever names an organization is first told whether that exists for it.
    if (organizationId !== undefined) await this.#reach(caller, organizationId, action, what);
    const slug = OrganizationRole.options.find((name) => builtInOrganizationRoleIds[name] === id);
    if (slug !== undefined && action !== 'read') throw badRequest(`"${slug}" is a built-in role; make one of your own`);
    const role = await findRole(this.#db, id);
    if (!role || (organizationId !== undefined && role.organizationId !== organizationId)) {
      await this.#access.actor(caller);
      throw noRole(id);
    }
    const access = await asIfAbsent(
      () => noRole(id),
      () => this.#reach(caller, role.organizationId, action, what),
    );
    return { role, access };
  }
}

const noRole = (id: string) => notFound(`role ${id} not found`);

const NAMES: Readonly<Record<OrganizationRole, string>> = {
  admin: 'Admin',
  member: 'Member',
  'no-access': 'No access',
};

/** The built-in roles. They are as old as the rules themselves: no organization made them. */
const builtIn = (organizationId: string): OrganizationRoleRow[] =>
  OrganizationRole.options.map((slug) => ({
    id: builtInOrganizationRoleIds[slug],
    organizationId,
    slug,
    name: NAMES[slug],
    description: '',
    permissions: organizationRoleRules[slug],
    createdAt: new Date(0),
    updatedAt: new Date(0),
  }));
