import type { OrganizationNeed, SearchIdentitiesBody, SearchMembershipsBody } from '../../contracts/index.ts';
import type { Access, Caller, OrganizationAccess } from '../access/access.ts';
import type { Audit } from '../audit/audit.ts';
import type { Database, Db } from '../database/database.ts';
import type { LastSeen } from '../last-seen/last-seen.ts';
import { giveRole, mayManage } from '../organization-roles/giving.ts';
import { keepOneAdmin } from '../organizations/admins.ts';
import { type OrganizationRow, organizationsOf } from '../organizations/store.ts';
import { asIfAbsent, badRequest, notFound } from '../refusal.ts';
import { countMemberships, searchMemberships } from './search-store.ts';
import {
  deleteIdentity,
  findIdentity,
  type IdentityMetadata,
  type IdentityRow,
  insertIdentity,
  listIdentities,
  setIdentityRole,
  updateIdentity,
} from './store.ts';

type IdentityAction = Extract<OrganizationNeed, { subject: 'identity' }>['action'];
/** What gives no power over an identity. */
const READING = { action: 'read', subject: 'identity' } as const;
const LOOKING: ReadonlySet<IdentityAction> = new Set(['read', 'get-token']);

/** An identity, and the access of somebody who manages it. */
export type ManagedIdentity = OrganizationAccess & { readonly identity: IdentityRow };

/** Machine identities (HIP-27, "Machine Identity Lifecycle"). The organization's admins manage them, and whoever may by a role of its own. */
export class Identities {
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

