import type { OrganizationNeed } from '../../contracts/index.ts';
import type { Access, Caller, OrganizationAccess } from '../access/access.ts';
import type { Audit } from '../audit/audit.ts';
import type { Database, Db } from '../database/database.ts';
import { takenAs } from '../database/taken.ts';
import type { LastSeen } from '../last-seen/last-seen.ts';
import { listMembershipsOf, type MembershipRow } from '../memberships/store.ts';
import { giveRole, mayManage } from '../organization-roles/giving.ts';
import { lockPerson } from '../people/store.ts';
import { notFound } from '../refusal.ts';
import { endTokensInOrganization } from '../sessions/store.ts';
import { keepOneAdmin } from './admins.ts';
import {
  deleteMembership,
  ensureUser,
  findMember,
  insertMembership,
  listMembers,
  type MemberRow,
  updateMembership,
} from './members-store.ts';

/** The people of an organization. One admin is always left, and nobody changes who holds more than they do. */
export class Members {
  readonly #db: Database;
  readonly #lastSeen: LastSeen;
  readonly #access: Access;
  readonly #audit: Audit;

  constructor(options: { db: Database; access: Access; audit: Audit; lastSeen: LastSeen }) {
    this.#db = options.db;
    this.#lastSeen = options.lastSeen;
    this.#access = options.access;
    this.#audit = options.audit;
  }

  async list(caller: Caller, id: string): Promise<MemberRow[]> {
    await this.#insider(caller, id, 'list-members');
    await this.#lastSeen.settle();
    return listMembers(this.#db, id);
  }

  async get(caller: Caller, id: string, membershipId: string): Promise<MemberRow> {
    await this.#insider(caller, id, 'get-member');
    await this.#lastSeen.settle();
    return this.#member(this.#db, id, membershipId);
  }

  /**
   * Adds a person by e-mail address. Somebody without an account gets one that nobody can log in with yet. An account that
   * somebody can log in to already is only invited: whoever made it first need not be the owner of the address, and has to
   * show the invitation that this organization's admin hands on. One instance admin takes another in at once: they run the
   * instance together, so that there is no address to be proven (HIP-27: one admin "with access across all of them").
   */
  async add(caller: Caller, id: string, given: { email: string; role: string }): Promise<MemberRow> {
    const access = await this.#access.organizationWith(
      caller,
      id,
      { action: 'create', subject: 'member' },
      'add-member',
    );
    return takenAs(`${given.email} is a member already`, () =>
      this.#access.changeOrganization(access, async (tx) => {
        const role = await giveRole(this.#access, tx, access, 'add-member', given.role);
        const actorId = await ensureUser(tx, given.email);
        const person = await lockPerson(tx, actorId);
        const inUse = person !== undefined && (person.passwordHash !== null || person.hasSso || person.instanceAdmin);
        const known = access.actor.instanceAdmin && person?.instanceAdmin === true;
        const membershipId = await insertMembership(tx, {
          organizationId: id,
          actorId,
          ...role,
          status: inUse && !known ? 'invited' : 'accepted',
        });
        await this.#audit.changedOrganization(tx, access, 'create', 'add-organization-member', given);
        return this.#member(tx, id, membershipId);
      }),
    );
  }

  /** Changes a person's role, or deactivates them: every token that they have here is refused at its next request. */
  async update(
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
    return this.#access.changeOrganization(access, async (tx) => {
      const member = await this.#member(tx, id, membershipId);
      const { role, isActive } = change;
      if ((role !== undefined && role !== 'admin') || isActive === false) await keepOneAdmin(tx, id, member.userId);
      await mayManage(this.#access, tx, access, 'update-member', member.userId);
      const given =
        role === undefined ? {} : await giveRole(this.#access, tx, access, 'update-member', role, member.userId);
      await updateMembership(tx, id, membershipId, { isActive, ...given });
      if (isActive === false) await endTokensInOrganization(tx, id, member.userId);
      await this.#audit.changedOrganization(tx, access, 'update', 'update-organization-member', {
        email: member.email,
        ...change,
      });
      return this.#member(tx, id, membershipId);
    });
  }

  async remove(caller: Caller, id: string, membershipId: string): Promise<MemberRow> {
    const access = await this.#access.organizationWith(
      caller,
      id,
      { action: 'delete', subject: 'member' },
      'remove-member',
    );
    return this.#access.changeOrganization(access, async (tx) => {
      const member = await this.#member(tx, id, membershipId);
      await keepOneAdmin(tx, id, member.userId);
      await mayManage(this.#access, tx, access, 'remove-member', member.userId);
      await deleteMembership(tx, id, member.userId);
      await endTokensInOrganization(tx, id, member.userId);
      await this.#audit.changedOrganization(tx, access, 'delete', 'remove-organization-member', {
        email: member.email,
      });
      return member;
    });
  }

  /** The projects of an organization that one of its people is a member of. */
  async projects(caller: Caller, id: string, membershipId: string): Promise<MembershipRow[]> {
    await this.#insider(caller, id, 'get-member');
    const { userId } = await this.#member(this.#db, id, membershipId);
    return (await listMembershipsOf(this.#db, userId)).filter(({ organizationId }) => organizationId === id);
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
}
