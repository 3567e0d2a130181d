import type { Access, Caller } from '../access/access.ts';
import type { Audit } from '../audit/audit.ts';
import type { Origin } from '../audit/store.ts';
import type { Database, Db } from '../database/database.ts';
import type { Keyring } from '../keyring/keyring.ts';
import type { LastSeen } from '../last-seen/last-seen.ts';
import type { Jobs } from '../metrics/job.ts';
import { findPerson, type PersonRow } from '../people/store.ts';
import { badRequest, forbidden, notFound, tokenRefused, unauthorized } from '../refusal.ts';
import type { Tokens } from '../tokens/service.ts';
import { entryRefused, needsSecondFactor } from './entry.ts';
import { endRecord, entryRecord, sessionRecord } from './records.ts';
import { type RefreshClaims, readRefreshToken, refreshToken } from './refresh-token.ts';
import { type EntryRow, findEntry, insertChallenge } from './rules-store.ts';
import {
  endSession,
  endSessions,
  insertSession,
  insertSessionBeside,
  insertSessionToken,
  listSessions,
  lockSession,
  revokeTokensOf,
  rotateSession,
  type SessionRow,
  selectOrganization,
  sessionOfToken,
} from './store.ts';
import { sweepPeople } from './sweep.ts';

/** What a person's token reaches before they chose an organization: their own account. */
export const NO_ORGANIZATION = '00000000-0000-0000-0000-000000000000';
/** A working day. The refresh token in the browser's cookie gets the next one. */
const ACCESS_TTL_SECONDS = 43_200;
const SWEEP_MS = 3_600_000;

/** An access token, or the question for the second factor that stands before it. */
export interface Entered {
  readonly token: string;
  readonly isMfaEnabled: boolean;
}

/**
 * Sessions of people. A login gives a token that reaches the person's account alone; choosing an organization, which asks
 * that one's rules (second factor, single sign-on), gives a token that reaches it and no other. All of them are rows that
 * every request looks at, so an ended session is out at its next one.
 */
export class Sessions {
  readonly #db: Database;
  readonly #lastSeen: LastSeen;
  readonly #access: Access;
  readonly #audit: Audit;
  readonly #keyring: Keyring;
  readonly #tokens: Tokens;
  readonly #ssoInstanceAdmins: boolean;
  #stopSweeping: (() => void) | undefined;

  constructor(options: {
    db: Database;
    access: Access;
    audit: Audit;
    keyring: Keyring;
    tokens: Tokens;
    /** Whether a provider's session carries the powers of an instance admin. */
    ssoInstanceAdmins: boolean;
    lastSeen: LastSeen;
  }) {
    this.#db = options.db;
    this.#lastSeen = options.lastSeen;
    this.#access = options.access;
    this.#audit = options.audit;
    this.#keyring = options.keyring;
    this.#tokens = options.tokens;
    this.#ssoInstanceAdmins = options.ssoInstanceAdmins;
  }

  start(jobs: Jobs): void {
    this.#stopSweeping = jobs.job('sessions-sweep').every(SWEEP_MS, () => sweepPeople(this.#db));
  }

  stop(): void {
    this.#stopSweeping?.();
  }