  async create(
    caller: Caller,
    given: {
      name: string;
      organizationId: string;
      role: string;
      hasDeleteProtection: boolean;
      metadata: IdentityMetadata;
    },
  ): Promise<IdentityRow> {
    const { organizationId, name, role } = given;
    const access = await this.#access.organizationWith(
      caller,
      organizationId,
      { action: 'create', subject: 'identity' },
      'create-identity',
    );
    return this.#access.changeOrganization(access, async (tx) => {
      const asRole = await giveRole(this.#access, tx, access, 'create-identity', role);
      const id = await insertIdentity(tx, { ...given, ...asRole, instanceAdmin: false });
      const metadata = { identityId: id, name, role };
      await this.#audit.changedOrganization(tx, access, 'create', 'create-identity', metadata);
      return (await findIdentity(tx, id))!;
    });
  }

  async list(caller: Caller, organizationId: string, page: { offset: number; limit: number }) {
    await this.#access.organizationWith(caller, organizationId, READING, 'list-identities');
    await this.#lastSeen.settle();
    return listIdentities(this.#db, organizationId, page);
  }

  /** Looks for identities by name and role, in the caller's organization. */
  async search(caller: Caller, asked: SearchIdentitiesBody) {
    const organizationId = asked.organizationId ?? (await this.#onlyOrganization(caller)).id;
    await this.#access.organizationWith(caller, organizationId, READING, 'search-identities');
    await this.#lastSeen.settle();
    const { orderBy, orderDirection, offset, limit } = asked;
    const name = operators(asked.search?.name);
    const role = operators(asked.search?.role);
    return listIdentities(this.#db, organizationId, {
      ...{ orderBy, offset, limit, descending: orderDirection === 'desc' },
      contains: name.$contains,
      names: both(name),
      roles: both(role),
    });
  }

  /**
   * Looks for memberships of identities: in the organization, and in its projects. Who works in which project is told to
   * admins of the organization, who see all of them.
   */
  async searchMemberships(caller: Caller, asked: SearchMembershipsBody) {
    const { organizationId, wanted } = await this.#wanted(caller, asked);
    await this.#lastSeen.settle();
    const { orderBy, orderDirection, offset, limit } = asked;
    const page = { orderBy, descending: orderDirection === 'desc', offset, limit };
    const counts = await countMemberships(this.#db, organizationId, wanted);
    const rows = await searchMemberships(this.#db, organizationId, { ...wanted, ...page });
    return { organizationId, rows, totalCount: (counts.organization ?? 0) + (counts.project ?? 0) };
  }

  /** As `searchMemberships`: how many there are, of each kind that was asked for. */
  async countMemberships(caller: Caller, asked: Pick<SearchMembershipsBody, 'organizationId' | 'scope' | 'search'>) {
    const { organizationId, wanted } = await this.#wanted(caller, asked);
    const counts = await countMemberships(this.#db, organizationId, wanted);
    return Object.fromEntries(asked.scope.map((scope) => [scope, counts[scope] ?? 0]));
  }

  async #wanted(caller: Caller, asked: Pick<SearchMembershipsBody, 'organizationId' | 'scope' | 'search'>) {
    const organizationId = asked.organizationId ?? (await this.#onlyOrganization(caller)).id;
    const access = await this.#access.organizationWith(caller, organizationId, READING, 'search-identities');
    const name = operators(asked.search?.name);
    const roles = both(operators(asked.search?.role))?.map((role) =>
      role === 'member' ? ['member', 'developer'] : [role],
    );
    const scopes = asked.scope.filter((scope) => scope === 'organization' || access.organization.role === 'admin');
    return { organizationId, wanted: { scopes, contains: name.$contains, names: both(name), roles: roles?.flat() } };
  }

  /** The organization that the caller belongs to. */
  async details(caller: Caller): Promise<OrganizationRow> {
    return this.#onlyOrganization(caller);
  }

  async #onlyOrganization(caller: Caller): Promise<OrganizationRow> {
    const organizations = await organizationsOf(this.#db, await this.#access.actor(caller));
    if (organizations.length === 1) return organizations[0]!;
    throw badRequest('you are a member of several organizations, or of none; name one: organizationId');
  }

  async get(caller: Caller, id: string): Promise<IdentityRow> {
    await this.#lastSeen.settle();
    return (await this.managed(caller, id, 'get-identity', { orItself: true, action: 'read' })).identity;
  }

  async update(
    caller: Caller,
    id: string,
    change: {
      name?: string | undefined;
      role?: string | undefined;
      hasDeleteProtection?: boolean | undefined;
      metadata?: IdentityMetadata | undefined;
    },
  ): Promise<IdentityRow> {
    const access = await this.managed(caller, id, 'update-identity');
    const { identity } = access;
    return this.#access.changeOrganization(access, async (tx) => {
      await updateIdentity(tx, id, change);
      if (change.role !== undefined) {
        if (change.role !== 'admin') await keepOneAdmin(tx, identity.organizationId, id);
        const role = await giveRole(this.#access, tx, access, 'update-identity', change.role, id);
        await setIdentityRole(tx, id, role);
      }
      await this.record(tx, access, 'update', 'update-identity', { identityId: id, ...change });
      return (await findIdentity(tx, id))!;
    });
  }

  /** Deletes an identity. Its tokens are refused from the next request on. */
  async remove(caller: Caller, id: string): Promise<IdentityRow> {
    const access = await this.managed(caller, id, 'delete-identity', { action: 'delete' });
    const { identity } = access;
    await this.#access.changeOrganization(access, async (tx) => {
      if ((await findIdentity(tx, id))?.hasDeleteProtection) {
        throw badRequest(`identity ${id} is protected; set hasDeleteProtection to false before deleting it`);
      }
      // An instance admin is admin of every organization that it made, not only of its own.
      for (const organization of await organizationsOf(tx, { id, boundTo: null }))
        await keepOneAdmin(tx, organization.id, id);
      await this.record(tx, access, 'delete', 'delete-identity', { identityId: id, name: identity.name });
      await deleteIdentity(tx, id);
    });
    return identity;
  }

  /**
   * An identity that the caller manages, by its role in the organization; with `orItself`, or is. Nobody manages one that
   * holds more than itself: whoever can give it a client secret can be it. One that is admin of the
   * instance is managed by instance admins alone. To everyone outside of the organization it does not exist.
   */
  async managed(
    caller: Caller,
    id: string,
    what: string,
    { orItself = false, action = 'edit' }: { orItself?: boolean; action?: IdentityAction } = {},
  ): Promise<ManagedIdentity> {
    const identity = await findIdentity(this.#db, id);
    if (!identity) {
      await this.#access.actor(caller);
      throw notFound(`identity ${id} not found`);
    }
    return asIfAbsent(
      () => notFound(`identity ${id} not found`),
      async () => {
        const access = await this.#access.organization(caller, identity.organizationId);
        const itself = orItself && access.actor.id === id;
        if (!itself) await this.#access.needOrganization(access, { action, subject: 'identity' }, what);
        // Whoever can give an identity a client secret can be it: an organization's admin would become the instance's.
        if (!orItself && identity.instanceAdmin && !access.actor.instanceAdmin)
          await this.#access.deny(access, what, 'instance admin');
        if (itself || LOOKING.has(action)) return { ...access, identity };
        const recheck = (tx: Db) => mayManage(this.#access, tx, access, what, id);
        await recheck(this.#db);
        return { ...access, identity, recheck };
      },
    );
  }

  /** Records a change of a managed identity, or of one of its logins, in the change's own transaction. */
  async record(
    tx: Db,
    managed: ManagedIdentity,
    action: 'create' | 'update' | 'delete',
    event: string,
    metadata: Record<string, unknown>,
  ): Promise<void> {
    await this.#audit.changedOrganization(tx, managed, action, event, metadata);
  }
}

interface Operators {
  readonly $eq?: string | undefined;
  readonly $contains?: string | undefined;
  readonly $in?: readonly string[] | undefined;
}
const operators = (given: string | Operators | undefined): Operators =>
  typeof given === 'string' ? { $eq: given } : (given ?? {});
/** The texts that both `$eq` and `$in` allow; nothing when neither is given. */
const both = ({ $eq, $in }: Operators): readonly string[] | undefined =>
  $eq === undefined ? $in : $in === undefined || $in.includes($eq) ? [$eq] : [];
