import type { Access, Caller, OrganizationAccess } from '../access/access.ts';
import type { Audit } from '../audit/audit.ts';
import type { Database, Db } from '../database/database.ts';
import { takenAs } from '../database/taken.ts';
import { onlyOrganization } from '../organizations/only.ts';
import { badRequest, notFound, Refusal } from '../refusal.ts';
import { slugFor } from '../slugs.ts';
import {
  type CandidateRow,
  candidates,
  deleteGroup,
  findGroup,
  findMachine,
  findPerson,
  type GroupRow,
  insertGroup,
  joinGroup,
  leaveGroup,
  listGroups,
  updateGroup,
} from './store.ts';

type Kind = 'user' | 'identity';

/**
 * Groups of people and identities. Their members hold in each project what the group holds there. Admins of the
 * organization alone make groups and say who is in them: whoever enters one gains, and whoever leaves one may escape a
 * rule that forbids, in every project of the group at once.
 */
export class Groups {
  readonly #db: Database;
  readonly #access: Access;
  readonly #audit: Audit;

  constructor(options: { db: Database; access: Access; audit: Audit }) {
    this.#db = options.db;
    this.#access = options.access;
    this.#audit = options.audit;
  }

  async list(caller: Caller, organizationId: string | undefined): Promise<GroupRow[]> {
    const access = await this.#access.organization(
      caller,
      organizationId ?? (await onlyOrganization(this.#db, await this.#access.actor(caller))),
    );
    if (access.organization.role === 'no-access')
      await this.#access.deny(access, 'list-groups', 'member of the organization');
    return listGroups(this.#db, access.organization.id);
  }

  async get(caller: Caller, id: string): Promise<GroupRow> {
    return (await this.#reached(caller, id, 'get-group', { looking: true })).group;
  }

  async create(
    caller: Caller,
    given: { name: string; slug?: string | undefined; role: string; organizationId?: string | undefined },
  ): Promise<GroupRow> {
    const organizationId = given.organizationId ?? (await onlyOrganization(this.#db, await this.#access.actor(caller)));
    const access = await this.#access.organizationAdmin(caller, organizationId, 'create-group');
    const { name, role, slug = slugFor(name) } = given;
    return takenAs(`group "${slug}" exists already in this organization`, () =>
      this.#access.changeOrganization(access, async (tx) => {
        const group = await insertGroup(tx, { organizationId, slug, name, role });
        await this.#record(tx, access, 'create', 'create-group', { groupId: group.id, name, slug });
        return group;
      }),
    );
  }

  async update(
    caller: Caller,
    id: string,
    change: { name?: string | undefined; slug?: string | undefined; role?: string | undefined },
  ): Promise<GroupRow> {
    const { access } = await this.#reached(caller, id, 'update-group');
    return takenAs(`group "${change.slug}" exists already in this organization`, () =>
      this.#access.changeOrganization(access, async (tx) => {
        const group = await updateGroup(tx, id, change);
        if (!group) throw noGroup(id);
        await this.#record(tx, access, 'update', 'update-group', { groupId: id, ...change });
        return group;
      }),
    );
  }

  /** Deletes a group. What its members held by it, they hold no more from the next request on. */
  async remove(caller: Caller, id: string): Promise<GroupRow> {
    const { access, group } = await this.#reached(caller, id, 'delete-group');
    return this.#access.changeOrganization(access, async (tx) => {
      await deleteGroup(tx, id);
      await this.#record(tx, access, 'delete', 'delete-group', { groupId: id, name: group.name });
      return group;
    });
  }

  async candidates(caller: Caller, id: string, of: Parameters<typeof candidates>[2]) {
    const { group } = await this.#reached(caller, id, 'list-group-members', { looking: true });
    return candidates(this.#db, group, of);
  }

  async add(caller: Caller, id: string, kind: Kind, named: string): Promise<CandidateRow> {
    const { access, group } = await this.#reached(caller, id, `add-${kind}-to-group`);
    return takenAs(`this ${kind} is in group "${group.slug}" already`, () =>
      this.#access.changeOrganization(access, async (tx) => {
        const actor = await this.#candidate(tx, group, kind, named);
        await joinGroup(tx, group, actor.id);
        const metadata = { groupId: id, groupName: group.name, [`${kind}Id`]: actor.id, name: actor.name };
        await this.#record(tx, access, 'create', `add-${kind}-to-group`, metadata);
        return actor;
      }),
    );
  }

  async take(caller: Caller, id: string, kind: Kind, named: string): Promise<CandidateRow> {
    const { access, group } = await this.#reached(caller, id, `remove-${kind}-from-group`);
    return this.#access.changeOrganization(access, async (tx) => {
      const actor = await this.#candidate(tx, group, kind, named);
      if (actor.joinedAt === null) throw badRequest(`this ${kind} is not in group "${group.slug}"`);
      await leaveGroup(tx, group, actor.id);
      const metadata = { groupId: id, groupName: group.name, [`${kind}Id`]: actor.id, name: actor.name };
      await this.#record(tx, access, 'delete', `remove-${kind}-from-group`, metadata);
      return actor;
    });
  }

  async #candidate(tx: Db, group: GroupRow, kind: Kind, named: string): Promise<CandidateRow> {
    const found = kind === 'user' ? await findPerson(tx, group, named) : await findMachine(tx, group, named);
    if (!found) throw notFound(`${kind} ${named} not found in this organization`);
    return found;
  }

  /** A group of an organization that the caller runs, or with `looking` belongs to. To everyone outside it is not there. */
  async #reached(
    caller: Caller,
    id: string,
    what: string,
    { looking = false } = {},
  ): Promise<{ access: OrganizationAccess; group: GroupRow }> {
    const group = await findGroup(this.#db, id);
    if (!group) {
      await this.#access.actor(caller);
      throw noGroup(id);
    }
    try {
      const access = looking
        ? await this.#access.organization(caller, group.organizationId)
        : await this.#access.organizationAdmin(caller, group.organizationId, what);
      if (access.organization.role === 'no-access') await this.#access.deny(access, what, 'member of the organization');
      return { access, group };
    } catch (error) {
      if (error instanceof Refusal && error.kind === 'notFound') throw noGroup(id);
      throw error;
    }
  }

  #record(
    tx: Db,
    { actor, caller, organization }: OrganizationAccess,
    action: 'create' | 'update' | 'delete',
    event: string,
    metadata: Record<string, unknown>,
  ): Promise<void> {
    const { origin } = caller;
    return this.#audit.writeWithin(tx, [
      { action, event, outcome: 'allowed', actor, organizationId: organization.id, metadata, origin },
    ]);
  }
}

const noGroup = (id: string) => notFound(`group ${id} not found`);
