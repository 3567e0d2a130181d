import { macFor } from '../../keys/index.ts';
import type { Caller } from '../access/access.ts';
import type { Audit } from '../audit/audit.ts';
import type { Origin } from '../audit/store.ts';
import type { Database, Db } from '../database/database.ts';
import type { Keyring } from '../keyring/keyring.ts';
import type { Accounts } from '../people/account.ts';
import { recordOfPerson } from '../people/login.ts';
import { findPerson, lockPerson, type PersonRow } from '../people/store.ts';
import type { Throttle } from '../people/throttle.ts';
import { badRequest, conflict, notFound, tokenRefused, unauthorized } from '../refusal.ts';
import { deleteChallenge, findChallenge, takeTry } from '../sessions/rules-store.ts';
import type { Sessions } from '../sessions/service.ts';
import { markMfaDone } from '../sessions/store.ts';
import { newRecoveryCodes, plainCode } from './recovery-codes.ts';
import {
  countCodes,
  deleteFactor,
  enforcingOrganizations,
  findFactor,
  lockFactor,
  putSeed,
  replaceCodes,
  useCode,
  useStep,
} from './store.ts';
import { newSeed, otpUrlOf, stepOf } from './totp.ts';

const SEED_PURPOSE = 'totp';

/** A code of the authenticator, or one that was kept for the day it is lost. */
export interface GivenCode {
  readonly kind: 'totp' | 'recovery';
  readonly code: string;
}

/** The second factor of people: its set-up, and the question for it at a login. */
export class Mfa {
  readonly #db: Database;
  readonly #audit: Audit;
  readonly #accounts: Accounts;
  readonly #keyring: Keyring;
  readonly #sessions: Sessions;
  readonly #throttle: Throttle;

  constructor(options: {
    db: Database;
    audit: Audit;
    accounts: Accounts;
    keyring: Keyring;
    sessions: Sessions;
    throttle: Throttle;
  }) {
    this.#db = options.db;
    this.#audit = options.audit;
    this.#accounts = options.accounts;
    this.#keyring = options.keyring;
    this.#sessions = options.sessions;
    this.#throttle = options.throttle;
  }

  /** What the caller has set up. Recovery codes are counted; they were shown once, and are kept as MACs. */
  async status(caller: Caller): Promise<{ isVerified: boolean; recoveryCodesLeft: number }> {
    const { person } = await this.#accounts.of(caller);
    const factor = await findFactor(this.#db, person.id);
    if (!factor) throw notFound('no second factor is set up; begin with POST /api/v1/user/me/totp/register');
    return { isVerified: factor.confirmed, recoveryCodesLeft: await countCodes(this.#db, person.id) };
  }

  /** Makes a seed and recovery codes. They count from the moment that a code of the seed was shown to work. */
  async register(caller: Caller): Promise<{ otpUrl: string; recoveryCodes: string[] }> {
    return this.#accounts.change(caller, { fresh: true }, async (tx, { person }) => {
      if (person.hasMfa)
        throw conflict('a second factor is set up already; take it away first, with DELETE /api/v1/user/me/totp');
      const seed = await newSeed();
      await putSeed(tx, person.id, await this.#keyring.sealConfig(SEED_PURPOSE, person.id, seed));
      const recoveryCodes = await this.#newCodes(tx, person);
      await this.#record(tx, person, 'create', 'register-totp', caller.origin);
      return { otpUrl: await otpUrlOf(seed, person.email), recoveryCodes };
    });
  }

  /** Confirms a seed by its first code. From here on every login is asked; sessions that were not are ended. */
  async confirm(caller: Caller, code: string, device: string | undefined): Promise<void> {
    const { person: asked } = await this.#accounts.of(caller);
    const attempt = this.#throttle.code(asked.id, 'totp', { ip: caller.origin.ip, device });
    await attempt.begin();
    await this.#accounts.change(caller, { fresh: true }, async (tx, { person, session }) => {
      const factor = await lockFactor(tx, person.id);
      if (!factor) throw notFound('no second factor is set up; begin with POST /api/v1/user/me/totp/register');
      if (factor.confirmed) throw conflict('this second factor is confirmed already');
      const step = await this.#stepOf(person, factor, code);
      if (step === undefined) throw badRequest('this code is not right; send the one that the authenticator shows now');
      await useStep(tx, person.id, step);
      if (session) await markMfaDone(tx, session.id);
      await this.#sessions.end(tx, person, { keep: session?.id }, caller.origin);
      await this.#record(tx, person, 'update', 'verify-totp', caller.origin);
    });
    await attempt.succeeded();
  }

