import type { AccessToken } from '../../contracts/index.ts';
import type { Access, Caller } from '../access/access.ts';
import type { Database } from '../database/database.ts';
import type { Identities } from '../identities/service.ts';
import type { LastSeen } from '../last-seen/last-seen.ts';
import { found } from '../machine-logins/service.ts';
import { findMachineLogin, issueToken } from '../machine-logins/store.ts';
import { asIfAbsent, notFound } from '../refusal.ts';
import { type Settings, switchedOff } from '../settings/service.ts';
import { findInstance } from '../settings/store.ts';
import type { Tokens } from '../tokens/service.ts';
import { findToken, listTokens, renameToken, revokeToken, type TokenRow } from './store.ts';

const METHOD = 'token-auth';

/** Token Auth: tokens that an admin makes for an identity, which itself never logs in. */
export class TokenAuth {
  readonly #db: Database;
  readonly #lastSeen: LastSeen;
  readonly #access: Access;
  readonly #identities: Identities;
  readonly #tokens: Tokens;
  readonly #settings: Settings;

  constructor(options: {
    db: Database;
    access: Access;
    identities: Identities;
    tokens: Tokens;
    settings: Settings;
    lastSeen: LastSeen;
  }) {
    this.#db = options.db;
    this.#lastSeen = options.lastSeen;
    this.#access = options.access;
    this.#identities = options.identities;
    this.#tokens = options.tokens;
    this.#settings = options.settings;
  }

  /** Makes a token. It is shown this once. */
  async create(
    caller: Caller,
    identityId: string,
    name: string | undefined,
  ): Promise<{ answer: AccessToken; token: TokenRow }> {
    const event = 'create-token-identity-token-auth';
    const access = await this.#identities.managed(caller, identityId, event, { action: 'create-token' });
    await this.#settings.require(METHOD);
    return this.#access.changeOrganization(access, async (tx) => {
      const login = found(await findMachineLogin(tx, identityId, METHOD), identityId, METHOD);
      const issued = await issueToken(tx, { ...login, method: METHOD }, { name, origin: caller.origin });
      if (!issued) throw switchedOff(METHOD, (await findInstance(tx)).machineAuthMethods);
      await this.#identities.record(tx, access, 'create', event, { identityId, tokenId: issued.id, name });
      return { answer: this.#tokens.answer(issued), token: (await findToken(tx, issued.id))! };
    });
  }

  async list(caller: Caller, identityId: string, page: { offset: number; limit: number }): Promise<TokenRow[]> {
    await this.#identities.managed(caller, identityId, 'get-tokens-identity-token-auth', {
      orItself: true,
      action: 'get-token',
    });
    found(await findMachineLogin(this.#db, identityId, METHOD), identityId, METHOD);
    await this.#lastSeen.settle();
    return listTokens(this.#db, identityId, page.offset, page.limit);
  }

  async get(caller: Caller, tokenId: string, identityId?: string): Promise<TokenRow> {
    await this.#lastSeen.settle();
    return (
      await this.#managed(caller, tokenId, 'get-token-identity-token-auth', {
        orItself: true,
        identityId,
        action: 'get-token',
      })
    ).token;
  }

  async rename(caller: Caller, tokenId: string, name: string | undefined): Promise<TokenRow> {
    const event = 'update-token-identity-token-auth';
    const { access, token } = await this.#managed(caller, tokenId, event);
    return this.#access.changeOrganization(access, async (tx) => {
      if (name !== undefined) await renameToken(tx, tokenId, name);
      await this.#identities.record(tx, access, 'update', event, { identityId: token.identityId, tokenId, name });
      return (await findToken(tx, tokenId)) ?? token;
    });
  }

  /** Ends a token. An identity may end its own. */
  async revoke(caller: Caller, tokenId: string): Promise<void> {
    const event = 'revoke-token-identity-token-auth';
    const { access, token } = await this.#managed(caller, tokenId, event, { orItself: true, action: 'delete-token' });
    await this.#access.changeOrganization(access, async (tx) => {
      await revokeToken(tx, tokenId);
      await this.#identities.record(tx, access, 'delete', event, { identityId: token.identityId, tokenId });
    });
  }

  /** A token of an identity that the caller manages. To everyone else it does not exist. */
  async #managed(
    caller: Caller,
    tokenId: string,
    what: string,
    {
      orItself = false,
      identityId,
      action = 'create-token',
    }: {
      orItself?: boolean;
      identityId?: string | undefined;
      action?: 'create-token' | 'get-token' | 'delete-token';
    } = {},
  ) {
    const missing = () => notFound(`token ${tokenId} not found`);
    const token = await findToken(this.#db, tokenId);
    if (!token || (identityId !== undefined && token.identityId !== identityId)) {
      await this.#access.actor(caller);
      throw missing();
    }
    const access = await asIfAbsent(missing, () =>
      this.#identities.managed(caller, token.identityId, what, { orItself, action }),
    );
    return { token, access };
  }
}
