import type { OrganizationNeed } from '../../contracts/index.ts';
import type { Audit } from '../audit/audit.ts';
import type { Load } from '../database/batch.ts';
import type { Database, Db } from '../database/database.ts';
import { Turns } from '../database/turns.ts';
import { badRequest, forbidden, notFound, unavailable } from '../refusal.ts';
import {
  type Actor,
  actorOf,
  inProject,
  inProjectOf,
  named,
  type OrganizationAccess,
  type ProjectAccess,
  type ProjectRecord,
  refusal,
} from './admitted.ts';
import type { Caller, ProjectReference } from './caller.ts';
import { Callers, type LiveVerdict } from './callers.ts';
import { Giving } from './giving.ts';
import { decideOrganization, OrganizationRights } from './organization-rights.ts';
import type { Pass } from './pass-store.ts';
import { Passes } from './passes.ts';
import type { Need, Rights } from './permissions.ts';
import { refusedNeed } from './refused.ts';
import { RoleBook } from './role-book.ts';
import { type Ask, type Held, lockProject, type Verdict } from './store.ts';

export type { Actor, OrganizationAccess, ProjectAccess, ProjectRecord } from './admitted.ts';
export type { Caller, ProjectReference } from './caller.ts';
export type { Need } from './permissions.ts';

/** How often a request starts over when a role of its caller is edited while it is being read. */
const ATTEMPTS = 5;

/**
 * Decides who may do what. Requests that wait at the same moment are judged by one statement (store.ts), which also
 * writes the audit of those whose answer this process holds; nothing is decided from anything but the database's
 * present rows.
 */