  /** Takes the second factor away. */
  async remove(caller: Caller): Promise<PersonRow> {
    return this.#accounts.change(caller, { fresh: true }, async (tx, { person }) => {
      const enforcing = await enforcingOrganizations(tx, person.id);
      if (enforcing.length > 0) {
        throw badRequest(
          `organization "${enforcing[0]}" asks for a second factor; leave it first, or have its admin change that`,
        );
      }
      if (!(await deleteFactor(tx, person.id))) throw notFound('no second factor is set up');
      await this.#record(tx, person, 'delete', 'delete-totp', caller.origin);
      return (await findPerson(tx, person.id))!;
    });
  }

  /** New recovery codes in place of the old ones. */
  async renewCodes(caller: Caller): Promise<string[]> {
    return this.#accounts.change(caller, { fresh: true }, async (tx, { person }) => {
      if (!person.hasMfa) throw notFound('no second factor is set up; begin with POST /api/v1/user/me/totp/register');
      const codes = await this.#newCodes(tx, person);
      await this.#record(tx, person, 'update', 'renew-recovery-codes', caller.origin);
      return codes;
    });
  }

  /** Whether the person behind a challenge has an authenticator. */
  async challenged(caller: Caller): Promise<{ isVerified: boolean }> {
    const challenge = await findChallenge(this.#db, caller.tokenId);
    if (!challenge) throw ended();
    const factor = await findFactor(this.#db, challenge.userId);
    return { isVerified: factor?.confirmed ?? false };
  }

  /** The person behind a challenge, whose browser may be known. */
  async challengedPerson(caller: Caller): Promise<PersonRow> {
    const challenge = await findChallenge(this.#db, caller.tokenId);
    const person = challenge && (await findPerson(this.#db, challenge.userId));
    if (!person) throw ended();
    return person;
  }

  /** Answers the question for the second factor, and enters the organization that was chosen. */
  async verify(caller: Caller, given: GivenCode, device: string | undefined): Promise<string> {
    const { origin } = caller;
    const challenge = await findChallenge(this.#db, caller.tokenId);
    if (!challenge) throw ended();
    const attempt = this.#throttle.code(challenge.userId, given.kind, { ip: origin.ip, device });
    await attempt.begin();
    const tried = await takeTry(this.#db, caller.tokenId);
    if (!tried) throw ended();
    const token = await this.#db.transaction(async (tx) => {
      const person = await lockPerson(tx, tried.userId);
      if (!person || !(await this.#isRight(tx, person, given))) return undefined;
      if (!(await deleteChallenge(tx, caller.tokenId))) throw ended();
      await markMfaDone(tx, tried.sessionId);
      if (given.kind === 'recovery') await this.#record(tx, person, 'update', 'use-recovery-code', origin);
      return (await this.#sessions.enterAfterMfa(tx, tried.sessionId, tried.organizationId, origin)).token;
    });
    if (token === undefined) {
      await this.#refused(tried.userId, given.kind, origin);
      throw unauthorized('this code is not right, or was used before');
    }
    await attempt.succeeded();
    return token;
  }

  async #isRight(tx: Db, person: PersonRow, { kind, code }: GivenCode): Promise<boolean> {
    const factor = await lockFactor(tx, person.id);
    if (!factor?.confirmed) return false;
    if (kind === 'recovery') return useCode(tx, person.id, this.#macOf(person.id, code));
    const step = await this.#stepOf(person, factor, code);
    if (step === undefined) return false;
    await useStep(tx, person.id, step);
    return true;
  }

  async #stepOf(
    person: PersonRow,
    factor: { sealedSeed: Buffer; now: number; lastStep: number },
    code: string,
  ): Promise<number | undefined> {
    const seed = await this.#keyring.openConfig(SEED_PURPOSE, person.id, factor.sealedSeed);
    return stepOf(seed, code, factor.now, factor.lastStep);
  }

  async #newCodes(tx: Db, person: PersonRow): Promise<string[]> {
    const codes = newRecoveryCodes();
    await replaceCodes(
      tx,
      person.id,
      codes.map((code) => this.#macOf(person.id, code)),
    );
    return codes;
  }

  #macOf(userId: string, code: string): Buffer {
    return macFor(this.#keyring.clientSecretMacKey, 'recovery-code', userId, plainCode(code));
  }

  async #refused(userId: string, kind: string, origin: Origin): Promise<void> {
    const person = await findPerson(this.#db, userId);
    if (!person) return;
    const actor = { kind: 'user', id: person.id, name: person.email };
    await recordOfPerson(this.#db, this.#audit, person, {
      action: 'login',
      event: 'verify-second-factor',
      outcome: 'refused',
      actor,
      metadata: { kind },
      origin,
    });
  }

  #record(
    tx: Db,
    person: PersonRow,
    action: 'create' | 'update' | 'delete',
    event: string,
    origin: Origin,
  ): Promise<void> {
    const actor = { kind: 'user', id: person.id, name: person.email };
    return recordOfPerson(tx, this.#audit, person, { action, event, outcome: 'allowed', actor, origin });
  }
}

const ended = () =>
  tokenRefused('this login has waited too long for its second factor, or was tried too often; log in again');
