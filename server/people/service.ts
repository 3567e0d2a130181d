import type { Access, Caller } from '../access/access.ts';
import type { Audit } from '../audit/audit.ts';
import type { Origin } from '../audit/store.ts';
import type { Db } from '../database/database.ts';
import { keepOneAdmin } from '../organizations/admins.ts';
import { badRequest, forbidden } from '../refusal.ts';
import type { Sessions } from '../sessions/service.ts';
import type { Account, Accounts } from './account.ts';
import { recordOfPerson } from './login.ts';
import { checkPassword } from './password-rules.ts';
import type { Passwords } from './passwords.ts';
import {
  deletePerson,
  findPerson,
  lockInstanceAdmins,
  membershipsOf,
  type PersonRow,
  setName,
  setPassword,
} from './store.ts';
import type { Throttle } from './throttle.ts';

/** What people do with their own accounts. */
export class People {
  readonly #access: Access;
  readonly #audit: Audit;
  readonly #accounts: Accounts;
  readonly #passwords: Passwords;
  readonly #throttle: Throttle;
  readonly #sessions: Sessions;

  constructor(options: {
    access: Access;
    audit: Audit;
    accounts: Accounts;
    passwords: Passwords;
    throttle: Throttle;
    sessions: Sessions;
  }) {
    this.#access = options.access;
    this.#audit = options.audit;
    this.#accounts = options.accounts;
    this.#passwords = options.passwords;
    this.#throttle = options.throttle;
    this.#sessions = options.sessions;
  }

  /** The caller's account. */
  me(caller: Caller): Promise<Account> {
    return this.#accounts.of(caller);
  }

  async rename(
    caller: Caller,
    name: { firstName?: string | undefined; lastName?: string | undefined },
  ): Promise<PersonRow> {
    return this.#accounts.change(caller, { fresh: false }, async (tx, { person }) => {
      await setName(tx, person.id, name);
      await this.#record(tx, person, 'update', 'update-user', caller.origin);
      return (await findPerson(tx, person.id))!;
    });
  }

  /** Sets another password, for somebody who knows the present one. Every session but this one ends. */
  async changePassword(
    caller: Caller,
    given: { oldPassword: string; newPassword: string },
    device: string | undefined,
  ): Promise<void> {
    const { person: asked } = await this.#accounts.of(caller);
    checkPassword(given.newPassword, asked.email, 'newPassword');
    const { ip } = caller.origin;
    const attempt = this.#throttle.password(asked.email, { ip, device });
    await attempt.begin();
    if (!(await this.#passwords.verify(asked.passwordHash, given.oldPassword, ip))) {
      throw badRequest('the present password is another one; nothing was changed');
    }
    const hashed = await this.#passwords.hash(given.newPassword, ip);
    await this.#accounts.change(caller, { fresh: false }, async (tx, { person, session }) => {
      if (person.passwordHash !== asked.passwordHash) throw badRequest('the password was changed a moment ago');
      await setPassword(tx, person.id, hashed);
      await this.#sessions.end(tx, person, { keep: session?.id }, caller.origin);
      await this.#record(tx, person, 'update', 'change-password', caller.origin);
    });
    await attempt.succeeded();
  }

  /** Deletes the caller's account. An organization, and the instance, keep an admin. */
  async remove(caller: Caller): Promise<PersonRow> {
    return this.#accounts.change(caller, { fresh: true }, async (tx, { person }) => {
      if (person.instanceAdmin && (await lockInstanceAdmins(tx)).every((id) => id === person.id)) {
        throw badRequest('you are the last admin of this instance; nobody could run it without you');
      }
      for (const { organizationId } of await membershipsOf(tx, person.id)) {
        await keepOneAdmin(tx, organizationId, person.id);
      }
      await this.#record(tx, person, 'delete', 'delete-user', caller.origin);
      await deletePerson(tx, person.id);
      return person;
    });
  }

  async sessions(caller: Caller) {
    const { person } = await this.#accounts.of(caller);
    return this.#sessions.list(person.id);
  }

  /** Ends one session of the caller, or all of them. */
  async endSessions(caller: Caller, id?: string): Promise<void> {
    await this.#accounts.change(caller, { fresh: false }, (tx, { person }) =>
      this.#sessions.end(tx, person, id === undefined ? {} : { id }, caller.origin),
    );
  }

  /** Refuses a session of a machine, for routes of people that have nothing else to say. */
  async checkAuth(caller: Caller): Promise<void> {
    const actor = await this.#access.actor(caller);
    if (actor.kind !== 'user') throw forbidden(`${actor.name} is a machine identity; this route is for people`);
  }

  #record(tx: Db, person: PersonRow, action: 'update' | 'delete', event: string, origin: Origin): Promise<void> {
    const actor = { kind: 'user', id: person.id, name: person.email };
    return recordOfPerson(tx, this.#audit, person, { action, event, outcome: 'allowed', actor, origin });
  }
}