export class Access {
  readonly #db: Database;
  readonly #path: Database;
  readonly #audit: Audit;
  readonly #callers: Callers;
  /** Writers of one project come one after another, and all of them leave connections of the pool to others. */
  readonly #writers = new Turns({
    lanes: 4,
    perKey: 1,
    waiting: 1_000,
    overflow: () => unavailable('too many changes are waiting'),
  });
  readonly #roles = new RoleBook();
  readonly #organizationRights = new OrganizationRights();
  readonly #passes: Passes;
  /** Who may give what to whom. */
  readonly giving: Giving;

  /** @param path the pool that verdicts are asked over, apart from `db`, whose transactions wait for them */
  constructor(db: Database, path: Database, audit: Audit) {
    this.#db = db;
    this.#path = path;
    this.#audit = audit;
    this.#passes = new Passes(path);
    this.#callers = new Callers(path, audit);
    this.giving = new Giving(audit, this.#roles, this.#organizationRights);
  }

  get gate(): Load {
    return this.#callers.gate;
  }

  /** The groups of those whose verdict is kept. */
  get passes(): Load {
    return this.#passes.gate;
  }

  /** Where changes are made: the pool of their transactions. */
  get changes(): Database {
    return this.#db;
  }

  /** As the callers' own (callers.ts). */
  verdict(caller: Caller, about?: Partial<Ask>): Promise<LiveVerdict> {
    return this.#callers.verdict(caller, about);
  }

  /** The caller, whatever it may do. */
  async actor(caller: Caller): Promise<Actor> {
    return (await this.verdict(caller)).actor;
  }

  /** The caller, asked again within a transaction. Throws for a dead token, as every request does. */
  async actorWithin(tx: Db, caller: Caller): Promise<Actor> {
    return (await this.#callers.judgeWithin(tx, caller)).actor;
  }

  /** The caller within an organization. One that the caller is no member of does not exist for it: 404. */
  async organization(caller: Caller, organizationId: string): Promise<OrganizationAccess> {
    const verdict = await this.verdict(caller, { organizationId });
    if (verdict.organizationRole === null) {
      await this.#callers.refused(caller, verdict, 'organization', { asked: organizationId });
      throw notFound(`organization ${organizationId} not found`);
    }
    return { caller, actor: verdict.actor, organization: { id: organizationId, role: verdict.organizationRole } };
  }

  /** As `organization`, for its admins alone. */
  async organizationAdmin(caller: Caller, organizationId: string, what: string): Promise<OrganizationAccess> {
    const access = await this.organization(caller, organizationId);
    if (access.organization.role !== 'admin') await this.deny(access, what, 'admin of the organization');
    return access;
  }

  /** As `organization`, for those whose role in it allows what is needed. */
  async organizationWith(
    caller: Caller,
    organizationId: string,
    need: OrganizationNeed,
    what: string,
  ): Promise<OrganizationAccess> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const access = await this.organization(caller, organizationId);
      const rights = await this.#organizationRights.of(this.#path, access.organization.role);
      if (!rights) continue;
      if (!decideOrganization(rights, need).allowed) await this.#denyNeed(access, need, what);
      return access;
    }
    throw unavailable('your role in this organization is changing too fast; try again');
  }

  /** Refuses, with an audit record, what the caller's role in the organization does not allow. */
  async needOrganization(access: OrganizationAccess, need: OrganizationNeed, what: string): Promise<void> {
    if (decideOrganization(await this.#organizationRights.held(this.#path, access), need).allowed) return;
    await this.#denyNeed(access, need, what);
  }

  #denyNeed(access: OrganizationAccess, need: OrganizationNeed, what: string): Promise<never> {
    return this.deny(access, what, `admin of the organization, or one that may ${need.action} ${need.subject}`);
  }

  /** The caller within a project, with every right that `needs` names. */
  async project(caller: Caller, reference: ProjectReference, ...needs: Need[]): Promise<ProjectAccess> {
    const access = await this.projectWithHeld(caller, reference, undefined);
    for (const need of needs) await this.need(access, need);
    return access;
  }

  /** Turns a verdict about a project into access to it, or the 404 that a project of strangers gets. */
  async #found(
    caller: Caller,
    reference: ProjectReference,
    verdict: LiveVerdict,
    rights: Rights,
  ): Promise<ProjectAccess> {
    const asked = reference.id ?? reference.slug ?? '';
    if (verdict.matches > 1) {
      throw badRequest(`project "${asked}" exists in ${verdict.matches} of your organizations; name it by its id`);
    }
    if (verdict.projectId === null) {
      await this.#callers.refused(caller, verdict, 'project', { asked });
      throw notFound(`project "${asked}" not found`);
    }
    return { ...inProjectOf(caller, verdict, verdict.actor), rights };
  }

  /** As `project`, together with the question whether the held answer may be served (then its audit is written). */
  async projectWithHeld(
    caller: Caller,
    reference: ProjectReference,
    held: Held | undefined,
  ): Promise<ProjectAccess & { readonly served: boolean }> {
    const kept = held && (await this.#passes.admit(caller, reference, held));
    if (kept) {
      const { verdict, served } = kept;
      const rights = served ? this.#roles.known('') : this.#roles.known(verdict.grants);
      if (rights) return { ...inProjectOf(caller, verdict, actorOf(verdict)), rights, served };
    }
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const verdict = await this.verdict(caller, { ...named(reference), held });
      const rights = await this.#roles.of(this.#path, verdict);
      if (!rights) continue;
      const access = await this.#found(caller, reference, verdict, rights);
      this.#passes.keep(caller, reference, verdict);
      return { ...access, served: verdict.served };
    }
    throw unavailable('your roles in this project are changing too fast; try again');
  }

  /** Whether the held answer can be asked for by a kept verdict alone: the shortest way of `projectWithHeld`. */
  passFor(caller: Caller, reference: ProjectReference, held: Held): Pass | undefined {
    return this.#passes.passFor(caller, reference, held);
  }

  /**
   * Asks for it. When it was not served, `projectWithHeld` goes on from what was said, for the same caller.
   */
  async servedBy(
    pass: Pass,
    caller: Caller,
    reference: ProjectReference,
    held: Held,
  ): Promise<Omit<ProjectAccess, 'rights'> | undefined> {
    const admitted = await this.#passes.ask(caller, reference, pass, held);
    if (admitted?.served) return inProjectOf(caller, admitted.verdict, actorOf(admitted.verdict));
    this.#passes.tell(caller, admitted);
    return undefined;
  }

  /** Keeps a verdict that a read made anew, so that the next one need not be judged again. */
  keep(caller: Caller, reference: ProjectReference, verdict: Verdict): void {
    this.#passes.keep(caller, reference, verdict);
  }

  /** Refuses, with an audit record, what the rights do not cover. */
  async need(access: ProjectAccess, need: Need): Promise<void> {
    if (access.rights.may(need.action, need.subject, need)) return;
    await this.#audit.write(refusal(access, need));
    throw refusedNeed(access.actor.name, access.project.slug, access.rights, need);
  }

  /** As `need`, and refuses those who may do it in a part of the place alone. */
  async needEverywhere(access: ProjectAccess, need: Need): Promise<void> {
    if (access.rights.everywhere(need.action, need.subject, need)) return;
    await this.#audit.write(refusal(access, need));
    throw refusedNeed(access.actor.name, access.project.slug, access.rights, need);
  }

  /** Refuses something of an organization. */
  async deny(access: OrganizationAccess, what: string, needed: string): Promise<never> {
    await this.#audit.write({
      action: 'update',
      event: what,
      outcome: 'refused',
      actor: access.actor,
      organizationId: access.organization.id,
      origin: access.caller.origin,
    });
    throw forbidden(`${access.actor.name} may not ${what}: that takes the role ${needed}`);
  }

  /**
   * Runs a change of a project: under the project's lock, and after asking again, in the same transaction, whether the
   * caller may still do it. A revocation that came in between wins. `work` is given the access as it is then, for rights
   * that depend on what it finds.
   */
  async change<Result>(
    access: ProjectAccess,
    needs: readonly Need[],
    work: (
      tx: Db,
      audit: (records: readonly ProjectRecord[]) => Promise<void>,
      again: ProjectAccess,
    ) => Promise<Result>,
  ): Promise<Result> {
    const { caller, project } = access;
    const run = async (tx: Db) => {
      // Sent together; the verdict is of after the lock.
      const [, live] = await Promise.all([
        lockProject(tx, project.id),
        this.#callers.judgeWithin(tx, caller, { projectId: project.id }),
      ]);
      // Roles are edited under the project's lock, which this transaction holds: what the verdict names is still there.
      const rights = await this.#roles.of(tx, live);
      if (!rights) throw unavailable('your roles in this project changed at this moment; try again');
      const again = await this.#found(caller, { id: project.id }, live, rights);
      for (const need of needs) await this.need(again, need);
      return work(tx, (records) => this.auditWithin(tx, [{ access: again, records }]), again);
    };
    return this.#writers.take(project.id, () => this.#db.transaction(run));
  }

  /**
   * What a verdict gives without any further question. Nothing when it refuses, or names a role that was not read yet:
   * `change` then finds out, and says why.
   */
  plainly(caller: Caller, verdict: Verdict): ProjectAccess | undefined {
    const { tokenKnown, actorId, revoked, expired, ipTrusted, projectId } = verdict;
    const isLive = tokenKnown && actorId === caller.actorId && !revoked && !expired && ipTrusted;
    if (!isLive || projectId === null) return undefined;
    const rights = this.#roles.known(verdict.grants);
    return rights && { ...inProjectOf(caller, verdict, actorOf(verdict)), rights };
  }

  /** The project that a caller who was let in named so before, if this process remembers: where a change may be tried. */
  projectOf(caller: Caller, reference: ProjectReference): string | undefined {
    return this.#passes.projectOf(caller, reference);
  }

  /** Stores the records of allowed changes in their transaction. */
  async auditWithin(
    tx: Db,
    changes: readonly { readonly access: ProjectAccess; readonly records: readonly ProjectRecord[] }[],
  ): Promise<void> {
    const outcome = 'allowed' as const;
    const records = changes.flatMap(({ access, records }) =>
      records.map((record) => ({ ...inProject(access), outcome, ...record })),
    );
    if (records.length > 0) await this.#audit.writeWithin(tx, records);
  }

  /**
   * As `change`, for what belongs to an organization and to none of its projects: it asks again, in the change's own
   * transaction, whether the token lives and the role is still the one that the change was allowed on.
   */
  async changeOrganization<Result>(access: OrganizationAccess, work: (tx: Db) => Promise<Result>): Promise<Result> {
    const { caller, organization } = access;
    return this.#db.transaction(async (tx) => {
      const again = await this.#callers.judgeWithin(tx, caller, { organizationId: organization.id });
      if (again.organizationRole !== organization.role) {
        await this.#callers.refused(caller, again, 'organization', { asked: organization.id });
        throw forbidden(`${again.actor.name} had another role in this organization a moment ago; try again`);
      }
      await access.recheck?.(tx);
      return work(tx);
    });
  }

  /** As `change`, for what belongs to the instance as a whole: for its admins alone. */
  async changeInstance<Result>(
    caller: Caller,
    what: string,
    work: (tx: Db, actor: Actor) => Promise<Result>,
  ): Promise<Result> {
    const verdict = await this.verdict(caller);
    const refuse = async (asked: typeof verdict) => {
      await this.#callers.refused(caller, asked, what, {});
      throw forbidden(`${asked.actor.name} may not ${what}: that takes an admin of the instance`);
    };
    if (!verdict.actor.instanceAdmin) return refuse(verdict);
    return this.#db.transaction(async (tx) => {
      const again = await this.#callers.judgeWithin(tx, caller);
      return again.actor.instanceAdmin ? work(tx, again.actor) : refuse(again);
    });
  }

  /** Stores the record of an allowed read that was not served from memory. */
  async recordRead(access: ProjectAccess, record: ProjectRecord): Promise<void> {
    await this.#audit.write({ ...inProject(access), outcome: 'allowed', ...record });
  }
}
