import { createHash, randomBytes } from 'node:crypto';
import { macFor, sameMac } from '../../keys/index.ts';
import type { Access, Caller } from '../access/access.ts';
import type { Audit } from '../audit/audit.ts';
import type { Origin } from '../audit/store.ts';
import type { Database } from '../database/database.ts';
import type { Keyring } from '../keyring/keyring.ts';
import type { Accounts } from '../people/account.ts';
import { findPerson } from '../people/store.ts';
import { badRequest, forbidden, unauthorized } from '../refusal.ts';
import { sessionRecord } from '../sessions/records.ts';
import { NO_ORGANIZATION, type Sessions } from '../sessions/service.ts';
import { lockSession, sessionOfToken } from '../sessions/store.ts';
import { putCode, takeCode } from './store.ts';

const REFUSED = 'this code was used, has ended, or is not for this command line; run kms login again';

/** What a command line is logged in with. */
export interface HandedOver {
  readonly token: string;
  readonly refreshToken: string;
  readonly email: string;
  readonly organizationId: string;
  readonly organizationSlug: string;
}

/**
 * Logins of command lines by way of a browser (RFC 8252 and 7636): the person allows it there, the browser carries a code to the loopback
 * address where the command line listens, and the command line exchanges it. Whoever else sees the code has no use of it without the verifier.
 */
export class CommandLines {
  readonly #db: Database;
  readonly #access: Access;
  readonly #accounts: Accounts;
  readonly #audit: Audit;
  readonly #keyring: Keyring;
  readonly #sessions: Sessions;

  constructor(options: {
    db: Database;
    access: Access;
    accounts: Accounts;
    audit: Audit;
    keyring: Keyring;
    sessions: Sessions;
  }) {
    this.#db = options.db;
    this.#access = options.access;
    this.#accounts = options.accounts;
    this.#audit = options.audit;
    this.#keyring = options.keyring;
    this.#sessions = options.sessions;
  }

  /**
   * A code for the session that the caller is of. Only within minutes of a login: a token that was stolen lives for hours, and the session
   * that comes of this for weeks.
   */
  async code(caller: Caller, challenge: string): Promise<string> {
    await this.#accounts.of(caller);
    const code = randomBytes(32).toString('base64url');
    await this.#db.transaction(async (tx) => {
      const { boundTo: organizationId } = await this.#access.actorWithin(tx, caller);
      const session = await sessionOfToken(tx, caller.tokenId);
      if (!session) throw badRequest('a login is handed over from a session, and this token is of none');
      if (organizationId === null || organizationId === NO_ORGANIZATION)
        throw badRequest('choose an organization first');
      if (!session.fresh) throw forbidden('this takes a login of the last 15 minutes; log in again');
      await putCode(tx, this.#macOf(code), { sessionId: session.id, organizationId, challenge });
    });
    return code;
  }

  /** A session of its own for whoever has the code and the verifier. The code is used up, whatever comes of it. */
  async redeem(code: string, verifier: string, origin: Origin): Promise<HandedOver> {
    const done = await this.#db.transaction(async (tx) => {
      const taken = await takeCode(tx, this.#macOf(code));
      if (!taken) return undefined;
      const session = await lockSession(tx, taken.sessionId);
      const person = session && (await findPerson(tx, session.userId));
      if (!session || !person) return undefined;
      const proved = createHash('sha256').update(verifier).digest();
      if (!sameMac(proved, Buffer.from(taken.challenge, 'base64url'))) {
        await this.#audit.writeWithin(tx, [sessionRecord(person, session, 'login-command-line', 'refused', origin)]);
        return undefined;
      }
      const opened = await this.#sessions.openBeside(tx, person, session, taken.organizationId, origin);
      return opened && { ...opened, email: person.email, organizationId: taken.organizationId };
    });
    if (done) return done;
    this.#audit.refusedStranger('command-line-code');
    throw unauthorized(REFUSED);
  }

  #macOf(code: string): Buffer {
    return macFor(this.#keyring.clientSecretMacKey, 'command-line-code', code);
  }
}
