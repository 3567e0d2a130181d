import {
  type AccessToken,
  type AttachUniversalAuthBody,
  type CreateClientSecretBody,
  type UpdateUniversalAuthBody,
  Uuid,
} from '../../contracts/index.ts';
import { clientSecretMac, clientSecretPrefix, newClientSecret, sameMac } from '../../keys/index.ts';
import type { Access, Caller } from '../access/access.ts';
import type { Audit } from '../audit/audit.ts';
import { Seldom } from '../audit/seldom.ts';
import type { AuditRecord, Origin } from '../audit/store.ts';
import type { Database, Db } from '../database/database.ts';
import { takenAs } from '../database/taken.ts';
import type { Identities } from '../identities/service.ts';
import type { Keyring } from '../keyring/keyring.ts';
import { badRequest, forbidden, invalid, notFound, unauthorized } from '../refusal.ts';
import type { Tokens } from '../tokens/service.ts';
import {
  type ClientSecretRow,
  deleteUniversalAuth,
  findClientSecret,
  findLogin,
  findUniversalAuth,
  insertClientSecret,
  insertUniversalAuth,
  type LoginRow,
  listClientSecrets,
  lockUniversalAuth,
  logIn,
  revokeClientSecret,
  type UniversalAuthRow,
  type UniversalAuthWrite,
  updateUniversalAuth,
} from './store.ts';

/** A login compares every live secret of the identity, so their number is bounded. */
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

  constructor(options: {
    db: Database;
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
  }

  /** An unknown client id and a wrong secret get the same answer for the same work. */
  async login(clientId: string, clientSecret: string, origin: Origin): Promise<AccessToken> {
    const mac = clientSecretMac(this.#keyring.clientSecretMacKey, clientSecret);
    const login = Uuid.safeParse(clientId).success ? await findLogin(this.#db, clientId, origin.ip) : undefined;
    const matching = login?.secrets.filter((secret) => sameMac(secret.mac, mac))[0];
    if (!login || !matching) {
      await this.#refuseWrong(login, origin);
      throw unauthorized(
        'Invalid credentials: this client id and client secret do not go together, or the secret has ended',
      );
    }
    if (!login.ipTrusted) {
      await this.#audit.write(refusedLogin(login, origin, 'address'));
      throw forbidden(`this identity may not log in from ${origin.ip}`);
    }
    const issued = matching.exhausted ? undefined : await logIn(this.#db, matching.id, origin);
    if (!issued) {
      await this.#audit.write(refusedLogin(login, origin, 'exhausted'));
      throw unauthorized('Invalid credentials: this client secret has ended, or has been used as often as it may');
    }
    return this.#tokens.answer(issued);
  }

  async attach(caller: Caller, identityId: string, given: AttachUniversalAuthBody): Promise<UniversalAuthRow> {
    const access = await this.#identities.managed(caller, identityId, 'add-identity-universal-auth');
    return takenAs('this identity has Universal Auth already', () =>
      this.#access.changeOrganization(access, async (tx) => {
        const row = await insertUniversalAuth(tx, identityId, toWrite(given));
        await this.#record(tx, access, 'create', 'add-identity-universal-auth', { identityId, clientId: row.clientId });
        return row;
      }),
    );
  }

  async get(caller: Caller, identityId: string): Promise<UniversalAuthRow> {
    await this.#identities.managed(caller, identityId, 'get-identity-universal-auth', { orItself: true });
    return this.#find(this.#db, identityId);
  }

  async update(caller: Caller, identityId: string, change: UpdateUniversalAuthBody): Promise<UniversalAuthRow> {
    const access = await this.#identities.managed(caller, identityId, 'update-identity-universal-auth');
    return this.#access.changeOrganization(access, async (tx) => {
      // Locked: of two changes at once, the second would put back what the first has just tightened.
      const before = await lockUniversalAuth(tx, identityId);
      if (!before) throw notFound(`identity ${identityId} has no Universal Auth`);
      const next = { ...before, ...defined(change) };
      if (next.accessTokenTTL > next.accessTokenMaxTTL) {
        throw invalid(['accessTokenTTL'], 'accessTokenTTL is longer than accessTokenMaxTTL');
      }
      const row = await updateUniversalAuth(tx, identityId, {
        ...next,
        clientSecretTrustedIps:
          change.clientSecretTrustedIps?.map(({ ipAddress }) => ipAddress) ?? before.clientSecretTrustedIps,
        accessTokenTrustedIps:
          change.accessTokenTrustedIps?.map(({ ipAddress }) => ipAddress) ?? before.accessTokenTrustedIps,
      });
      await this.#record(tx, access, 'update', 'update-identity-universal-auth', { identityId, ...change });
      return row;
    });
  }

  /** Takes Universal Auth away. Every token that came of it is refused from the next request on. */
  async detach(caller: Caller, identityId: string): Promise<UniversalAuthRow> {
    const access = await this.#identities.managed(caller, identityId, 'revoke-identity-universal-auth');
    return this.#access.changeOrganization(access, async (tx) => {
      const row = await this.#find(tx, identityId);
      await deleteUniversalAuth(tx, identityId);
      await this.#record(tx, access, 'delete', 'revoke-identity-universal-auth', {
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
    const access = await this.#identities.managed(caller, identityId, 'create-identity-universal-auth-client-secret');
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
      await this.#record(tx, access, 'create', event, { identityId, clientSecretId: row.id, ttl: given.ttl });
      return { clientSecret, row };
    });
  }

  async listSecrets(caller: Caller, identityId: string): Promise<ClientSecretRow[]> {
    await this.#identities.managed(caller, identityId, 'list-client-secrets', { orItself: true });
    await this.#find(this.#db, identityId);
    return listClientSecrets(this.#db, identityId);
  }

  async getSecret(caller: Caller, identityId: string, id: string): Promise<ClientSecretRow> {
    await this.#identities.managed(caller, identityId, 'get-client-secret', { orItself: true });
    return this.#secret(this.#db, identityId, id);
  }

  /** Revokes a client secret, and with it every token that it was exchanged for. An identity may revoke its own. */
  async revokeSecret(caller: Caller, identityId: string, id: string): Promise<ClientSecretRow> {
    const event = 'revoke-identity-universal-auth-client-secret';
    const access = await this.#identities.managed(caller, identityId, event, { orItself: true });
    return this.#access.changeOrganization(access, async (tx) => {
      await this.#secret(tx, identityId, id);
      await revokeClientSecret(tx, id);
      await this.#record(tx, access, 'delete', event, { identityId, clientSecretId: id });
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

  async #refuseWrong(login: LoginRow | undefined, origin: Origin): Promise<void> {
    this.#audit.refusedStranger(login ? 'login-wrong-secret' : 'login-unknown-client');
    if (!login || !this.#wrong.isFirst(login.identityId)) return;
    await this.#audit.write(refusedLogin(login, origin, 'secret'));
  }

  #record(
    tx: Db,
    access: Awaited<ReturnType<Identities['managed']>>,
    action: 'create' | 'update' | 'delete',
    event: string,
    metadata: Record<string, unknown>,
  ): Promise<void> {
    const { actor, identity, caller } = access;
    const { organizationId } = identity;
    return this.#audit.writeWithin(tx, [
      { action, event, outcome: 'allowed', actor, organizationId, metadata, origin: caller.origin },
    ]);
  }
}

function refusedLogin(login: LoginRow, origin: Origin, reason: string): AuditRecord {
  return {
    action: 'login',
    event: 'login-identity-universal-auth',
    outcome: 'refused',
    actor: { kind: 'identity', id: login.identityId, name: login.identityName },
    organizationId: login.organizationId,
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
