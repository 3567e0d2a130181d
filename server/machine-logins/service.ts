import { randomUUID } from 'node:crypto';
import { type AccessToken, TTL_TOO_LONG, ttlFits, Uuid } from '../../contracts/index.ts';
import type { Access, Caller } from '../access/access.ts';
import type { Audit } from '../audit/audit.ts';
import { Seldom } from '../audit/seldom.ts';
import type { Origin } from '../audit/store.ts';
import type { Database } from '../database/database.ts';
import { takenAs } from '../database/taken.ts';
import type { Identities } from '../identities/service.ts';
import type { LastSeen } from '../last-seen/last-seen.ts';
import { forbidden, invalid, notFound, unauthorized } from '../refusal.ts';
import type { Settings } from '../settings/service.ts';
import type { Tokens } from '../tokens/service.ts';
import {
  deleteMachineLogin,
  findLogin,
  findMachineLogin,
  insertMachineLogin,
  issueToken,
  type LoginRow,
  lockMachineLogin,
  type MachineLoginMethod,
  type MachineLoginRow,
  type MachineLoginWrite,
  type TokenSettings,
  updateMachineLogin,
} from './store.ts';

/** Refused logins of an identity are recorded once in this time; the rest are counted. Identity ids are no secrets. */
const RECORD_REFUSED_MS = 60_000;

interface TokenSettingsGiven {
  readonly accessTokenTTL?: number | undefined;
  readonly accessTokenMaxTTL?: number | undefined;
  readonly accessTokenNumUsesLimit?: number | undefined;
  readonly accessTokenPeriod?: number | undefined;
  readonly accessTokenTrustedIps?: readonly { readonly ipAddress: string }[] | undefined;
}

/** What the method's own part of a login becomes; refuses what cannot be. Gets the id of the login, for what is sealed to it. */
export type Configure<Configuration> = (
  id: string,
  before: MachineLoginRow<Configuration> | undefined,
) => Promise<{ readonly settings: Configuration; readonly sealedReviewerToken?: Buffer | null }>;

/** Why a login was refused: one word for the audit, and what the caller is told. */
export class LoginRefused extends Error {
  readonly reason: string;
  constructor(reason: string, message: string) {
    super(message);
    this.reason = reason;
  }
}

/** What all machine logins besides Universal Auth have in common: their set-up, and the token at the end. */
export class MachineLogins {
  readonly #db: Database;
  readonly #lastSeen: LastSeen;
  readonly #access: Access;
  readonly #audit: Audit;
  readonly #identities: Identities;
  readonly #tokens: Tokens;
  readonly #settings: Settings;
  readonly #refused = new Seldom(RECORD_REFUSED_MS);

  constructor(options: {
    db: Database;
    access: Access;
    audit: Audit;
    identities: Identities;
    tokens: Tokens;
    settings: Settings;
    lastSeen: LastSeen;
  }) {
    this.#db = options.db;
    this.#lastSeen = options.lastSeen;
    this.#access = options.access;
    this.#audit = options.audit;
    this.#identities = options.identities;
    this.#tokens = options.tokens;
    this.#settings = options.settings;
  }

