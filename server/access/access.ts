import type { OrganizationNeed, Rule } from '../../contracts/index.ts';
import type { Audit } from '../audit/audit.ts';
import { Seldom } from '../audit/seldom.ts';
import { Batch, type Load } from '../database/batch.ts';
import type { Database, Db } from '../database/database.ts';
import { Turns } from '../database/turns.ts';
import { badRequest, forbidden, notFound, tokenRefused, unavailable } from '../refusal.ts';
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
import { type Change, firstBeyond } from './granting.ts';
import { type Held as HeldInProject, lastingGrants } from './held-store.ts';
import { decideOrganization, OrganizationRights } from './organization-rights.ts';
import type { Pass } from './pass-store.ts';
import { Passes } from './passes.ts';
import type { Need, Rights } from './permissions.ts';
import { refusedGrant, refusedNeed } from './refused.ts';
import { RoleBook } from './role-book.ts';
import { type Ask, admit, type Held, judge, lockProject, takeUse, type Verdict } from './store.ts';

export type { Actor, OrganizationAccess, ProjectAccess, ProjectRecord } from './admitted.ts';
export type { Caller, ProjectReference } from './caller.ts';
export type { Need } from './permissions.ts';

const RECORD_DEAD_TOKENS_MS = 60_000;
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
  readonly #gate: Batch<Ask, Verdict>;
  /** Writers of one project come one after another, and all of them leave connections of the pool to others. */
  readonly #writers = new Turns({
    lanes: 4,
    perKey: 1,
    waiting: 1_000,
    overflow: () => unavailable('too many changes are waiting'),
  });
  readonly #deadTokens = new Seldom(RECORD_DEAD_TOKENS_MS);
  readonly #roles = new RoleBook();
  readonly #organizationRights = new OrganizationRights();
  readonly #passes: Passes;
  /** Callers, one object a request, that have taken their use. */
  readonly #used = new WeakSet<Caller>();

  /** @param path the pool that verdicts are asked over, apart from `db`, whose transactions wait for them */
  constructor(db: Database, path: Database, audit: Audit) {
    this.#db = db;
    this.#path = path;
    this.#audit = audit;
    this.#passes = new Passes(path);
    this.#gate = new Batch<Ask, Verdict>(
      { size: 200, lanes: 2, waiting: 20_000, overflow: () => unavailable('too many requests are waiting') },
      (asks) => admit(path, asks),
    );
  }

  get gate(): Load {
    return this.#gate;
  }

  /** The groups of those whose verdict is kept. */
  get passes(): Load {
    return this.#passes.gate;
  }

  /** Where changes are made: the pool of their transactions. */
  get changes(): Database {
    return this.#db;
  }

  /** Asks for a caller and, with `held`, whether the answer in memory may be served. Refuses dead tokens. */
  async verdict(caller: Caller, about: Partial<Ask> = {}): Promise<Verdict & { readonly actor: Actor }> {
    const ask = { ...caller.origin, tokenId: caller.tokenId, ...about };
    if (!(await this.#hasUse(caller))) await this.#exhausted(caller, { ...ask, held: undefined });
    return this.#live(caller, await this.#gate.add(ask));
  }

  /** A request takes one use of a limited token, however often it asks: a read that starts over, or asks of two things. */
  async #hasUse(caller: Caller): Promise<boolean> {
    if (!caller.usesLimited || this.#used.has(caller)) return true;
    this.#used.add(caller);
    return takeUse(this.#path, caller.tokenId);
  }

  /** Refuses a token without uses, or for what ended it before. */
  async #exhausted(caller: Caller, ask: Ask): Promise<never> {
    const verdict = await this.#live(caller, await this.#gate.add(ask));
    await this.#refusedToken(caller, verdict, 'token-exhausted');
    throw tokenRefused('this access token has been used as often as it may; log in again');
  }

  /** The caller, whatever it may do. */
  async actor(caller: Caller): Promise<Actor> {
    return (await this.verdict(caller)).actor;
  }

  /** The caller, asked again within a transaction. Throws for a dead token, as every request does. */
  async actorWithin(tx: Db, caller: Caller): Promise<Actor> {
    return (await this.#live(caller, await judge(tx, { ...caller.origin, tokenId: caller.tokenId }))).actor;
  }

  /** The caller within an organization. One that the caller is no member of does not exist for it: 404. */
  async organization(caller: Caller, organizationId: string): Promise<OrganizationAccess> {
    const verdict = await this.verdict(caller, { organizationId });
    if (verdict.organizationRole === null) {
      await this.#refused(caller, verdict, 'organization', { asked: organizationId });
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
    const access = await this.organization(caller, organizationId);
    await this.needOrganization(access, need, what);
    return access;
  }

  /** Refuses, with an audit record, what the caller's role in the organization does not allow. */
  async needOrganization(access: OrganizationAccess, need: OrganizationNeed, what: string): Promise<void> {
    if (decideOrganization(await this.organizationRights(this.#path, access), need).allowed) return;
    await this.deny(access, what, `admin of the organization, or one that may ${need.action} ${need.subject}`);
  }

  /** What the caller holds in the organization, as its role was worded when it was judged. */
  async organizationRights(db: Db, { organization }: OrganizationAccess): Promise<Rights> {
    const rights = await this.#organizationRights.of(db, organization.role);
    if (!rights) throw unavailable('your role in this organization changed at this moment; try again');
    return rights;
  }

  /** As `mayGrant`, of a role in an organization. */
  async mayGrantInOrganization(tx: Db, access: OrganizationAccess, what: string, change: Change): Promise<void> {
    const rights = await this.organizationRights(tx, access);
    const beyond = firstBeyond(rights, change);
    if (beyond === undefined) return;
    await this.#refusedBeyond(access, what, beyond.rule);
    throw refusedGrant(access.actor.name, 'the organization', rights, beyond);
  }

  /**
   * Refuses, with an audit record, power over somebody who holds in a project what the caller does not hold there. Whoever
   * can give an identity a client secret can be it, and whoever can put people into a group gives them what it holds. An
   * admin of the organization holds everything.
   *
   * @param held what the other holds, by project
   */
  async mayGrantInProjects(
    tx: Db,
    access: OrganizationAccess,
    what: string,
    held: ReadonlyMap<string, HeldInProject>,
    changeOf: (held: HeldInProject) => Change,
  ): Promise<void> {
    if (access.organization.role === 'admin') return;
    const { caller } = access;
    for (const [projectId, theirs] of held) {
      const verdict = await judge(tx, { ...caller.origin, tokenId: caller.tokenId, projectId });
      const rights = await this.#rights(tx, verdict);
      if (!rights) throw unavailable('your roles in a project changed at this moment; try again');
      const change = changeOf(theirs);
      const beyond = firstBeyond(rights, change) ?? (await this.#beyondForGood(tx, access, projectId, change));
      if (beyond === undefined) continue;
      await this.#refusedBeyond(access, what, beyond.rule);
      throw refusedGrant(access.actor.name, 'a project of the organization', rights, beyond);
    }
  }

  async #refusedBeyond(
    { actor, organization, caller }: OrganizationAccess,
    event: string,
    beyond: Rule,
  ): Promise<void> {
    const record = { action: 'update', event, outcome: 'refused', metadata: { beyond } } as const;
    await this.#audit.write({ ...record, actor, organizationId: organization.id, origin: caller.origin });
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
    verdict: Verdict & { readonly actor: Actor },
    rights: Rights,
  ): Promise<ProjectAccess> {
    const asked = reference.id ?? reference.slug ?? '';
    if (verdict.matches > 1) {
      throw badRequest(`project "${asked}" exists in ${verdict.matches} of your organizations; name it by its id`);
    }
    if (verdict.projectId === null) {
      await this.#refused(caller, verdict, 'project', { asked });
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
      const rights = await this.#rights(this.#path, verdict);
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

  /** What a verdict's grants mean. A served answer was allowed already, so that nothing is read for it. */
  async #rights(db: Db, { grants, served }: Verdict): Promise<Rights | undefined> {
    return this.#roles.known(grants) ?? (served ? this.#roles.known('') : this.#roles.read(db, grants));
  }

  /** Refuses, with an audit record, what the rights do not cover. */
  async need(access: ProjectAccess, need: Need): Promise<void> {
    if (access.rights.may(need.action, need.subject, need)) return;
    await this.#audit.write(refusal(access, need));
    throw refusedNeed(access.actor.name, access.project.slug, access.rights, need);
  }

  /**
   * Refuses, with an audit record, to give or to lift what the caller does not hold itself (granting.ts). Rights in a
   * project are given by those who hold them, whichever way they are given.
   */
  async mayGrant(tx: Db, access: ProjectAccess, event: string, change: Change): Promise<void> {
    const beyond =
      firstBeyond(access.rights, change) ?? (await this.#beyondForGood(tx, access, access.project.id, change));
    if (beyond === undefined) return;
    const record = { action: 'update', event, outcome: 'refused', metadata: { beyond: beyond.rule } } as const;
    await this.#audit.write({ ...inProject(access), ...record });
    throw refusedGrant(access.actor.name, `project "${access.project.slug}"`, access.rights, beyond);
  }

  /** What is held for a while only is not given: it would outlast the giver's own. */
  async #beyondForGood(
    tx: Db,
    { actor, organization }: OrganizationAccess,
    projectId: string,
    { after, passing = [] }: Change,
  ) {
    const given = [...after, ...passing.flat()];
    if (organization.role === 'admin' || given.length === 0) return undefined;
    const grants = await lastingGrants(tx, projectId, actor.id);
    if (grants === undefined) return undefined;
    const rights = await this.#roles.read(tx, grants);
    if (!rights) throw unavailable('your roles in a project changed at this moment; try again');
    const rule = rights.beyond(given);
    return rule && ({ rule: rule.written, why: 'outlasts' } as const);
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
    const ask = { ...caller.origin, tokenId: caller.tokenId, projectId: project.id };
    const run = async (tx: Db) => {
      // Sent together; the verdict is of after the lock.
      const [, verdict] = await Promise.all([lockProject(tx, project.id), judge(tx, ask)]);
      const live = await this.#live(caller, verdict);
      // Roles are edited under the project's lock, which this transaction holds: what the verdict names is still there.
      const rights = await this.#rights(tx, verdict);
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
      const ask = { ...caller.origin, tokenId: caller.tokenId, organizationId: organization.id };
      const again = await this.#live(caller, await judge(tx, ask));
      if (again.organizationRole !== organization.role) {
        await this.#refused(caller, again, 'organization', { asked: organization.id });
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
      await this.#refused(caller, asked, what, {});
      throw forbidden(`${asked.actor.name} may not ${what}: that takes an admin of the instance`);
    };
    if (!verdict.actor.instanceAdmin) return refuse(verdict);
    return this.#db.transaction(async (tx) => {
      const again = await this.#live(caller, await judge(tx, { ...caller.origin, tokenId: caller.tokenId }));
      return again.actor.instanceAdmin ? work(tx, again.actor) : refuse(again);
    });
  }

  /** Stores the record of an allowed read that was not served from memory. */
  async recordRead(access: ProjectAccess, record: ProjectRecord): Promise<void> {
    await this.#audit.write({ ...inProject(access), outcome: 'allowed', ...record });
  }

  async #live(caller: Caller, verdict: Verdict): Promise<Verdict & { readonly actor: Actor }> {
    if (!verdict.tokenKnown || verdict.actorId === null) {
      this.#audit.refusedStranger('token-unknown');
      throw tokenRefused('this access token is no longer valid; log in again');
    }
    const actor = actorOf(verdict);
    // The signature says whose the token is. A row that says otherwise was changed past the server.
    if (verdict.actorId !== caller.actorId) {
      await this.#refusedToken(caller, { ...verdict, actor }, 'token-row-changed');
      throw tokenRefused('this access token is no longer valid; log in again');
    }
    const dead = verdict.revoked ? 'revoked' : verdict.expired ? 'expired' : verdict.ipTrusted ? undefined : 'ip';
    if (dead === undefined) return { ...verdict, actor };
    await this.#refusedToken(caller, { ...verdict, actor }, `token-${dead}`);
    throw tokenRefused(
      {
        revoked: 'this access token has been revoked; log in again',
        expired: 'this access token has expired; log in again',
        ip: `this access token may not be used from ${caller.origin.ip}`,
      }[dead],
    );
  }

  /** A dead token can be sent again and again by whoever has it: a record a minute, and the rest is counted. */
  async #refusedToken(caller: Caller, verdict: Verdict & { readonly actor: Actor }, event: string): Promise<void> {
    this.#audit.refusedStranger(event);
    if (this.#deadTokens.isFirst(`${caller.tokenId} ${event}`)) await this.#refused(caller, verdict, event, {});
  }

  async #refused(
    caller: Caller,
    verdict: Verdict & { readonly actor: Actor },
    event: string,
    metadata: Record<string, unknown>,
  ): Promise<void> {
    await this.#audit.write({
      action: 'read',
      event,
      outcome: 'refused',
      actor: verdict.actor,
      organizationId: verdict.organizationId,
      metadata,
      origin: caller.origin,
    });
  }
}
