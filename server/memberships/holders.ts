import type { RoleGrant } from '../../contracts/index.ts';
import type { Caller, ProjectReference } from '../access/access.ts';
import { findGroupNamed } from '../groups/store.ts';
import { findMemberByEmail } from '../organizations/members-store.ts';
import { notFound } from '../refusal.ts';
import type { FindHolder, FindMembership, Memberships } from './service.ts';
import { findMembership, findMembershipOf, type MembershipRow } from './store.ts';

/** People in projects. They are people of the organization already: nobody is invited in passing. */
export class PeopleOfProjects {
  readonly #memberships: Memberships;

  constructor(memberships: Memberships) {
    this.#memberships = memberships;
  }

  async list(caller: Caller, projectId: string): Promise<MembershipRow[]> {
    return this.#memberships.list(caller, { id: projectId }, 'user');
  }

  async get(caller: Caller, projectId: string, membershipId: string): Promise<MembershipRow> {
    return this.#memberships.get(caller, { id: projectId }, 'user', byId(membershipId));
  }

  async byEmail(caller: Caller, projectId: string, email: string): Promise<MembershipRow> {
    return this.#memberships.get(caller, { id: projectId }, 'user', byEmail(email));
  }

  async add(caller: Caller, projectId: string, emails: readonly string[], roles: readonly RoleGrant[]) {
    return this.#memberships.add(caller, { id: projectId }, 'user', emails.map(person), roles);
  }

  async update(caller: Caller, projectId: string, membershipId: string, roles: readonly RoleGrant[]) {
    return this.#memberships.update(caller, { id: projectId }, 'user', byId(membershipId), roles);
  }

  async remove(caller: Caller, projectId: string, membershipId: string): Promise<MembershipRow> {
    return (await this.#memberships.remove(caller, { id: projectId }, 'user', [byId(membershipId)]))[0]!;
  }

  async removeAll(caller: Caller, projectId: string, emails: readonly string[]): Promise<MembershipRow[]> {
    return this.#memberships.remove(caller, { id: projectId }, 'user', emails.map(byEmail));
  }
}

const person =
  (email: string): FindHolder =>
  async (tx, { organization }) => {
    const member = await findMemberByEmail(tx, organization.id, email);
    if (!member) throw notFound(`${email} is no member of this organization; add them there first`);
    return { id: member.userId, name: email };
  };

const byId =
  (membershipId: string): FindMembership =>
  async (tx, { project }) => {
    const row = await findMembership(tx, project.id, 'user', membershipId);
    if (!row) throw notFound(`membership ${membershipId} not found`);
    return row;
  };

const byEmail =
  (email: string): FindMembership =>
  async (tx, { organization, project }) => {
    const member = await findMemberByEmail(tx, organization.id, email);
    const row = member && (await findMembershipOf(tx, project.id, { kind: 'user', id: member.userId }));
    if (!row) throw notFound(`${email} is no member of this project`);
    return row;
  };

/** Groups in projects. */
export class GroupsOfProjects {
  readonly #memberships: Memberships;

  constructor(memberships: Memberships) {
    this.#memberships = memberships;
  }

  async list(caller: Caller, project: ProjectReference) {
    return this.#memberships.list(caller, project, 'group');
  }

  async get(caller: Caller, project: ProjectReference, group: string): Promise<MembershipRow> {
    return this.#memberships.get(caller, project, 'group', membershipOfGroup(group));
  }

  async add(caller: Caller, project: ProjectReference, group: string, roles: readonly RoleGrant[]) {
    return (await this.#memberships.add(caller, project, 'group', [groupNamed(group)], roles))[0]!;
  }

  async update(caller: Caller, project: ProjectReference, group: string, roles: readonly RoleGrant[]) {
    return this.#memberships.update(caller, project, 'group', membershipOfGroup(group), roles);
  }

  async remove(caller: Caller, project: ProjectReference, group: string): Promise<MembershipRow> {
    return (await this.#memberships.remove(caller, project, 'group', [membershipOfGroup(group)]))[0]!;
  }
}

const groupNamed =
  (named: string): FindHolder =>
  async (tx, { organization }) => {
    const group = await findGroupNamed(tx, organization.id, named);
    if (!group) throw notFound(`group ${named} not found`);
    return group;
  };

const membershipOfGroup =
  (named: string): FindMembership =>
  async (tx, access) => {
    const group = await findGroupNamed(tx, access.organization.id, named);
    const row = group && (await findMembershipOf(tx, access.project.id, { kind: 'group', id: group.id }));
    if (!row) throw notFound(`group ${named} is no member of this project`);
    return row;
  };