  async attach<Configuration>(
    caller: Caller,
    identityId: string,
    method: MachineLoginMethod,
    given: Required<TokenSettingsGiven>,
    configure: Configure<Configuration>,
  ): Promise<MachineLoginRow<Configuration>> {
    const event = `add-identity-${method}`;
    const access = await this.#identities.managed(caller, identityId, event);
    await this.#settings.require(method);
    const id = randomUUID();
    const configured = { sealedReviewerToken: null, ...(await configure(id, undefined)) };
    const write = { ...merge(given, undefined), ...configured };
    return takenAs(`this identity has ${method} already`, () =>
      this.#access.changeOrganization(access, async (tx) => {
        const row = await insertMachineLogin<Configuration>(tx, { id, identityId, method }, write);
        await this.#identities.record(tx, access, 'create', event, { identityId, ...shown(write) });
        return row;
      }),
    );
  }

  async get<Configuration>(
    caller: Caller,
    identityId: string,
    method: MachineLoginMethod,
  ): Promise<MachineLoginRow<Configuration>> {
    await this.#identities.managed(caller, identityId, `get-identity-${method}`, { orItself: true, action: 'read' });
    return found(await findMachineLogin<Configuration>(this.#db, identityId, method), identityId, method);
  }

  async update<Configuration>(
    caller: Caller,
    identityId: string,
    method: MachineLoginMethod,
    change: TokenSettingsGiven,
    configure: Configure<Configuration>,
  ): Promise<MachineLoginRow<Configuration>> {
    const event = `update-identity-${method}`;
    const access = await this.#identities.managed(caller, identityId, event);
    await this.#settings.require(method);
    return this.#access.changeOrganization(access, async (tx) => {
      const before = found(await lockMachineLogin<Configuration>(tx, identityId, method), identityId, method);
      const configured = await configure(before.id, before);
      const write = {
        ...merge(change, before),
        sealedReviewerToken: before.sealedReviewerToken,
        ...configured,
      };
      const row = await updateMachineLogin<Configuration>(tx, before.id, write);
      await this.#identities.record(tx, access, 'update', event, { identityId, ...shown(write) });
      return row;
    });
  }

  /** Takes a login away. Every token that came of it is refused from the next request on. Works while the method is off. */
  async detach<Configuration>(
    caller: Caller,
    identityId: string,
    method: MachineLoginMethod,
  ): Promise<MachineLoginRow<Configuration>> {
    const event = `revoke-identity-${method}`;
    const access = await this.#identities.managed(caller, identityId, event, { action: 'revoke-auth' });
    return this.#access.changeOrganization(access, async (tx) => {
      const row = found(await lockMachineLogin<Configuration>(tx, identityId, method), identityId, method);
      await deleteMachineLogin(tx, row.id);
      await this.#identities.record(tx, access, 'delete', event, { identityId });
      return row;
    });
  }

  /**
   * Logs an identity in. `check` looks at what the caller brought, and gives what the audit keeps of it.
   *
   * @param check throws LoginRefused
   */
  async login<Configuration>(
    method: MachineLoginMethod,
    identityId: string,
    origin: Origin,
    check: (login: LoginRow<Configuration>) => Promise<Record<string, unknown>>,
  ): Promise<AccessToken> {
    await this.#settings.require(method);
    const id = Uuid.safeParse(identityId).data;
    const login = id === undefined ? undefined : await findLogin<Configuration>(this.#db, id, method, origin.ip);
    if (!login) {
      this.#audit.refusedStranger(`login-unknown-${method}`);
      throw unauthorized(`Invalid credentials: there is no such identity with ${method}`);
    }
    const metadata = await this.#checked(method, login, origin, check);
    const issued = await issueToken(this.#db, { ...login, method }, { metadata, origin });
    if (!issued) throw unauthorized('Invalid credentials: this login was changed a moment ago; try again');
    this.#lastSeen.loggedIn(issued.actorId, method);
    return this.#tokens.answer(issued);
  }

  async #checked<Configuration>(
    method: MachineLoginMethod,
    login: LoginRow<Configuration>,
    origin: Origin,
    check: (login: LoginRow<Configuration>) => Promise<Record<string, unknown>>,
  ): Promise<Record<string, unknown>> {
    try {
      if (!login.ipTrusted) throw new LoginRefused('address', `this identity may not log in from ${origin.ip}`);
      return await check(login);
    } catch (error) {
      if (!(error instanceof LoginRefused)) throw error;
      this.#audit.refusedStranger(`login-${method}-${error.reason}`);
      if (this.#refused.isFirst(`${login.id} ${error.reason}`)) {
        await this.#audit.write({
          action: 'login',
          event: `login-identity-${method}`,
          outcome: 'refused',
          actor: { kind: 'identity', id: login.identityId, name: login.identityName },
          organizationId: login.organizationId,
          metadata: { reason: error.reason },
          origin,
        });
      }
      throw error.reason === 'address' ? forbidden(error.message) : unauthorized(error.message);
    }
  }
}

export function found<Configuration>(
  row: MachineLoginRow<Configuration> | undefined,
  identityId: string,
  method: MachineLoginMethod,
): MachineLoginRow<Configuration> {
  if (!row) throw notFound(`identity ${identityId} has no ${method}`);
  return row;
}

function merge(given: TokenSettingsGiven, before: TokenSettings | undefined): TokenSettings {
  const trusted = given.accessTokenTrustedIps?.map(({ ipAddress }) => ipAddress);
  const merged = {
    accessTokenTTL: given.accessTokenTTL ?? before!.accessTokenTTL,
    accessTokenMaxTTL: given.accessTokenMaxTTL ?? before!.accessTokenMaxTTL,
    accessTokenNumUsesLimit: given.accessTokenNumUsesLimit ?? before!.accessTokenNumUsesLimit,
    accessTokenPeriod: given.accessTokenPeriod ?? before!.accessTokenPeriod,
    accessTokenTrustedIps: trusted ?? before!.accessTokenTrustedIps,
  };
  if (!ttlFits(merged)) throw invalid(['accessTokenTTL'], TTL_TOO_LONG);
  return merged;
}

/** A login's settings as the audit keeps them: whether there is a reviewer's token, and nothing of it. */
function shown({ settings, sealedReviewerToken, ...tokens }: MachineLoginWrite): Record<string, unknown> {
  return { ...(settings as object), ...tokens, hasTokenReviewerJwt: sealedReviewerToken !== null };
}
