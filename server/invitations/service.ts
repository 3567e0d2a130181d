import type { InviteBody } from '../../contracts/index.ts';
import type { Access, Actor, Caller } from '../access/access.ts';
import type { Audit } from '../audit/audit.ts';
import type { Origin } from '../audit/store.ts';
import type { Database, Db } from '../database/database.ts';
import { giveRole, mayManage } from '../organization-roles/giving.ts';
import { ensureUser, insertMembership } from '../organizations/members-store.ts';
import type { Accounts } from '../people/account.ts';
import type { Links } from '../people/links.ts';
import { type LinkRow, useLink } from '../people/links-store.ts';
import { checkPassword } from '../people/password-rules.ts';
import type { Passwords } from '../people/passwords.ts';
import { findPerson, lockPerson, membershipsOf, type PersonRow, setName, setPassword } from '../people/store.ts';
import { insertProjectMember } from '../projects/store.ts';
import { conflict, forbidden, notFound } from '../refusal.ts';
import type { Sessions } from '../sessions/service.ts';
import { acceptMembership, findMembership, findProjectFor, lockMembership } from './store.ts';

const A_WEEK_SECONDS = 604_800;

/** A link that was made, for one address. */
export interface Invited {
  readonly email: string;
  readonly link: string;
}

/**
 * Brings people into an organization by links that work once. A link alone sets up an account that nobody can log in to
 * yet and that belongs to no other organization; everybody else accepts while they are logged in. Otherwise whoever invites
 * an address would get at what its owner has elsewhere, and whoever invited it first at what it is given later.
 */
export class Invitations {
  readonly #db: Database;
  readonly #access: Access;
  readonly #audit: Audit;
  readonly #accounts: Accounts;
  readonly #links: Links;
  readonly #passwords: Passwords;
  readonly #sessions: Sessions;

  constructor(options: {
    db: Database;
    access: Access;
    audit: Audit;
    accounts: Accounts;
    links: Links;
    passwords: Passwords;
    sessions: Sessions;
  }) {
    this.#db = options.db;
    this.#access = options.access;
    this.#audit = options.audit;
    this.#accounts = options.accounts;
    this.#links = options.links;
    this.#passwords = options.passwords;
    this.#sessions = options.sessions;
  }

  /** Invites addresses. What they are promised, the caller holds itself. */
  async invite(caller: Caller, given: InviteBody): Promise<Invited[]> {
    const { organizationId, organizationRoleSlug: role } = given;
    const what = 'invite-member';
    // What is given in projects, the inviter has to hold there; an admin of the organization does.
    const access =
      (given.projects ?? []).length > 0
        ? await this.#access.organizationAdmin(caller, organizationId, what)
        : await this.#access.organizationWith(caller, organizationId, { action: 'create', subject: 'member' }, what);
    // In one order for everybody: two who invite the same people at once wait for each other, and not both for the other.
    const emails = [...new Set(given.inviteeEmails)].sort();
    return this.#access.changeOrganization(access, async (tx) => {
      const invited: Invited[] = [];
      for (const email of emails) {
        const userId = await ensureUser(tx, email);
        const known = await lockMembership(tx, organizationId, userId);
        if (known?.status === 'accepted') throw conflict(`${email} is a member already`);
        if (known) await mayManage(this.#access, tx, access, what, userId);
        else {
          const as = await giveRole(this.#access, tx, access, what, role);
          await insertMembership(tx, { organizationId, actorId: userId, ...as, status: 'invited' });
        }
        for (const project of given.projects ?? []) await this.#addToProject(tx, organizationId, project, userId);
        invited.push(await this.#link(tx, access.actor, { organizationId, userId, email }));
        await this.#record(
          tx,
          access.actor,
          organizationId,
          'invite-organization-member',
          { email, role },
          caller.origin,
        );
      }
      return invited;
    });
  }

  /** A new link for somebody who has not accepted yet. The one before ends. */
  async inviteAgain(caller: Caller, membershipId: string): Promise<Invited> {
    const membership = await findMembership(this.#db, membershipId);
    const missing = notFound(`membership ${membershipId} not found`);
    const verdict = await this.#access.verdict(caller, { organizationId: membership?.organizationId });
    if (!membership || verdict.organizationRole === null) throw missing;
    const { organizationId, userId, email } = membership;
    const need = { action: 'create', subject: 'member' } as const;
    const access = await this.#access.organizationWith(caller, organizationId, need, 'invite-member');
    return this.#access.changeOrganization(access, async (tx) => {
      const known = await lockMembership(tx, organizationId, userId);
      if (!known) throw missing;
      if (known.status === 'accepted') throw conflict(`${email} is a member already`);
      // The link is a way in as the invited.
      await mayManage(this.#access, tx, access, 'invite-member', userId);
      const invited = await this.#link(tx, access.actor, known);
      await this.#record(tx, access.actor, organizationId, 'invite-organization-member', { email }, caller.origin);
      return invited;
    });
  }

