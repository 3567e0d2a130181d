import type { RoleGrant } from '../../contracts/index.ts';
import type { Caller } from '../access/access.ts';
import type { Database } from '../database/database.ts';
import type { FindHolder, FindMembership, Memberships } from '../memberships/service.ts';
import {
  findMembershipOf,
  listMembershipsOf,
  type MembershipFilter,
  type MembershipRow,
} from '../memberships/store.ts';
import { notFound } from '../refusal.ts';
import type { Identities } from './service.ts';
import { findIdentity } from './store.ts';

/** Which identity may do what in which project. */
export class IdentityMemberships {
  readonly #db: Database;
  readonly #identities: Identities;
  readonly #memberships: Memberships;

  constructor(options: { db: Database; identities: Identities; memberships: Memberships }) {
    this.#db = options.db;
    this.#identities = options.identities;
    this.#memberships = options.memberships;
  }

  async ofProject(caller: Caller, projectId: string, filter: MembershipFilter) {
    return this.#memberships.page(caller, { id: projectId }, 'identity', filter);
  }

  async byId(caller: Caller, membershipId: string): Promise<MembershipRow> {
    return this.#memberships.byId(caller, 'identity', membershipId);
  }

  async ofIdentity(caller: Caller, identityId: string): Promise<MembershipRow[]> {
    await this.#identities.managed(caller, identityId, 'list-identity-memberships', { orItself: true, action: 'read' });
    return listMembershipsOf(this.#db, identityId);
  }

  async get(caller: Caller, projectId: string, identityId: string): Promise<MembershipRow> {
    return this.#memberships.get(caller, { id: projectId }, 'identity', membershipOf(identityId));
  }

  async add(caller: Caller, projectId: string, id: string, roles: readonly RoleGrant[]): Promise<MembershipRow> {
    const [added] = await this.#memberships.add(caller, { id: projectId }, 'identity', [identityOf(id)], roles);
    return added!;
  }

  /** Gives an identity exactly these roles. */
  async update(caller: Caller, projectId: string, id: string, roles: readonly RoleGrant[]): Promise<MembershipRow> {
    return this.#memberships.update(caller, { id: projectId }, 'identity', membershipOf(id), roles);
  }

  async remove(caller: Caller, projectId: string, id: string): Promise<MembershipRow> {
    const [removed] = await this.#memberships.remove(caller, { id: projectId }, 'identity', [membershipOf(id)]);
    return removed!;
  }
}

const identityOf =
  (identityId: string): FindHolder =>
  async (tx, { organization }) => {
    const identity = await findIdentity(tx, identityId);
    // An identity of another organization is not told apart from none.
    if (identity?.organizationId !== organization.id) throw notFound(`identity ${identityId} not found`);
    return identity;
  };

const membershipOf =
  (identityId: string): FindMembership =>
  async (tx, { project }) => {
    const row = await findMembershipOf(tx, project.id, { kind: 'identity', id: identityId });
    if (!row) throw notFound(`identity ${identityId} is no member of this project`);
    return row;
  };
