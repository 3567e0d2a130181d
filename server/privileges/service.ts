import type { PrivilegeTime, Rule, UpdatePrivilegeBody } from '../../contracts/index.ts';
import type { Access, Caller, Need, ProjectReference } from '../access/access.ts';
import type { Change } from '../access/granting.ts';
import { compileAll } from '../access/permissions.ts';
import type { Database, Db } from '../database/database.ts';
import { takenAs } from '../database/taken.ts';
import { toSeconds } from '../memberships/roles.ts';
import { addRoles, findMembershipOf, type RoleWrite } from '../memberships/store.ts';
import { asIfAbsent, notFound } from '../refusal.ts';
import { deleteRole, updateRole } from '../roles/store.ts';
import { refuseUnreadable } from '../roles/validation.ts';
import { randomSuffix } from '../slugs.ts';
import { findPrivilege, insertPrivilege, listPrivileges, type PrivilegeRow, takePrivilege } from './store.ts';

interface NewPrivilege {
  readonly identityId: string;
  readonly slug?: string | undefined;
  readonly permissions: readonly Rule[];
  readonly type: PrivilegeTime;
}

/** A privilege by its name, which is one of its identity's in the project. */
interface PrivilegeName {
  readonly projectSlug: string;
  readonly identityId: string;
  readonly privilegeSlug: string;
}

const need = (action: Need['action']): Need => ({ action, subject: 'identity' });

/**
 * Rights that one identity has in a project besides its roles. They are a role of one membership alone, and are given
 * under the same rule: nobody gives what it does not hold.
 */
export class Privileges {
  readonly #db: Database;
  readonly #access: Access;

  constructor(options: { db: Database; access: Access }) {
    this.#db = options.db;
    this.#access = options.access;
  }

  async create(caller: Caller, project: ProjectReference, given: NewPrivilege): Promise<PrivilegeRow> {
    const { identityId, permissions, slug = `privilege-${randomSuffix()}` } = given;
    const allowed = await this.#access.project(caller, project, need('edit'));
    const { id: projectId } = allowed.project;
    refuseUnreadable(permissions);
    return takenAs(`privilege "${slug}" exists already for this identity`, () =>
      this.#access.change(allowed, [need('edit')], async (tx, audit, again) => {
        const membership = await findMembershipOf(tx, projectId, { kind: 'identity', id: identityId });
        if (!membership) throw notFound(`identity ${identityId} is no member of this project`);
        const change = { before: [], ...gives(permissions, given.type.isTemporary) };
        await this.#access.giving.inProject(tx, again, 'create-privilege', change);
        const id = await insertPrivilege(tx, { projectId, membershipId: membership.id, slug, permissions });
        await addRoles(tx, membership.id, [written(id, given.type)]);
        const metadata = { privilegeId: id, identityId, slug, permissions };
        await audit([{ action: 'create', event: 'create-privilege', metadata }]);
        return (await findPrivilege(tx, id))!;
      }),
    );
  }

  async update(caller: Caller, id: string, change: UpdatePrivilegeBody): Promise<PrivilegeRow> {
    const { projectId } = await this.get(caller, id);
    const allowed = await this.#access.project(caller, { id: projectId }, need('edit'));
    if (change.permissions) refuseUnreadable(change.permissions);
    return takenAs(`privilege "${change.slug}" exists already for this identity`, () =>
      this.#access.change(allowed, [need('edit')], async (tx, audit, again) => {
        const before = await this.#found(tx, id);
        const isTemporary = change.type?.isTemporary ?? before.expiresAt !== null;
        await this.#access.giving.inProject(tx, again, 'update-privilege', {
          before: compileAll(before.permissions),
          ...gives(change.permissions ?? before.permissions, isTemporary),
        });
        await updateRole(tx, id, { slug: change.slug, name: change.slug, permissions: change.permissions });
        if (change.type) {
          await takePrivilege(tx, id);
          await addRoles(tx, before.membershipId, [written(id, change.type)]);
        }
        const privilege = await this.#found(tx, id);
        const { slug, identityId, permissions } = privilege;
        const metadata = { privilegeId: id, identityId, slug, permissions };
        await audit([{ action: 'update', event: 'update-privilege', metadata }]);
        return privilege;
      }),
    );
  }

  async remove(caller: Caller, id: string): Promise<PrivilegeRow> {
    const { projectId } = await this.get(caller, id);
    const allowed = await this.#access.project(caller, { id: projectId }, need('edit'));
    return this.#access.change(allowed, [need('edit')], async (tx, audit, again) => {
      const privilege = await this.#found(tx, id);
      const before = compileAll(privilege.permissions);
      await this.#access.giving.inProject(tx, again, 'delete-privilege', { before, after: [] });
      await takePrivilege(tx, id);
      await deleteRole(tx, id);
      const metadata = { privilegeId: id, identityId: privilege.identityId, slug: privilege.slug };
      await audit([{ action: 'delete', event: 'delete-privilege', metadata }]);
      return privilege;
    });
  }

  /** In a project of strangers it is not there. */
  async get(caller: Caller, id: string): Promise<PrivilegeRow> {
    const privilege = await findPrivilege(this.#db, id);
    if (!privilege) {
      await this.#access.actor(caller);
      throw noPrivilege(id);
    }
    await asIfAbsent(
      () => noPrivilege(id),
      () => this.#access.project(caller, { id: privilege.projectId }, need('read')),
    );
    return privilege;
  }

  async bySlug(caller: Caller, { projectSlug, identityId, privilegeSlug }: PrivilegeName): Promise<PrivilegeRow> {
    const privileges = await this.list(caller, { slug: projectSlug }, identityId);
    const found = privileges.find(({ slug }) => slug === privilegeSlug);
    if (!found) throw noPrivilege(`"${privilegeSlug}"`);
    return found;
  }

  async list(caller: Caller, reference: ProjectReference, identityId: string): Promise<PrivilegeRow[]> {
    const { project } = await this.#access.project(caller, reference, need('read'));
    return listPrivileges(this.#db, project.id, identityId);
  }

  async #found(tx: Db, id: string): Promise<PrivilegeRow> {
    const privilege = await findPrivilege(tx, id);
    if (!privilege) throw noPrivilege(id);
    return privilege;
  }
}

const noPrivilege = (id: string) => notFound(`privilege ${id} not found`);

function gives(permissions: readonly Rule[], isTemporary: boolean): Pick<Change, 'after' | 'passing'> {
  const rules = compileAll(permissions);
  return isTemporary ? { after: [], passing: [rules] } : { after: rules };
}

function written(customRoleId: string, time: PrivilegeTime): RoleWrite {
  const base = { role: 'custom', customRoleId, environments: null };
  if (!time.isTemporary) return { ...base, temporary: null };
  const { temporaryRange: range, temporaryAccessStartTime: start = null } = time;
  return { ...base, temporary: { range, start, seconds: toSeconds(range) } };
}