  /** Opens a session of somebody who has just proved who they are. `confinedTo`: the organization whose provider says so. */
  async open(
    tx: Db,
    person: PersonRow,
    method: 'password' | 'oidc',
    confinedTo: string | null,
    origin: Origin,
  ): Promise<{ session: SessionRow; accessToken: string; refresh: string }> {
    const session = await insertSession(tx, { userId: person.id, method, organizationId: confinedTo }, origin);
    const accessToken = await this.#token(tx, session, NO_ORGANIZATION);
    return { session, accessToken, refresh: this.#refreshToken(session.id, 0) };
  }

  /**
   * A session of its own in an organization, for who shares the person's browser. Nothing when the organization's rules do not let this
   * session in, or ask for a second factor first.
   */
  async openBeside(
    tx: Db,
    person: PersonRow,
    session: SessionRow,
    organizationId: string,
    origin: Origin,
  ): Promise<{ token: string; refreshToken: string; organizationSlug: string } | undefined> {
    const entry = await findEntry(tx, organizationId, person.id);
    if (!entry || entryRefused(person, session, organizationId, entry) !== undefined) return undefined;
    if (needsSecondFactor(person, session, entry)) return undefined;
    const beside = await insertSessionBeside(tx, session.id, organizationId, origin);
    const token = await this.#token(tx, beside, organizationId);
    await this.#audit.writeWithin(tx, [sessionRecord(person, beside, 'login-command-line', 'allowed', origin)]);
    return { token, refreshToken: this.#refreshToken(beside.id, 0), organizationSlug: entry.slug };
  }

  /** Enters an organization: a token for it, or a question for the second factor. */
  async select(caller: Caller, organizationId: string): Promise<Entered> {
    const { id: userId, boundTo } = await this.#access.actor(caller);
    const session = await sessionOfToken(this.#db, caller.tokenId);
    if (!session) {
      if (boundTo !== null) throw tokenRefused('this session has ended; log in again');
      await this.#access.organization(caller, organizationId);
      throw badRequest('only people who logged in choose an organization; this token reaches all of its own already');
    }
    const chosen = await this.#db.transaction(async (tx) => {
      const person = await findPerson(tx, userId);
      const held = await lockSession(tx, session.id);
      const entry = await findEntry(tx, organizationId, userId);
      if (!person || !held || !entry) return undefined;
      return this.#enter(tx, person, held, organizationId, entry, caller.origin);
    });
    if (chosen) return chosen;
    await this.#access.organization(caller, organizationId);
    throw notFound(`organization ${organizationId} not found`);
  }

  /** The token of somebody whose second factor was right, within the transaction that says so. */
  async enterAfterMfa(tx: Db, sessionId: string, organizationId: string, origin: Origin): Promise<Entered> {
    const session = await lockSession(tx, sessionId);
    const person = session && (await findPerson(tx, session.userId));
    const entry = session && (await findEntry(tx, organizationId, session.userId));
    if (!session || !person || !entry) throw tokenRefused('this login has ended; log in again');
    return this.#enter(tx, person, session, organizationId, entry, origin);
  }

  async #enter(
    tx: Db,
    person: PersonRow,
    session: SessionRow,
    organizationId: string,
    entry: EntryRow,
    origin: Origin,
  ): Promise<Entered> {
    const refused = entryRefused(person, session, organizationId, entry);
    if (refused !== undefined) throw forbidden(refused);
    if (needsSecondFactor(person, session, entry)) {
      const challenge = await insertChallenge(tx, session.id, organizationId);
      return { token: this.#challengeToken(person.id, challenge), isMfaEnabled: true };
    }
    await selectOrganization(tx, session.id, organizationId);
    this.#lastSeen.loggedIn(person.id, session.method === 'password' ? 'email' : session.method, organizationId);
    const token = await this.#token(tx, session, organizationId);
    await this.#audit.writeWithin(tx, [entryRecord(person, session, organizationId, origin)]);
    return { token, isMfaEnabled: false };
  }

  /**
   * A new access token for a refresh token, which is replaced each time. One that comes again after it was replaced was
   * copied: the whole session ends, whoever is using it. Two tabs that ask at the same moment are no theft.
   */
  async refresh(
    given: string | undefined,
    origin: Origin,
  ): Promise<{ token: string; organizationId: string | undefined; refresh: string | undefined }> {
    const claims = await this.#claimsOf(given);
    if (!claims) {
      this.#audit.refusedStranger('refresh-unknown');
      throw unauthorized('there is no session to go on with; log in');
    }
    const done = await this.#db.transaction(async (tx) => {
      const session = await lockSession(tx, claims.sessionId);
      const person = session && (await findPerson(tx, session.userId));
      if (!session || !person) return undefined;
      const newest = claims.generation === session.generation;
      if (!newest && !(claims.generation === session.generation - 1 && session.justRotated)) {
        await endSession(tx, session.id, person.id);
        await this.#audit.writeWithin(tx, [sessionRecord(person, session, 'session-token-reused', 'refused', origin)]);
        return 'stolen' as const;
      }
      if (newest) await rotateSession(tx, session.id);
      const organizationId = await this.#stillEntered(tx, person, session);
      const token = await this.#token(tx, session, organizationId ?? NO_ORGANIZATION);
      const refresh = newest ? this.#refreshToken(session.id, session.generation + 1) : undefined;
      return { token, organizationId, refresh };
    });
    if (done === 'stolen') {
      throw unauthorized('this session was ended, because a refresh token of it was used twice; log in again');
    }
    if (!done) throw unauthorized('this session has ended; log in again');
    return done;
  }

  /** One that is unknown may be proved by a key that another replica works with already: then this one looks, once a second at most. */
  async #claimsOf(given: string | undefined): Promise<RefreshClaims | undefined> {
    const known = () => readRefreshToken(this.#keyring.clientSecretMacKey, given);
    const claims = known();
    if (claims || given === undefined) return claims;
    await this.#keyring.lookAgain();
    return known();
  }

  /** Ends the session that a refresh token belongs to. */
  async logout(given: string | undefined, origin: Origin): Promise<void> {
    const claims = await this.#claimsOf(given);
    if (!claims) return;
    await this.#db.transaction(async (tx) => {
      const session = await lockSession(tx, claims.sessionId);
      const person = session && (await findPerson(tx, session.userId));
      if (!session || !person) return;
      await endSession(tx, session.id, person.id);
      await this.#audit.writeWithin(tx, [sessionRecord(person, session, 'logout', 'allowed', origin)]);
    });
  }

  async list(userId: string): Promise<SessionRow[]> {
    return listSessions(this.#db, userId);
  }

  /** Ends one session of a person, or all of them, whichever way they came about. */
  async end(
    tx: Db,
    person: PersonRow,
    which: { id?: string; keep?: string | undefined },
    origin: Origin,
  ): Promise<void> {
    if (which.id === undefined) {
      await endSessions(tx, person.id, which.keep);
      await revokeTokensOf(tx, person.id, which.keep);
    } else if (!(await endSession(tx, which.id, person.id))) {
      throw notFound(`session ${which.id} not found`);
    }
    await this.#audit.writeWithin(tx, [endRecord(person, which.id, origin)]);
  }

  /** The organization that a session goes on in, as long as its rules still let it. */
  async #stillEntered(tx: Db, person: PersonRow, session: SessionRow): Promise<string | undefined> {
    const organizationId = session.selectedOrganizationId ?? undefined;
    if (organizationId === undefined) return undefined;
    const entry = await findEntry(tx, organizationId, person.id);
    if (!entry || entryRefused(person, session, organizationId, entry) !== undefined) return undefined;
    return needsSecondFactor(person, session, entry) ? undefined : organizationId;
  }

  async #token(tx: Db, session: SessionRow, organizationId: string): Promise<string> {
    const account = organizationId === NO_ORGANIZATION;
    const limited = account || (session.method === 'oidc' && !this.#ssoInstanceAdmins);
    const row = await insertSessionToken(tx, {
      sessionId: session.id,
      organizationId,
      limited,
      ttl: ACCESS_TTL_SECONDS,
    });
    if (!row) throw tokenRefused('this session has ended; log in again');
    return this.#tokens.answer(row).accessToken;
  }

  /** Signed like an access token, with an id that is none: every other route refuses it. */
  #challengeToken(userId: string, challenge: { id: string; issuedAt: number; expiresAt: number }): string {
    const { id, issuedAt, expiresAt } = challenge;
    const row = { id, actorId: userId, actorKind: 'user', clientSecretId: null, usesLimited: false, ttl: 0 } as const;
    return this.#tokens.answer({ ...row, maxTtl: 0, issuedAt, expiresAt }).accessToken;
  }

  #refreshToken(sessionId: string, generation: number): string {
    return refreshToken(this.#keyring.clientSecretMacKey, { sessionId, generation });
  }
}
