import type { OrganizationNeed } from '../../contracts/index.ts';
import type { Access, Caller, OrganizationAccess } from '../access/access.ts';
import type { Audit } from '../audit/audit.ts';
import type { Database, Db } from '../database/database.ts';
import { takenAs } from '../database/taken.ts';
import { mayEnter, mayLeave } from '../organization-roles/giving.ts';
import { onlyOrganization } from '../organizations/only.ts';
import { asIfAbsent, badRequest, notFound } from '../refusal.ts';
import { slugFor } from '../slugs.ts';
import {
  type CandidateRow,
  type Counted,
  candidates,
  deleteGroup,
  findGroup,
  findMachine,
  findPerson,
  type GroupProjectRow,
  type GroupRow,
  insertGroup,
  joinGroup,
  leaveGroup,
  listGroups,
  projectsOf,
  updateGroup,
} from './store.ts';

type Kind = 'user' | 'identity';
type GroupAction = Extract<OrganizationNeed, { subject: 'groups' }>['action'];
const LEAVING: ReadonlySet<GroupAction> = new Set(['edit', 'delete', 'remove-members', 'remove-identities']);

/**
 * Groups of people and identities. Their members hold in each project what the group holds there. Whoever enters one
 * gains, and whoever leaves one may escape a rule that forbids, in every project of the group at once: so who says who is
 * in them holds in each of those projects what the group does. Admins of the organization do.
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
    const id = organizationId ?? (await onlyOrganization(this.#db, await this.#access.actor(caller)));
    const access = await this.#access.organizationWith(
      caller,
      id,
      { action: 'read', subject: 'groups' },
      'list-groups',
    );
    return listGroups(this.#db, access.organization.id);
  }

  async get(caller: Caller, id: string): Promise<GroupRow> {
    return (await this.#reached(caller, id, 'get-group', 'read')).group;
  }

  async create(
    caller: Caller,
    given: { name: string; slug?: string | undefined; role: string; organizationId?: string | undefined },
  ): Promise<GroupRow> {
    const organizationId = given.organizationId ?? (await onlyOrganization(this.#db, await this.#access.actor(caller)));
    const access = await this.#access.organizationWith(
      caller,
      organizationId,
      { action: 'create', subject: 'groups' },
      'create-group',
    );
    const { name, role, slug = slugFor(name) } = given;
    return takenAs(`group "${slug}" exists already in this organization`, () =>
      this.#access.changeOrganization(access, async (tx) => {
        const group = await insertGroup(tx, { organizationId, slug, name, role });
        await this.#audit.changedOrganization(tx, access, 'create', 'create-group', { groupId: group.id, name, slug });
        return group;
      }),
    );
  }

  async update(
    caller: Caller,
    id: string,
    change: { name?: string | undefined; slug?: string | undefined; role?: string | undefined },
  ): Promise<GroupRow> {
    const { access } = await this.#reached(caller, id, 'update-group', 'edit');
    return takenAs(`group "${change.slug}" exists already in this organization`, () =>
      this.#access.changeOrganization(access, async (tx) => {
        const group = await updateGroup(tx, id, change);
        if (!group) throw noGroup(id);
        await this.#audit.changedOrganization(tx, access, 'update', 'update-group', { groupId: id, ...change });
        return group;
      }),
    );
  }

  /** Deletes a group. What its members held by it, they hold no more from the next request on. */
  async remove(caller: Caller, id: string): Promise<GroupRow> {
    const { access, group } = await this.#reached(caller, id, 'delete-group', 'delete');
    return this.#access.changeOrganization(access, async (tx) => {
      await deleteGroup(tx, id);
      await this.#audit.changedOrganization(tx, access, 'delete', 'delete-group', { groupId: id, name: group.name });
      return group;
    });
  }

  async candidates(caller: Caller, id: string, of: Parameters<typeof candidates>[2]): Promise<Counted<CandidateRow>> {
    const { group } = await this.#reached(caller, id, 'list-group-members', 'read');
    return candidates(this.#db, group, of);
  }

  /** What the group has access to, and could have. Names of projects are told to those who see them all. */
  async projects(caller: Caller, id: string, of: Parameters<typeof projectsOf>[2]): Promise<Counted<GroupProjectRow>> {
    const what = 'list-group-projects';
    const { access, group } = await this.#reached(caller, id, what, 'read');
    if (access.organization.role !== 'admin') await this.#access.deny(access, what, 'admin of the organization');
    return projectsOf(this.#db, group, of);
  }

  async add(caller: Caller, id: string, kind: Kind, named: string): Promise<CandidateRow> {
    const what = `add-${kind}-to-group`;
    const { access, group } = await this.#reached(caller, id, what, kind === 'user' ? 'add-members' : 'add-identities');
    return takenAs(`this ${kind} is in group "${group.slug}" already`, () =>
      this.#access.changeOrganization(access, async (tx) => {
        const actor = await this.#candidate(tx, group, kind, named);
        await mayEnter(this.#access, tx, access, what, id, actor.id);
        await joinGroup(tx, group, actor.id);
        const metadata = { groupId: id, groupName: group.name, [`${kind}Id`]: actor.id, name: actor.name };
        await this.#audit.changedOrganization(tx, access, 'create', what, metadata);
        return actor;
      }),
    );
  }

  async take(caller: Caller, id: string, kind: Kind, named: string): Promise<CandidateRow> {
    const { access, group } = await this.#reached(
      caller,
      id,
      `remove-${kind}-from-group`,
      kind === 'user' ? 'remove-members' : 'remove-identities',
    );
    return this.#access.changeOrganization(access, async (tx) => {
      const actor = await this.#candidate(tx, group, kind, named);
      if (actor.joinedAt === null) throw badRequest(`this ${kind} is not in group "${group.slug}"`);
      await leaveGroup(tx, group, actor.id);
      const metadata = { groupId: id, groupName: group.name, [`${kind}Id`]: actor.id, name: actor.name };
      await this.#audit.changedOrganization(tx, access, 'delete', `remove-${kind}-from-group`, metadata);
      return actor;
    });
  }

  async #candidate(tx: Db, group: GroupRow, kind: Kind, named: string): Promise<CandidateRow> {
    const found = kind === 'user' ? await findPerson(tx, group, named) : await findMachine(tx, group, named);
    if (!found) throw notFound(`${kind} ${named} not found in this organization`);
    return found;
  }

  /** A group of an organization in which the caller may do this. To everyone outside it is not there. */
  async #reached(
    caller: Caller,
    id: string,
    what: string,
    action: GroupAction,
  ): Promise<{ access: OrganizationAccess; group: GroupRow }> {
    const group = await findGroup(this.#db, id);
    if (!group) {
      await this.#access.actor(caller);
      throw noGroup(id);
    }
    return asIfAbsent(
      () => noGroup(id),
      async () => {
        const need = { action, subject: 'groups' } as const;
        const access = await this.#access.organizationWith(caller, group.organizationId, need, what);
        if (action === 'read') return { access, group };
        // Another name may be that of other people at an identity provider: it takes what the group holds, as entering does.
        const recheck = async (tx: Db) => {
          if (action === 'edit') await mayEnter(this.#access, tx, access, what, id);
          if (LEAVING.has(action)) await mayLeave(this.#access, tx, access, what, id);
        };
        return { access: { ...access, recheck }, group };
      },
    );
  }
}

const noGroup = (id: string) => notFound(`group ${id} not found`);
