import type { Access, Caller } from '../access/access.ts';
import type { Database, Db } from '../database/database.ts';
import { forbidden, tokenRefused } from '../refusal.ts';
import { type SessionRow, sessionOfToken } from '../sessions/store.ts';
import { findPerson, lockPerson, membershipsOf, type PersonRow } from './store.ts';

/** A person who acts on their own account. */
export interface Account {
  readonly person: PersonRow;
  /** Absent for the way back in with kms-secrets, which is no session. */
  readonly session: SessionRow | undefined;
}

/** How sure the server has to be of a person before a change of their account. */
export interface Sureness {
  /** They proved who they are within the last quarter of an hour: a token that was left lying about is not enough. */
  readonly fresh: boolean;
}

/** Knows who acts on their own account, and how far they may. */
export class Accounts {
  readonly #db: Database;
  readonly #access: Access;

  constructor(options: { db: Database; access: Access }) {
    this.#db = options.db;
    this.#access = options.access;
  }

  /** The caller, as a person. Machines have no account. */
  async of(caller: Caller): Promise<Account> {
    const actor = await this.#access.actor(caller);
    if (actor.kind !== 'user') throw forbidden(`${actor.name} is a machine identity; this route is for people`);
    const person = await findPerson(this.#db, actor.id);
    if (!person) throw tokenRefused('this account is gone; log in again');
    return { person, session: await sessionOfToken(this.#db, caller.tokenId) };
  }

  /**
   * Runs a change of the caller's account, with its row locked, after asking again. A login that still waits for its second
   * factor changes nothing; neither does the session of an organization's provider, once its person belongs to others too:
   * whoever runs that provider would otherwise reach into those.
   */
  async change<Result>(
    caller: Caller,
    { fresh }: Sureness,
    work: (tx: Db, account: Account) => Promise<Result>,
  ): Promise<Result> {
    const { person: asked } = await this.of(caller);
    return this.#db.transaction(async (tx) => {
      const person = await lockPerson(tx, asked.id);
      const session = await sessionOfToken(tx, caller.tokenId);
      // Its token was good a moment ago. A person's token without a session is the way back in, which needs no more proof.
      const actor = await this.#access.actorWithin(tx, caller);
      if (!person) throw tokenRefused('this account is gone; log in again');
      if (session) await requireSure(tx, person, session, fresh);
      else if (actor.boundTo !== null) throw tokenRefused('this session has ended; log in again');
      return work(tx, { person, session });
    });
  }
}

async function requireSure(tx: Db, person: PersonRow, session: SessionRow, fresh: boolean): Promise<void> {
  if (person.hasMfa && !session.mfaDone) {
    throw forbidden('this login waits for its second factor: choose an organization and verify a code first');
  }
  if (session.organizationId !== null) {
    const elsewhere = (await membershipsOf(tx, person.id)).some(
      (membership) => membership.organizationId !== session.organizationId,
    );
    if (elsewhere || person.instanceAdmin) {
      throw forbidden(
        "this session was opened by one organization's single sign-on, and your account belongs to more; log in with your password",
      );
    }
  }
  if (fresh && !session.fresh) throw forbidden('this takes a login of the last 15 minutes; log in again and repeat it');
}
