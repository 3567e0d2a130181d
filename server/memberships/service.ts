import type { RoleGrant } from '../../contracts/index.ts';
import type { Access, Caller, Need, ProjectAccess, ProjectReference } from '../access/access.ts';
import type { Database, Db } from '../database/database.ts';
import { takenAs } from '../database/taken.ts';
import { notFound, Refusal } from '../refusal.ts';
import { readRoles, rulesOf } from './roles.ts';
import {
  deleteMembership,
  findMembership,
  findMembershipOf,
  type Holder,
  heldBy,
  insertMembership,
  listMemberships,
  type MembershipFilter,
  type MembershipRow,
  projectOfMembership,
  replaceRoles,
} from './store.ts';

/** What the rights to memberships of a kind are called. */
const SUBJECTS = { identity: 'identity', user: 'member', group: 'groups' } as const;
const need = (action: Need['action'], kind: Holder['kind']): Need => ({ action, subject: SUBJECTS[kind] });

const EVENTS = {
  identity: ['add-identity-to-project', 'update-identity-of-project', 'remove-identity-from-project'],
  user: ['add-project-member', 'update-project-member', 'remove-project-member'],
  group: ['add-group-to-project', 'update-group-of-project', 'remove-group-from-project'],
} as const;

/** Finds who is meant, once the project is known to be the caller's; throws the 404 of its kind. */
export type FindHolder = (tx: Db, access: ProjectAccess) => Promise<{ readonly id: string; readonly name: string }>;
/** Finds a membership; throws the 404 of its kind. */
export type FindMembership = (tx: Db, access: ProjectAccess) => Promise<MembershipRow>;

/**
 * Memberships in a project, of identities, people and groups alike. Nobody gives more than it holds itself: the rules of
 * the roles are compared, whoever may manage members (access/granting.ts).
 */
export class Memberships {
  readonly #db: Database;
  readonly #access: Access;

  constructor(options: { db: Database; access: Access }) {
    this.#db = options.db;
    this.#access = options.access;
  }

  async list(caller: Caller, reference: ProjectReference, kind: Holder['kind']): Promise<MembershipRow[]> {
    return (await this.page(caller, reference, kind)).rows;
  }

  /** Some of the members, with how many there are in all. */
  async page(caller: Caller, reference: ProjectReference, kind: Holder['kind'], filter?: MembershipFilter) {
    const { project } = await this.#access.project(caller, reference, need('read', kind));
    return listMemberships(this.#db, project.id, kind, filter);
  }

  /** A membership by its id alone. In a project of strangers it is not there. */
  async byId(caller: Caller, kind: Holder['kind'], id: string): Promise<MembershipRow> {
    const missing = () => notFound(`membership ${id} not found`);
    const projectId = await projectOfMembership(this.#db, id);
    if (projectId === undefined) {
      await this.#access.actor(caller);
      throw missing();
    }
    try {
      await this.#access.project(caller, { id: projectId }, need('read', kind));
    } catch (error) {
      throw error instanceof Refusal && error.kind === 'notFound' ? missing() : error;
    }
    const row = await findMembership(this.#db, projectId, kind, id);
    if (!row) throw missing();
    return row;
  }

  async get(
    caller: Caller,
    reference: ProjectReference,
    kind: Holder['kind'],
    find: FindMembership,
  ): Promise<MembershipRow> {
    return find(this.#db, await this.#access.project(caller, reference, need('read', kind)));
  }

  /** Adds members with the same roles: all of them, or none. */
  async add(
    caller: Caller,
    reference: ProjectReference,
    kind: Holder['kind'],
    holders: readonly FindHolder[],
    given: readonly RoleGrant[],
  ): Promise<MembershipRow[]> {
    const needs = [need('create', kind)];
    const allowed = await this.#access.project(caller, reference, ...needs);
    return takenAs(`this ${kind} is a member of the project already`, () =>
      this.#access.change(allowed, needs, async (tx, audit, again) => {
        const added: MembershipRow[] = [];
        for (const find of holders) {
          const { id, name } = await find(tx, again);
          const { writes, gives } = await readRoles(tx, again.project.id, given);
          await this.#access.giving.inProject(tx, again, EVENTS[kind][0], { before: [], ...gives });
          const membershipId = await insertMembership(tx, again.project.id, { kind, id });
          await replaceRoles(tx, membershipId, writes);
          const metadata = { [`${kind}Id`]: id, name, roles: writes };
          await audit([{ action: 'create', event: EVENTS[kind][0], metadata }]);
          added.push((await findMembershipOf(tx, again.project.id, { kind, id }))!);
        }
        return added;
      }),
    );
  }

  /** Gives a member exactly these roles. */
  async update(
    caller: Caller,
    reference: ProjectReference,
    kind: Holder['kind'],
    find: FindMembership,
    given: readonly RoleGrant[],
  ): Promise<MembershipRow> {
    const needs = [need('edit', kind)];
    const allowed = await this.#access.project(caller, reference, ...needs);
    return this.#access.change(allowed, needs, async (tx, audit, again) => {
      const membership = await find(tx, again);
      const { writes, gives } = await readRoles(tx, again.project.id, given);
      const before = rulesOf(await heldBy(tx, membership.id));
      await this.#access.giving.inProject(tx, again, EVENTS[kind][1], { before, ...gives });
      await replaceRoles(tx, membership.id, writes);
      const metadata = { [`${kind}Id`]: membership.holderId, roles: writes };
      await audit([{ action: 'update', event: EVENTS[kind][1], metadata }]);
      return find(tx, again);
    });
  }

  /** Removes members: all of them, or none. */
  async remove(
    caller: Caller,
    reference: ProjectReference,
    kind: Holder['kind'],
    finds: readonly FindMembership[],
  ): Promise<MembershipRow[]> {
    const needs = [need('delete', kind)];
    const allowed = await this.#access.project(caller, reference, ...needs);
    return this.#access.change(allowed, needs, async (tx, audit, again) => {
      const removed: MembershipRow[] = [];
      for (const find of finds) {
        const membership = await find(tx, again);
        const before = rulesOf(await heldBy(tx, membership.id));
        await this.#access.giving.inProject(tx, again, EVENTS[kind][2], { before, after: [] });
        await deleteMembership(tx, membership.id);
        await audit([{ action: 'delete', event: EVENTS[kind][2], metadata: { [`${kind}Id`]: membership.holderId } }]);
        removed.push(membership);
      }
      return removed;
    });
  }
}