  /** Looks whether an invitation can be accepted with its link alone. It is not used up by that. */
  async check(given: { email: string; organizationId: string; code: string }): Promise<PersonRow> {
    const link = await this.#links.find(this.#db, given.code, 'invitation');
    const person = link && (await findPerson(this.#db, link.userId));
    if (!link || person?.email !== given.email || link.organizationId !== given.organizationId) throw this.#unknown();
    if (!(await isUntouched(this.#db, person, given.organizationId))) throw logInFirst(person.email);
    return person;
  }

  /** Sets up the account that a link invites, and logs it in. */
  async complete(
    given: { email: string; password: string; firstName: string; lastName?: string | undefined; code: string },
    origin: Origin,
  ): Promise<{ person: PersonRow; accessToken: string; refresh: string }> {
    const found = await this.#links.find(this.#db, given.code, 'invitation');
    const known = found && (await findPerson(this.#db, found.userId));
    if (known?.email !== given.email) throw this.#unknown();
    checkPassword(given.password, given.email, 'password');
    // The hash is made before the transaction, which would hold the account and a connection meanwhile.
    const hashed = await this.#passwords.hash(given.password, origin.ip);
    return this.#db.transaction(async (tx) => {
      const person = await lockPerson(tx, known.id);
      const link = await this.#links.find(tx, given.code, 'invitation');
      if (!person || !link?.organizationId || !(await useLink(tx, link.id))) throw this.#unknown();
      if (!(await isUntouched(tx, person, link.organizationId))) throw logInFirst(person.email);
      await setPassword(tx, person.id, hashed);
      await setName(tx, person.id, { firstName: given.firstName, lastName: given.lastName ?? '' });
      await this.#accept(tx, person, link, origin);
      const opened = await this.#sessions.open(tx, person, 'password', null, origin);
      return { ...opened, person: (await findPerson(tx, person.id))! };
    });
  }

  /** Accepts an invitation as the person who is logged in. */
  async accept(caller: Caller, given: { organizationId: string; code: string }): Promise<void> {
    await this.#access.actor(caller);
    const found = await this.#links.find(this.#db, given.code, 'invitation');
    if (found?.organizationId !== given.organizationId)
      throw notFound('invitation not found: it was used, has expired, or was replaced');
    await this.#accounts.change(caller, { fresh: false }, async (tx, { person, session }) => {
      const link = await this.#links.find(tx, given.code, 'invitation');
      if (link?.userId !== person.id) throw forbidden('this invitation is for another account; log in as that one');
      if (session?.organizationId != null && session.organizationId !== given.organizationId) {
        throw forbidden(
          "this session was opened by another organization's single sign-on; log in with your password to accept",
        );
      }
      if (!(await useLink(tx, link.id))) throw this.#unknown();
      await this.#accept(tx, person, link, caller.origin);
    });
  }

  async #accept(tx: Db, person: PersonRow, link: LinkRow, origin: Origin): Promise<void> {
    const organizationId = link.organizationId!;
    const membership = await lockMembership(tx, organizationId, person.id);
    if (!membership) throw this.#unknown();
    await acceptMembership(tx, membership.id);
    const actor = { kind: 'user', id: person.id, name: person.email };
    await this.#record(tx, actor, organizationId, 'accept-invitation', { invitedBy: link.createdBy }, origin);
  }

  async #addToProject(
    tx: Db,
    organizationId: string,
    given: NonNullable<InviteBody['projects']>[number],
    userId: string,
  ): Promise<void> {
    const project = await findProjectFor(tx, organizationId, given, userId);
    if (!project) throw notFound(`project "${given.id ?? given.slug ?? ''}" not found`);
    if (!project.isMember) await insertProjectMember(tx, project.id, userId, given.projectRoleSlug[0] ?? 'developer');
  }

  async #link(
    tx: Db,
    actor: Actor,
    { organizationId, userId, email }: { organizationId: string; userId: string; email: string },
  ): Promise<Invited> {
    const { link } = await this.#links.make(tx, {
      userId,
      email,
      purpose: 'invitation',
      organizationId,
      createdBy: actor.id,
      ttlSeconds: A_WEEK_SECONDS,
    });
    return { email, link };
  }

  #unknown() {
    this.#audit.refusedStranger('invitation-unknown');
    return forbidden(
      'this invitation does not hold: it was used, has expired, was replaced, or is for another address',
    );
  }

  #record(
    tx: Db,
    actor: { kind: string; id: string; name: string },
    organizationId: string,
    event: string,
    metadata: Record<string, unknown>,
    origin: Origin,
  ): Promise<void> {
    const action = event === 'accept-invitation' ? 'update' : 'create';
    return this.#audit.writeWithin(tx, [
      { action, event, outcome: 'allowed', actor, organizationId, metadata, origin },
    ]);
  }
}

/** Whether nobody can log in to an account yet, and nothing but the inviting organization hangs on it. */
async function isUntouched(db: Db, person: PersonRow, organizationId: string): Promise<boolean> {
  if (person.passwordHash !== null || person.hasSso || person.instanceAdmin) return false;
  return (await membershipsOf(db, person.id)).every(
    (membership) => membership.organizationId === organizationId || membership.status === 'invited',
  );
}

const logInFirst = (email: string) =>
  forbidden(`${email} has an account; log in and accept with POST /api/v1/invite-org/accept`);
