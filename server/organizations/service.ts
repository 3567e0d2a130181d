import type { OrganizationNeed } from '../../contracts/index.ts';
import type { Access, Actor, Caller, OrganizationAccess } from '../access/access.ts';
import type { Audit } from '../audit/audit.ts';
import type { Database, Db } from '../database/database.ts';
import { takenAs } from '../database/taken.ts';
import { giveRole, mayManage } from '../organization-roles/giving.ts';
import { lockPerson } from '../people/store.ts';
import { badRequest, forbidden, notFound } from '../refusal.ts';
import { endTokensAgainstRules, endTokensInOrganization } from '../sessions/store.ts';
import { slugFor } from '../slugs.ts';
import { keepOneAdmin } from './admins.ts';
import {
  deleteMembership,
  ensureUser,
  findMember,
  insertMembership,
  listMembers,
  type MemberProjectRow,
  type MemberRow,
  projectsOfMember,
  updateMembership,
} from './members-store.ts';
import {
  countProjects,
  deleteOrganization,
  findOrganization,
  hasProvider,
  insertOrganization,
  lockOrganization,
  type OrganizationChange,
  type OrganizationRow,
  organizationsToChoose,
  updateOrganization,
} from './store.ts';

/** Organizations and their people. Admins run an organization; instance admins alone make new ones. */
export class Organizations {
  readonly #db: Database;
  readonly #access: Access;
  readonly #audit: Audit;

  constructor(options: { db: Database; access: Access; audit: Audit }) {
    this.#db = options.db;
    this.#access = options.access;
    this.#audit = options.audit;
  }

