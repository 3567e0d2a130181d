import { builtInRoleIds, type CreateRoleBody, type UpdateRoleBody } from '../../contracts/index.ts';
import type { Access, Caller, ProjectAccess, ProjectReference } from '../access/access.ts';
import { compileAll } from '../access/permissions.ts';
import type { Database } from '../database/database.ts';
import { takenAs } from '../database/taken.ts';
import { asIfAbsent, badRequest, notFound } from '../refusal.ts';
import { builtInRoles } from './built-in.ts';
import {
  countHolders,
  deleteRole,
  findRole,
  findRolesBySlug,
  insertRole,
  listRoles,
  type RoleRow,
  updateRole,
} from './store.ts';
import { refuseUnreadable } from './validation.ts';
import { describedRole } from './wording.ts';

/** Custom roles of projects. Nobody writes into a role what it does not hold itself, whoever may edit roles. */
export class Roles {
  readonly #db: Database;
  readonly #access: Access;

  constructor(options: { db: Database; access: Access }) {
    this.#db = options.db;
    this.#access = options.access;
  }

  /** The built-in roles, then the project's own. */
  async list(caller: Caller, reference: ProjectReference): Promise<RoleRow[]> {
    const { project } = await this.#access.project(caller, reference, { action: 'read', subject: 'role' });
    return [...builtInRoles(project.id), ...(await listRoles(this.#db, project.id))];
  }

  async get(caller: Caller, reference: ProjectReference, slug: string): Promise<RoleRow> {
    const { project } = await this.#access.project(caller, reference, { action: 'read', subject: 'role' });
    const named = slug === 'member' ? 'developer' : slug;
    const found =
      builtInRoles(project.id).find((role) => role.slug === named) ??
      (await findRolesBySlug(this.#db, project.id, [slug]))[0];
    if (!found) throw notFound(`role "${slug}" not found in project "${project.slug}"`);
    return found;
  }

  /** A custom role by its id alone. In a project of strangers it is not there. */
  async getById(caller: Caller, id: string): Promise<RoleRow> {
    const role = await findRole(this.#db, id);
    if (!role) {
      await this.#access.actor(caller);
      throw noRole(id);
    }
    await asIfAbsent(
      () => noRole(id),
      () => this.#access.project(caller, { id: role.projectId }, { action: 'read', subject: 'role' }),
    );
    return role;
  }

  async create(caller: Caller, reference: ProjectReference, given: CreateRoleBody): Promise<RoleRow> {
    const need = { action: 'create', subject: 'role' } as const;
    const allowed = await this.#access.project(caller, reference, need);
    refuseUnreadable(given.permissions);
    return takenAs(`role "${given.slug}" exists already in project "${allowed.project.slug}"`, () =>
      this.#access.change(allowed, [need], async (tx, audit, again) => {
        await this.#access.giving.inProject(tx, again, 'create-project-role', {
          before: [],
          after: compileAll(given.permissions),
        });
        const role = await insertRole(tx, again.project.id, { ...given, description: given.description ?? '' });
        await audit([{ action: 'create', event: 'create-project-role', metadata: describedRole(role) }]);
        return role;
      }),
    );
  }

  /** Changes a role. Whoever has it holds what it says now from the next request on. */
  async update(caller: Caller, reference: ProjectReference, id: string, change: UpdateRoleBody): Promise<RoleRow> {
    const need = { action: 'edit', subject: 'role' } as const;
    const allowed = await this.#access.project(caller, reference, need);
    refuseBuiltIn(id);
    if (change.permissions) refuseUnreadable(change.permissions);
    return takenAs(`role "${change.slug}" exists already in project "${allowed.project.slug}"`, () =>
      this.#access.change(allowed, [need], async (tx, audit, again) => {
        const before = await this.#role(tx, again, id);
        await this.#access.giving.inProject(tx, again, 'update-project-role', {
          before: compileAll(before.permissions),
          after: compileAll(change.permissions ?? before.permissions),
        });
        const role = await updateRole(tx, id, change);
        const metadata = { ...describedRole(role), before: before.permissions };
        await audit([{ action: 'update', event: 'update-project-role', metadata }]);
        return role;
      }),
    );
  }

  /** Deletes a role that nobody has. */
  async remove(caller: Caller, reference: ProjectReference, id: string): Promise<RoleRow> {
    const need = { action: 'delete', subject: 'role' } as const;
    const allowed = await this.#access.project(caller, reference, need);
    refuseBuiltIn(id);
    return this.#access.change(allowed, [need], async (tx, audit, again) => {
      const role = await this.#role(tx, again, id);
      const holders = await countHolders(tx, id);
      if (holders > 0) {
        throw badRequest(`role "${role.slug}" is given to ${holders} members of the project; take it from them first`);
      }
      await deleteRole(tx, id);
      await audit([{ action: 'delete', event: 'delete-project-role', metadata: describedRole(role) }]);
      return role;
    });
  }

  async #role(db: Parameters<typeof findRole>[0], { project }: ProjectAccess, id: string): Promise<RoleRow> {
    const role = await findRole(db, id);
    if (role?.projectId !== project.id) throw noRole(id);
    return role;
  }
}

const noRole = (id: string) => notFound(`role ${id} not found`);

function refuseBuiltIn(id: string): void {
  const slug = Object.entries(builtInRoleIds).find(([, known]) => known === id)?.[0];
  if (slug !== undefined) throw badRequest(`"${slug}" is a built-in role; make a role of your own instead`);
}
