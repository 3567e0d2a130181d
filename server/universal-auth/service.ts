import {
  type AccessToken,
  type AttachUniversalAuthBody,
  type CreateClientSecretBody,
  TTL_TOO_LONG,
  ttlFits,
  type UpdateUniversalAuthBody,
  Uuid,
} from '../../contracts/index.ts';
import { clientSecretMac, clientSecretPrefix, newClientSecret } from '../../keys/index.ts';
import type { Access, Caller } from '../access/access.ts';
import type { Audit } from '../audit/audit.ts';
import { Seldom } from '../audit/seldom.ts';
import type { AuditRecord, Origin } from '../audit/store.ts';
import { Batch } from '../database/batch.ts';
import type { Database, Db } from '../database/database.ts';
import { takenAs } from '../database/taken.ts';
import type { Identities } from '../identities/service.ts';
import type { Keyring } from '../keyring/keyring.ts';
import { badRequest, forbidden, invalid, notFound, Refusal, unauthorized, unavailable } from '../refusal.ts';
import type { Tokens } from '../tokens/service.ts';
import { type LoginAsk, type LoginOutcome, logIn } from './login-store.ts';
import {
  type ClientSecretRow,
  deleteUniversalAuth,
  findClientSecret,
  findUniversalAuth,
  insertClientSecret,
  insertUniversalAuth,
  listClientSecrets,
  lockUniversalAuth,
  replaceMac,
  revokeClientSecret,
  type UniversalAuthRow,
  type UniversalAuthWrite,
  updateUniversalAuth,
} from './store.ts';
import { Throttle } from './throttle.ts';

/** A login looks through the live secrets of the identity, so their number is bounded. */
const SECRETS_AT_MOST = 100;
/** Wrong secrets for a client id that exists are recorded once in this time; the rest are counted. Client ids are public. */
const RECORD_WRONG_MS = 60_000;

/** Universal Auth (HIP-27): client id and client secret for a token, and what admins set up for that. */
export class UniversalAuth {
  readonly #db: Database;
  readonly #access: Access;
  readonly #audit: Audit;
  readonly #identities: Identities;
  readonly #keyring: Keyring;
  readonly #tokens: Tokens;
  readonly #wrong = new Seldom(RECORD_WRONG_MS);
  readonly #throttle = new Throttle();
  readonly #logins: Batch<LoginAsk, LoginOutcome>;