  async list(caller: Caller): Promise<OrganizationRow[]> {
    await this.#access.actor(caller);
    return organizationsToChoose(this.#db, caller.tokenId);
  }

  async get(caller: Caller, id: string): Promise<OrganizationRow> {
    await this.#access.organization(caller, id);
    return (await findOrganization(this.#db, id))!;
  }

  /** Makes an organization; its maker becomes its admin. */
  async create(caller: Caller, given: { name: string; slug?: string | undefined }): Promise<OrganizationRow> {
    const actor = await this.#access.actor(caller);
    if (!actor.instanceAdmin) {
      await this.#record(caller, actor, null, 'create-organization', 'create', {}, 'refused');
      throw forbidden(`${actor.name} may not create organizations: that takes an instance admin`);
    }
    const slug = given.slug ?? slugFor(given.name);
    return takenAs(`organization "${slug}" exists already`, () =>
      this.#db.transaction(async (tx) => {
        const organization = await insertOrganization(tx, slug, given.name);
        await insertMembership(tx, {
          organizationId: organization.id,
          actorId: actor.id,
          role: 'admin',
          status: 'accepted',
        });
        await this.#recordWithin(tx, caller, actor, organization.id, 'create-organization', 'create', { slug });
        return organization;
      }),
    );
  }

  async update(caller: Caller, id: string, change: OrganizationChange): Promise<OrganizationRow> {
    const what = 'update-organization';
    // How people come in is for admins: whoever lifts a rule about it has a way into other accounts.
    const aboutLogins = change.enforceMfa !== undefined || change.ssoEnforced !== undefined;
    const access = aboutLogins
      ? await this.#access.organizationAdmin(caller, id, what)
      : await this.#access.organizationWith(caller, id, { action: 'edit', subject: 'settings' }, what);
    const { actor } = access;
    return takenAs(`organization "${change.slug}" exists already`, () =>
      this.#access.changeOrganization(access, async (tx) => {
        const organization = await updateOrganization(tx, id, change);
        if (!organization) throw notFound(`organization ${id} not found`);
        // A stricter rule holds for those who are in already.
        const enforceMfa = change.enforceMfa === true;
        const ssoEnforced = change.ssoEnforced === true;
        if (ssoEnforced && !(await hasProvider(tx, id))) {
          throw badRequest('set single sign-on up and switch it on first; nobody could come in');
        }
        if (enforceMfa || ssoEnforced) await endTokensAgainstRules(tx, id, { enforceMfa, ssoEnforced });
        await this.#recordWithin(tx, caller, actor, id, 'update-organization', 'update', { ...change });
        return organization;
      }),
    );
  }

  /** Deletes an organization that has no project left: its secrets are never taken along by accident. */
  async remove(caller: Caller, id: string): Promise<OrganizationRow> {
    const access = await this.#access.organizationAdmin(caller, id, 'delete-organization');
    const { actor } = access;
    return this.#access.changeOrganization(access, async (tx) => {
      const organization = await lockOrganization(tx, id);
      if (!organization) throw notFound(`organization ${id} not found`);
      const projects = await countProjects(tx, id);
      if (projects > 0)
        throw badRequest(`organization "${organization.slug}" still has ${projects} projects; delete them first`);
      await deleteOrganization(tx, id);
      await this.#recordWithin(tx, caller, actor, id, 'delete-organization', 'delete', { slug: organization.slug });
      return organization;
    });
  }

  async members(caller: Caller, id: string): Promise<MemberRow[]> {
    await this.#insider(caller, id, 'list-members');
    return listMembers(this.#db, id);
  }

  async member(caller: Caller, id: string, membershipId: string): Promise<MemberRow> {
    await this.#insider(caller, id, 'get-member');
    return this.#member(this.#db, id, membershipId);
  }

  /**
   * Adds a person by e-mail address. Somebody without an account gets one that nobody can log in with yet. An account that
   * somebody can log in to already is only invited: whoever made it first need not be the owner of the address, and has to
   * show the invitation that this organization's admin hands on. One instance admin takes another in at once: they run the
   * instance together, so that there is no address to be proven (HIP-27: one admin "with access across all of them").
   */
  async addMember(caller: Caller, id: string, given: { email: string; role: string }): Promise<MemberRow> {
    const access = await this.#access.organizationWith(
      caller,
      id,
      { action: 'create', subject: 'member' },
      'add-member',
    );
    const { actor } = access;
    return takenAs(`${given.email} is a member already`, () =>
      this.#access.changeOrganization(access, async (tx) => {
        const role = await giveRole(this.#access, tx, access, 'add-member', given.role);
        const actorId = await ensureUser(tx, given.email);
        const person = await lockPerson(tx, actorId);
        const inUse = person !== undefined && (person.passwordHash !== null || person.hasSso || person.instanceAdmin);
        const known = actor.instanceAdmin && person?.instanceAdmin === true;
        const membershipId = await insertMembership(tx, {
          organizationId: id,
          actorId,
          ...role,
          status: inUse && !known ? 'invited' : 'accepted',
        });
        await this.#recordWithin(tx, caller, actor, id, 'add-organization-member', 'create', given);
        return this.#member(tx, id, membershipId);
      }),
    );
  }

  /** Changes a person's role, or deactivates them: every token that they have here is refused at its next request. */
  async updateMember(
    caller: Caller,
    id: string,
    membershipId: string,
    change: { role?: string | undefined; isActive?: boolean | undefined },
  ): Promise<MemberRow> {
    const access = await this.#access.organizationWith(
      caller,
      id,
      { action: 'edit', subject: 'member' },
      'update-member',
    );
    const { actor } = access;
    return this.#access.changeOrganization(access, async (tx) => {
      const member = await this.#member(tx, id, membershipId);
      const { role, isActive } = change;
      if ((role !== undefined && role !== 'admin') || isActive === false) await keepOneAdmin(tx, id, member.userId);
      await mayManage(this.#access, tx, access, 'update-member', member.userId);
      const given =
        role === undefined ? {} : await giveRole(this.#access, tx, access, 'update-member', role, member.userId);
      await updateMembership(tx, id, membershipId, { isActive, ...given });
      if (isActive === false) await endTokensInOrganization(tx, id, member.userId);
      await this.#recordWithin(tx, caller, actor, id, 'update-organization-member', 'update', {
        email: member.email,
        ...change,
      });
      return this.#member(tx, id, membershipId);
    });
  }

  async removeMember(caller: Caller, id: string, membershipId: string): Promise<MemberRow> {
    const access = await this.#access.organizationWith(
      caller,
      id,
      { action: 'delete', subject: 'member' },
      'remove-member',
    );
    const { actor } = access;
    return this.#access.changeOrganization(access, async (tx) => {
      const member = await this.#member(tx, id, membershipId);
      await keepOneAdmin(tx, id, member.userId);
      await mayManage(this.#access, tx, access, 'remove-member', member.userId);
      await deleteMembership(tx, id, member.userId);
      await endTokensInOrganization(tx, id, member.userId);
      await this.#recordWithin(tx, caller, actor, id, 'remove-organization-member', 'delete', { email: member.email });
      return member;
    });
  }

  /** The projects of an organization that one of its people is a member of. */
  async memberProjects(
    caller: Caller,
    id: string,
    membershipId: string,
  ): Promise<{ member: MemberRow; projects: MemberProjectRow[] }> {
    await this.#insider(caller, id, 'get-member');
    const member = await this.#member(this.#db, id, membershipId);
    return { member, projects: await projectsOfMember(this.#db, id, member.userId) };
  }

  async #insider(caller: Caller, id: string, what: string): Promise<OrganizationAccess> {
    const need: OrganizationNeed = { action: 'read', subject: 'member' };
    return this.#access.organizationWith(caller, id, need, what);
  }

  async #member(db: Db, id: string, membershipId: string): Promise<MemberRow> {
    const member = await findMember(db, id, membershipId);
    if (!member) throw notFound(`membership ${membershipId} not found`);
    return member;
  }

  #recordWithin(
    tx: Db,
    caller: Caller,
    actor: Actor,
    organizationId: string,
    event: string,
    action: 'create' | 'update' | 'delete',
    metadata: Record<string, unknown>,
  ): Promise<void> {
    const record = {
      action,
      event,
      outcome: 'allowed',
      actor,
      organizationId,
      metadata,
      origin: caller.origin,
    } as const;
    return this.#audit.writeWithin(tx, [record]);
  }

  #record(
    caller: Caller,
    actor: Actor,
    organizationId: string | null,
    event: string,
    action: 'create',
    metadata: Record<string, unknown>,
    outcome: 'refused',
  ): Promise<void> {
    return this.#audit.write({ action, event, outcome, actor, organizationId, metadata, origin: caller.origin });
  }
}
