import type { Access, Caller } from '../access/access.ts';
import type { Audit } from '../audit/audit.ts';
import type { Origin } from '../audit/store.ts';
import type { Database, Db } from '../database/database.ts';
import { deleteFactor } from '../mfa/store.ts';
import { forbidden, notFound } from '../refusal.ts';
import type { Sessions } from '../sessions/service.ts';
import type { Links } from './links.ts';
import { useLink } from './links-store.ts';
import { recordOfPerson } from './login.ts';
import { checkPassword } from './password-rules.ts';
import type { Passwords } from './passwords.ts';
import { findActor, findPerson, lockPerson, membershipsOf, type PersonRow, setPassword } from './store.ts';

const A_DAY_SECONDS = 86_400;

/**
 * New passwords for those who lost theirs, by a link that an admin makes and hands on. Whoever sets somebody's password is
 * that person, so it takes an admin of every organization that the account belongs to, or of the instance; the latter's own
 * passwords take one of the instance.
 */
export class Resets {
  readonly #db: Database;
  readonly #access: Access;
  readonly #audit: Audit;
  readonly #links: Links;
  readonly #passwords: Passwords;
  readonly #sessions: Sessions;

  constructor(options: {
    db: Database;
    access: Access;
    audit: Audit;
    links: Links;
    passwords: Passwords;
    sessions: Sessions;
  }) {
    this.#db = options.db;
    this.#access = options.access;
    this.#audit = options.audit;
    this.#links = options.links;
    this.#passwords = options.passwords;
    this.#sessions = options.sessions;
  }

  /** Makes a link, which works for a day. */
  async make(
    caller: Caller,
    userId: string,
    { alsoSecondFactor }: { alsoSecondFactor: boolean },
  ): Promise<{ link: string; expiresAt: Date }> {
    const actor = await this.#access.actor(caller);
    const person = await findPerson(this.#db, userId);
    const missing = notFound(`user ${userId} not found`);
    if (!person) throw missing;
    if (!actor.instanceAdmin) {
      const roles = await this.#rolesOver(caller, person);
      if (roles.every((role) => role === null)) throw missing;
      if (person.instanceAdmin || roles.some((role) => role !== 'admin')) {
        await this.#record(this.#db, person, 'refused', 'create-password-reset', actor, caller.origin);
        throw forbidden(
          `${actor.name} may not reset this password: that takes an admin of all organizations of the account, or of the instance`,
        );
      }
    }
    return this.#db.transaction(async (tx) => {
      await this.#access.actorWithin(tx, caller);
      const { email } = (await lockPerson(tx, userId)) ?? { email: '' };
      if (email === '') throw missing;
      const link = await this.#links.make(tx, {
        userId,
        email,
        purpose: 'password-reset',
        organizationId: null,
        createdBy: actor.id,
        alsoSecondFactor,
        ttlSeconds: A_DAY_SECONDS,
      });
      await this.#record(tx, person, 'allowed', 'create-password-reset', actor, caller.origin, { alsoSecondFactor });
      return link;
    });
  }

  /** Sets a password with a link. Every session of the account ends. */
  async use(code: string, newPassword: string, origin: Origin): Promise<void> {
    const found = await this.#links.find(this.#db, code, 'password-reset');
    const known = found && (await findPerson(this.#db, found.userId));
    if (!known) throw this.#unknown();
    checkPassword(newPassword, known.email, 'newPassword');
    const hashed = await this.#passwords.hash(newPassword, origin.ip);
    await this.#db.transaction(async (tx) => {
      const person = await lockPerson(tx, known.id);
      const link = await this.#links.find(tx, code, 'password-reset');
      // The account may have joined somebody else's organization since: the link's maker has to be admin there too by now.
      if (!person || !link || !(await mayReset(tx, link.createdBy, person)) || !(await useLink(tx, link.id))) {
        throw this.#unknown();
      }
      await setPassword(tx, person.id, hashed);
      if (link.alsoSecondFactor) await deleteFactor(tx, person.id);
      await this.#sessions.end(tx, person, {}, origin);
      const actor = { kind: 'user', id: person.id, name: person.email };
      await this.#record(tx, person, 'allowed', 'reset-password', actor, origin, { madeBy: link.createdBy });
    });
  }

  /** What the caller is in each organization that the person belongs to; null where its token does not reach. */
  async #rolesOver(caller: Caller, person: PersonRow): Promise<(string | null)[]> {
    const roles: (string | null)[] = [];
    for (const { organizationId, status } of await membershipsOf(this.#db, person.id)) {
      if (status === 'accepted') roles.push((await this.#access.verdict(caller, { organizationId })).organizationRole);
    }
    return roles;
  }

  #unknown() {
    this.#audit.refusedStranger('password-reset-unknown');
    return forbidden('this link does not hold: it was used, has expired, or was replaced');
  }

  #record(
    db: Db,
    person: PersonRow,
    outcome: 'allowed' | 'refused',
    event: string,
    actor: { kind: string; id: string; name: string },
    origin: Origin,
    more: Record<string, unknown> = {},
  ): Promise<void> {
    const metadata = { userId: person.id, email: person.email, ...more };
    return recordOfPerson(db, this.#audit, person, { action: 'update', event, outcome, actor, metadata, origin });
  }
}

/** Whether somebody is an admin of the instance, or of every organization of a person. */
async function mayReset(tx: Db, makerId: string | null, person: PersonRow): Promise<boolean> {
  const maker = makerId === null ? undefined : await findActor(tx, makerId);
  if (maker?.instanceAdmin) return true;
  if (!maker || person.instanceAdmin) return false;
  const mine = new Set(
    (await membershipsOf(tx, maker.id))
      .filter(({ role, status, isActive }) => role === 'admin' && status === 'accepted' && isActive)
      .map(({ organizationId }) => organizationId),
  );
  const theirs = (await membershipsOf(tx, person.id)).filter(({ status }) => status === 'accepted');
  return theirs.length > 0 && theirs.every(({ organizationId }) => mine.has(organizationId));
}