  /** @param options.path the pool of short statements, which logins share with the request path */
  constructor(options: {
    db: Database;
    path: Database;
    access: Access;
    audit: Audit;
    identities: Identities;
    keyring: Keyring;
    tokens: Tokens;
  }) {
    this.#db = options.db;
    this.#access = options.access;
    this.#audit = options.audit;
    this.#identities = options.identities;
    this.#keyring = options.keyring;
    this.#tokens = options.tokens;
    this.#logins = new Batch<LoginAsk, LoginOutcome>(
      { size: 100, lanes: 1, waiting: 10_000, overflow: () => unavailable('too many logins are waiting') },
      (asks) => logIn(options.path, asks),
    );
  }

  /** An unknown client id and a wrong secret get the same answer for the same work. */
  async login(clientId: string, clientSecret: string, origin: Origin): Promise<AccessToken> {
    const mac = clientSecretMac(this.#keyring.clientSecretMacKey, clientSecret);
    const id = Uuid.safeParse(clientId).data;
    const outcome =
      id === undefined ? undefined : await this.#recognize({ ...origin, clientId: id, mac }, clientSecret);
    if (outcome?.token) return this.#tokens.answer(outcome.token);
    if (!outcome?.matches) return this.#refuseWrong(id, outcome, origin);
    if (!outcome.ipTrusted) {
      await this.#audit.write(refusedLogin(outcome, origin, 'address'));
      throw forbidden(`this identity may not log in from ${origin.ip}`);
    }
    await this.#audit.write(refusedLogin(outcome, origin, 'exhausted'));
    throw unauthorized('Invalid credentials: this client secret has ended, or has been used as often as it may');
  }

  /**
   * After the key of MACs was replaced, a secret from before is recognized by the former one, and known by the newest from
   * then on. An unknown client id takes the same questions.
   */
  async #recognize(ask: LoginAsk, clientSecret: string): Promise<LoginOutcome> {
    const newest = await this.#logins.add(ask);
    if (newest.matches) return newest;
    for (const key of this.#keyring.formerClientSecretMacKeys) {
      const mac = clientSecretMac(key, clientSecret);
      const outcome = await this.#logins.add({ ...ask, mac });
      if (!outcome.matches) continue;
      if (outcome.token) await replaceMac(this.#db, outcome.token.clientSecretId!, mac, ask.mac);
      return outcome;
    }
    return newest;
  }

  async attach(caller: Caller, identityId: string, given: AttachUniversalAuthBody): Promise<UniversalAuthRow> {
    const access = await this.#identities.managed(caller, identityId, 'add-identity-universal-auth');
    return takenAs('this identity has Universal Auth already', () =>
      this.#access.changeOrganization(access, async (tx) => {
        const row = await insertUniversalAuth(tx, identityId, toWrite(given));
        await this.#identities.record(tx, access, 'create', 'add-identity-universal-auth', {
          identityId,
          clientId: row.clientId,
        });
        return row;
      }),
    );
  }

  async get(caller: Caller, identityId: string): Promise<UniversalAuthRow> {
    await this.#identities.managed(caller, identityId, 'get-identity-universal-auth', {
      orItself: true,
      action: 'read',
    });
    return this.#find(this.#db, identityId);
  }

  async update(caller: Caller, identityId: string, change: UpdateUniversalAuthBody): Promise<UniversalAuthRow> {
    const access = await this.#identities.managed(caller, identityId, 'update-identity-universal-auth');
    return this.#access.changeOrganization(access, async (tx) => {
      // Locked: of two changes at once, the second would put back what the first has just tightened.
      const before = await lockUniversalAuth(tx, identityId);
      if (!before) throw notFound(`identity ${identityId} has no Universal Auth`);
      const next = { ...before, ...defined(change) };
      if (!ttlFits(next)) throw invalid(['accessTokenTTL'], TTL_TOO_LONG);
      const row = await updateUniversalAuth(tx, identityId, {
        ...next,
        clientSecretTrustedIps:
          change.clientSecretTrustedIps?.map(({ ipAddress }) => ipAddress) ?? before.clientSecretTrustedIps,
        accessTokenTrustedIps:
          change.accessTokenTrustedIps?.map(({ ipAddress }) => ipAddress) ?? before.accessTokenTrustedIps,
      });
      await this.#identities.record(tx, access, 'update', 'update-identity-universal-auth', { identityId, ...change });
      return row;
    });
  }

  /** Takes Universal Auth away. Every token that came of it is refused from the next request on. */
  async detach(caller: Caller, identityId: string): Promise<UniversalAuthRow> {
    const access = await this.#identities.managed(caller, identityId, 'revoke-identity-universal-auth', {
      action: 'revoke-auth',
    });
    return this.#access.changeOrganization(access, async (tx) => {
      const row = await this.#find(tx, identityId);
      await deleteUniversalAuth(tx, identityId);
      await this.#identities.record(tx, access, 'delete', 'revoke-identity-universal-auth', {
        identityId,
        clientId: row.clientId,
      });
      return row;
    });
  }

  /** Makes a client secret. It is shown this once; the server keeps its HMAC. */
  async createSecret(
    caller: Caller,
    identityId: string,
    given: CreateClientSecretBody,
  ): Promise<{ clientSecret: string; row: ClientSecretRow }> {
    const access = await this.#identities.managed(caller, identityId, 'create-identity-universal-auth-client-secret', {
      action: 'create-token',
    });
    return this.#access.changeOrganization(access, async (tx) => {
      const { id } = await this.#find(tx, identityId);
      if ((await listClientSecrets(tx, identityId)).length >= SECRETS_AT_MOST) {
        throw badRequest(`this identity has ${SECRETS_AT_MOST} client secrets; revoke those that are no longer used`);
      }
      const clientSecret = newClientSecret();
      const row = await insertClientSecret(tx, id, {
        mac: clientSecretMac(this.#keyring.clientSecretMacKey, clientSecret),
        prefix: clientSecretPrefix(clientSecret),
        ...given,
      });
      const event = 'create-identity-universal-auth-client-secret';
      await this.#identities.record(tx, access, 'create', event, {
        identityId,
        clientSecretId: row.id,
        ttl: given.ttl,
      });
      return { clientSecret, row };
    });
  }

  /** Forgets the wrong secrets that came for an identity; how many addresses were slowed down for them. */
  async clearLockouts(caller: Caller, identityId: string): Promise<number> {
    const event = 'clear-identity-universal-auth-lockouts';
    const access = await this.#identities.managed(caller, identityId, event);
    return this.#access.changeOrganization(access, async (tx) => {
      const { clientId } = await this.#find(tx, identityId);
      await this.#identities.record(tx, access, 'update', event, { identityId, clientId });
      return this.#throttle.clear(clientId);
    });
  }

  async listSecrets(caller: Caller, identityId: string): Promise<ClientSecretRow[]> {
    await this.#identities.managed(caller, identityId, 'list-client-secrets', { orItself: true, action: 'get-token' });
    await this.#find(this.#db, identityId);
    return listClientSecrets(this.#db, identityId);
  }

  async getSecret(caller: Caller, identityId: string, id: string): Promise<ClientSecretRow> {
    await this.#identities.managed(caller, identityId, 'get-client-secret', { orItself: true, action: 'get-token' });
    return this.#secret(this.#db, identityId, id);
  }

  /** Revokes a client secret, and with it every token that it was exchanged for. An identity may revoke its own. */
  async revokeSecret(caller: Caller, identityId: string, id: string): Promise<ClientSecretRow> {
    const event = 'revoke-identity-universal-auth-client-secret';
    const access = await this.#identities.managed(caller, identityId, event, {
      orItself: true,
      action: 'delete-token',
    });
    return this.#access.changeOrganization(access, async (tx) => {
      await this.#secret(tx, identityId, id);
      await revokeClientSecret(tx, id);
      await this.#identities.record(tx, access, 'delete', event, { identityId, clientSecretId: id });
      return this.#secret(tx, identityId, id);
    });
  }

  async #find(db: Db, identityId: string): Promise<UniversalAuthRow> {
    const row = await findUniversalAuth(db, identityId);
    if (!row) throw notFound(`identity ${identityId} has no Universal Auth`);
    return row;
  }

  async #secret(db: Db, identityId: string, id: string): Promise<ClientSecretRow> {
    const row = await findClientSecret(db, identityId, id);
    if (!row) throw notFound(`client secret ${id} not found`);
    return row;
  }

  async #refuseWrong(clientId: string | undefined, outcome: LoginOutcome | undefined, origin: Origin): Promise<never> {
    const known = outcome?.identity;
    this.#audit.refusedStranger(known ? 'login-wrong-secret' : 'login-unknown-client');
    if (outcome && known && this.#wrong.isFirst(known.id))
      await this.#audit.write(refusedLogin(outcome, origin, 'secret'));
    const seconds = outcome?.lockout ? await this.#throttle.wrong(clientId!, origin.ip, outcome.lockout) : 0;
    if (seconds > 0) {
      throw new Refusal(
        'rateLimited',
        `too many wrong client secrets for this client id; try again in ${seconds} seconds`,
        {
          details: { retryAfterSeconds: seconds },
        },
      );
    }
    throw unauthorized(
      'Invalid credentials: this client id and client secret do not go together, or the secret has ended',
    );
  }
}

function refusedLogin({ identity }: LoginOutcome, origin: Origin, reason: string): AuditRecord {
  return {
    action: 'login',
    event: 'login-identity-universal-auth',
    outcome: 'refused',
    actor: { kind: 'identity', id: identity?.id, name: identity?.name },
    organizationId: identity?.organizationId,
    metadata: { reason },
    origin,
  };
}

export function toWrite(given: AttachUniversalAuthBody): UniversalAuthWrite {
  return {
    ...given,
    clientSecretTrustedIps: given.clientSecretTrustedIps.map(({ ipAddress }) => ipAddress),
    accessTokenTrustedIps: given.accessTokenTrustedIps.map(({ ipAddress }) => ipAddress),
  };
}

const defined = <Given extends object>(given: Given) =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as {
    [Key in keyof Given]: Exclude<Given[Key], undefined>;
  };
