import {
  type AttachUniversalAuthBody,
  type CreateClientSecretBody,
  TTL_TOO_LONG,
  ttlFits,
  type UpdateUniversalAuthBody,
} from '../../contracts/index.ts';
import { clientSecretMac, clientSecretPrefix, newClientSecret } from '../../keys/index.ts';
import type { Access, Caller } from '../access/access.ts';
import type { Database, Db } from '../database/database.ts';
import { takenAs } from '../database/taken.ts';
import type { Identities } from '../identities/service.ts';
import type { Keyring } from '../keyring/keyring.ts';
import { badRequest, invalid, notFound } from '../refusal.ts';
import { revokeWithFamily } from './families-store.ts';
import { addressesOf, toWrite } from './settings.ts';
import {
  type ClientSecretRow,
  countLiveSecrets,
  deleteUniversalAuth,
  findClientSecret,
  findUniversalAuth,
  insertClientSecret,
  insertUniversalAuth,
  listClientSecrets,
  lockUniversalAuth,
  type UniversalAuthRow,
  updateUniversalAuth,
} from './store.ts';
import type { WrongSecrets } from './wrong-secrets.ts';

/** A login looks through the live secrets of the identity, so their number is bounded. */
const SECRETS_AT_MOST = 100;

/** Which identities have Universal Auth (HIP-27), on which terms, and their client secrets: what admins set up for logins. */
export class UniversalAuth {
  readonly #db: Database;
  readonly #access: Access;
  readonly #identities: Identities;
  readonly #keyring: Keyring;
  readonly #wrongSecrets: WrongSecrets;

  /** @param options.wrongSecrets the one that logins are slowed down by */
  constructor(options: {
    db: Database;
    access: Access;
    identities: Identities;
    keyring: Keyring;
    wrongSecrets: WrongSecrets;
  }) {
    this.#db = options.db;
    this.#access = options.access;
    this.#identities = options.identities;
    this.#keyring = options.keyring;
    this.#wrongSecrets = options.wrongSecrets;
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
        clientSecretTrustedIps: addressesOf(change.clientSecretTrustedIps) ?? before.clientSecretTrustedIps,
        accessTokenTrustedIps: addressesOf(change.accessTokenTrustedIps) ?? before.accessTokenTrustedIps,
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
    if (given.renewable && (given.ttl === 0 || given.numUsesLimit > 0)) {
      throw invalid(
        ['renewable'],
        'a client secret that can be renewed has a ttl, and no limit of uses: each renewal would begin it anew',
      );
    }
    if (!given.renewable && given.renewableFor > 0) {
      throw invalid(['renewableFor'], 'only a client secret with renewable: true has an end of renewals');
    }
    return this.#access.changeOrganization(access, async (tx) => {
      const { id } = await this.#find(tx, identityId);
      if ((await countLiveSecrets(tx, identityId)) >= SECRETS_AT_MOST) {
        throw badRequest(`this identity has ${SECRETS_AT_MOST} client secrets; revoke those that are no longer used`);
      }
      const clientSecret = newClientSecret();
      const row = await insertClientSecret(tx, id, {
        mac: clientSecretMac(this.#keyring.clientSecretMacKey, clientSecret),
        macKeyVersion: this.#keyring.clientSecretMacVersion,
        prefix: clientSecretPrefix(clientSecret),
        ...given,
      });
      const event = 'create-identity-universal-auth-client-secret';
      await this.#identities.record(tx, access, 'create', event, {
        identityId,
        clientSecretId: row.id,
        ttl: given.ttl,
        ...(row.familyId === null ? {} : { renewable: true, renewableFor: given.renewableFor }),
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
      return this.#wrongSecrets.clear(clientId);
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

  /**
   * Revokes a client secret, and with it every token that it was exchanged for. Of one that can be renewed, the whole family: what a
   * thief made of it before would outlive it. An identity may revoke its own.
   */
  async revokeSecret(caller: Caller, identityId: string, id: string): Promise<ClientSecretRow> {
    const event = 'revoke-identity-universal-auth-client-secret';
    const access = await this.#identities.managed(caller, identityId, event, {
      orItself: true,
      action: 'delete-token',
    });
    return this.#access.changeOrganization(access, async (tx) => {
      await lockUniversalAuth(tx, identityId);
      await this.#secret(tx, identityId, id);
      await revokeWithFamily(tx, id);
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
}

const defined = <Given extends object>(given: Given) =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as {
    [Key in keyof Given]: Exclude<Given[Key], undefined>;
  };
