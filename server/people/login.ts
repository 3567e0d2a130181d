import type { Audit } from '../audit/audit.ts';
import { Seldom } from '../audit/seldom.ts';
import type { AuditRecord, Origin } from '../audit/store.ts';
import type { Database, Db } from '../database/database.ts';
import { unauthorized } from '../refusal.ts';
import type { Sessions } from '../sessions/service.ts';
import type { Passwords } from './passwords.ts';
import { findPersonByEmail, membershipsOf, type PersonRow } from './store.ts';
import type { Throttle } from './throttle.ts';

/** Wrong passwords of one account are recorded once in this time; the rest are counted. E-mail addresses are no secret. */
const RECORD_WRONG_MS = 60_000;

/** Logs people in with their passwords. */
export class PasswordLogin {
  readonly #db: Database;
  readonly #audit: Audit;
  readonly #passwords: Passwords;
  readonly #throttle: Throttle;
  readonly #sessions: Sessions;
  readonly #wrong = new Seldom(RECORD_WRONG_MS);

  constructor(options: {
    db: Database;
    audit: Audit;
    passwords: Passwords;
    throttle: Throttle;
    sessions: Sessions;
  }) {
    this.#db = options.db;
    this.#audit = options.audit;
    this.#passwords = options.passwords;
    this.#throttle = options.throttle;
    this.#sessions = options.sessions;
  }

  /** An unknown address, an account without a password and a wrong password get one answer for the same work. */
  async login(
    email: string,
    password: string,
    device: string | undefined,
    origin: Origin,
  ): Promise<{ accessToken: string; refresh: string; person: PersonRow }> {
    const attempt = this.#throttle.password(email, { ip: origin.ip, device });
    await attempt.begin();
    const found = await findPersonByEmail(this.#db, email);
    if (!(await this.#passwords.verify(found?.passwordHash, password, origin.ip)) || !found) {
      this.#refuse(found, origin);
      throw unauthorized('Invalid credentials: this e-mail address and this password do not go together');
    }
    const opened = await this.#db.transaction(async (tx) => {
      const person = await findPersonByEmail(tx, email);
      // Changed while its old one was checked: whoever knows the old one alone is not let in.
      if (person?.passwordHash !== found.passwordHash) return undefined;
      const session = await this.#sessions.open(tx, person, 'password', null, origin);
      await this.#audit.writeWithin(tx, [
        loginRecord(person, 'allowed', { sessionId: session.session.id, method: 'password' }, origin),
      ]);
      return { ...session, person };
    });
    if (!opened) throw unauthorized('Invalid credentials: the password was changed a moment ago');
    await attempt.succeeded();
    return opened;
  }

  /**
   * Counts a refusal, and records it where there is an account. The record is not waited for: how long it takes would tell
   * a stranger whether there is one. Nothing was done that it is the condition of.
   */
  #refuse(person: PersonRow | undefined, origin: Origin): void {
    this.#audit.refusedStranger(person ? 'login-wrong-password' : 'login-unknown-person');
    if (!person || !this.#wrong.isFirst(person.id)) return;
    const record = loginRecord(person, 'refused', { reason: 'password' }, origin);
    void recordOfPerson(this.#db, this.#audit, person, record).catch(() =>
      this.#audit.refusedStranger('login-wrong-password-unrecorded'),
    );
  }
}

/** Writes a record once for each organization of a person: their admins shall find what happens to its members' accounts. */
export async function recordOfPerson(db: Db, audit: Audit, person: PersonRow, record: AuditRecord): Promise<void> {
  const organizations = (await membershipsOf(db, person.id)).filter(({ status }) => status === 'accepted');
  const records = organizations.map(({ organizationId }) => ({ ...record, organizationId }));
  await audit.writeWithin(db, records.length > 0 ? records : [record]);
}

function loginRecord(
  person: PersonRow,
  outcome: 'allowed' | 'refused',
  metadata: Record<string, unknown>,
  origin: Origin,
): AuditRecord {
  const actor = { kind: 'user', id: person.id, name: person.email };
  return { action: 'login', event: 'login-user', outcome, actor, metadata, origin };
}
