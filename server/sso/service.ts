import { createHash, randomBytes } from 'node:crypto';
import { Email } from '../../contracts/index.ts';
import { isBrokenSeal, macFor } from '../../keys/index.ts';
import type { Caller } from '../access/access.ts';
import type { Audit } from '../audit/audit.ts';
import type { Origin } from '../audit/store.ts';
import type { Database } from '../database/database.ts';
import type { Keyring } from '../keyring/keyring.ts';
import { OutboundFailure } from '../outbound/failure.ts';
import type { Accounts } from '../people/account.ts';
import { badRequest, forbidden, notFound, Refusal, unavailable } from '../refusal.ts';
import { findEntry } from '../sessions/rules-store.ts';
import type { Sessions } from '../sessions/service.ts';
import { selectOrganization } from '../sessions/store.ts';
import { isInDomains } from './domains.ts';
import { admit, personOf, type Vouched } from './people.ts';
import { type Asserted, NotBelieved, type Providers } from './provider.ts';
import { SECRET_PURPOSE } from './settings.ts';
import {
  findActiveProvider,
  findProvider,
  findProviderById,
  insertAttempt,
  type ProviderRow,
  takeAttempt,
} from './store.ts';

const CALLBACK = '/api/v1/sso/oidc/callback';
const SCOPE = 'openid profile email';
const SECRET_BYTES = 32;

/** Where to send a browser, and what it has to keep to come back. */
export interface Begun {
  readonly url: string;
  readonly browser: string;
}

/** What the provider sent the browser back with. */
export interface Returned {
  readonly state: string;
  readonly code: string | undefined;
  readonly error: string | undefined;
  readonly iss: string | undefined;
}

/**
 * Single sign-on (OpenID Connect, authorization code with PKCE). A sign-on ends in the browser that began it, once, with the
 * provider that it was begun with; what comes of it is a session that reaches that provider's organization and no other.
 */
export class Sso {
  readonly #db: Database;
  readonly #audit: Audit;
  readonly #accounts: Accounts;
  readonly #keyring: Keyring;
  readonly #providers: Providers;
  readonly #sessions: Sessions;
  readonly #siteUrl: string | undefined;
  readonly #instanceAdmins: boolean;

  constructor(options: {
    db: Database;
    audit: Audit;
    accounts: Accounts;
    keyring: Keyring;
    providers: Providers;
    sessions: Sessions;
    siteUrl: string | undefined;
    /** Whether instance admins may come in this way. */
    instanceAdmins: boolean;
  }) {
    this.#db = options.db;
    this.#audit = options.audit;
    this.#accounts = options.accounts;
    this.#keyring = options.keyring;
    this.#providers = options.providers;
    this.#sessions = options.sessions;
    this.#siteUrl = options.siteUrl?.replace(/\/+$/, '');
    this.#instanceAdmins = options.instanceAdmins;
  }

  /** Begins a sign-on of whoever sits at the browser. */
  async begin(orgSlug: string): Promise<Begun> {
    const provider = await findActiveProvider(this.#db, orgSlug);
    if (!provider) throw notFound(`organization "${orgSlug}" has no single sign-on`);
    return this.#begin(provider, null);
  }

  /** Begins to link the caller's account with what the provider knows of them: the consent that an address is not. */
  async beginLink(caller: Caller, organizationId: string): Promise<Begun> {
    const missing = notFound(`organization ${organizationId} not found`);
    const userId = await this.#accounts.change(caller, { fresh: true }, async (tx, { person, session }) => {
      if (session?.method !== 'password') throw forbidden('log in with your password to link a sign-on');
      if (!(await findEntry(tx, organizationId, person.id))) throw missing;
      return person.id;
    });
    const provider = await findProvider(this.#db, organizationId);
    if (!provider?.isActive) throw notFound('single sign-on is not set up in this organization');
    return this.#begin(provider, userId);
  }

  /** Ends a sign-on. The session's refresh token, and where the browser goes on. */
  async finish(
    returned: Returned,
    browser: string | undefined,
    origin: Origin,
  ): Promise<{ url: string; refresh: string | undefined }> {
    const attempt = await takeAttempt(
      this.#db,
      this.#mac('state', returned.state),
      this.#mac('browser', browser ?? ''),
    );
    const provider = attempt && (await findProviderById(this.#db, attempt.providerId));
    if (!attempt || !provider?.isActive) {
      this.#audit.refusedStranger('sso-unknown-state');
      throw forbidden(
        'this sign-on was not begun in this browser, took longer than ten minutes, or was ended before; begin again',
      );
    }
    try {
      const vouched = this.#vouched(provider, await this.#ask(provider, returned, browser!));
      return await this.#admit(provider, vouched, attempt.linkUserId, origin);
    } catch (error) {
      throw await this.#refused(provider, error, origin);
    }
  }

  async #begin(provider: ProviderRow, linkUserId: string | null): Promise<Begun> {
    const redirectUri = this.#redirectUri();
    const endpoints = await this.#reached(() => this.#providers.endpoints(provider));
    const [state, browser] = [newSecret(), newSecret()];
    await insertAttempt(this.#db, {
      stateMac: this.#mac('state', state),
      browserMac: this.#mac('browser', browser),
      providerId: provider.id,
      linkUserId,
    });
    const url = new URL(endpoints.authorization);
    const challenge = createHash('sha256').update(this.#verifier(state, browser)).digest('base64url');
    for (const [name, value] of Object.entries({
      response_type: 'code',
      client_id: provider.clientId,
      redirect_uri: redirectUri,
      scope: SCOPE,
      state,
      nonce: this.#nonce(state, browser),
      code_challenge: challenge,
      code_challenge_method: 'S256',
    })) {
      url.searchParams.set(name, value);
    }
    return { url: url.href, browser };
  }

  async #ask(provider: ProviderRow, { state, code, error, iss }: Returned, browser: string): Promise<Asserted> {
    const endpoints = await this.#providers.endpoints(provider);
    // Another provider's answer must not be taken to this one (RFC 9207).
    if (iss === undefined ? endpoints.namesItself : iss !== endpoints.issuer) {
      throw new NotBelieved('the answer is of another provider');
    }
    if (error !== undefined || code === undefined) throw new NotBelieved('the provider let nobody in');
    return this.#providers.redeem(provider, endpoints, {
      code,
      verifier: this.#verifier(state, browser),
      nonce: this.#nonce(state, browser),
      redirectUri: this.#redirectUri(),
      clientSecret: await this.#keyring.openConfig(SECRET_PURPOSE, provider.id, provider.sealedClientSecret),
    });
  }

  #vouched(provider: ProviderRow, asserted: Asserted): Vouched {
    const email = Email.safeParse(asserted.email);
    if (!email.success) throw new NotBelieved('the provider names no e-mail address');
    if (!asserted.emailVerified) throw new NotBelieved('the provider has not verified the e-mail address');
    if (!isInDomains(email.data, provider.allowedEmailDomains)) {
      throw new NotBelieved("the e-mail address is in none of the organization's domains");
    }
    return { ...asserted, email: email.data };
  }

  #admit(provider: ProviderRow, vouched: Vouched, linkUserId: string | null, origin: Origin) {
    const { organizationId } = provider;
    return this.#db.transaction(async (tx) => {
      const person = await personOf(tx, provider, vouched, linkUserId, this.#instanceAdmins);
      const admitted = await admit(tx, provider, person, vouched);
      // Who links an account is logged in already, and stays so.
      const opened =
        linkUserId === null ? await this.#sessions.open(tx, person, 'oidc', organizationId, origin) : undefined;
      if (opened) await selectOrganization(tx, opened.session.id, organizationId);
      await this.#audit.writeWithin(tx, [
        {
          action: 'login',
          event: linkUserId === null ? 'login-oidc' : 'link-oidc',
          outcome: 'allowed',
          actor: { kind: 'user', id: person.id, name: person.email },
          organizationId,
          metadata: { sessionId: opened?.session.id, issuer: vouched.issuer, subject: vouched.subject, ...admitted },
          origin,
        },
      ]);
      return { url: `${this.#siteUrl}/login/sso`, refresh: opened?.refresh };
    });
  }

  /** Notes a sign-on that failed, where the organization's admins see it, and says what the browser is told. */
  async #refused(provider: ProviderRow, error: unknown, origin: Origin): Promise<unknown> {
    const known = error instanceof NotBelieved || error instanceof OutboundFailure || isBrokenSeal(error);
    if (!known && !(error instanceof Refusal)) return error;
    await this.#audit.write({
      action: 'login',
      event: 'login-oidc',
      outcome: 'refused',
      actor: { kind: 'user', name: 'single sign-on' },
      organizationId: provider.organizationId,
      metadata: { reason: (error as Error).message },
      origin,
    });
    if (error instanceof NotBelieved) return forbidden(`single sign-on failed: ${error.message}`);
    if (error instanceof OutboundFailure)
      return unavailable('the provider of single sign-on cannot be reached; try again');
    return error;
  }

  async #reached<Result>(ask: () => Promise<Result>): Promise<Result> {
    try {
      return await ask();
    } catch (error) {
      if (error instanceof OutboundFailure)
        throw unavailable('the provider of single sign-on cannot be reached; try again');
      if (error instanceof NotBelieved)
        throw unavailable(`the provider of single sign-on is set up wrong: ${error.message}`);
      throw error;
    }
  }

  /** Never from a request's Host header: whoever chose that would choose where the codes go. */
  #redirectUri(): string {
    if (this.#siteUrl === undefined)
      throw badRequest('single sign-on needs SITE_URL, the address that people reach this server at');
    return `${this.#siteUrl}${CALLBACK}`;
  }

  // Both come from the state and the browser's cookie together, so that neither half, nor the database, gives them away.
  #verifier = (state: string, browser: string) => this.#mac('verifier', state, browser).toString('base64url');
  #nonce = (state: string, browser: string) => this.#mac('nonce', state, browser).toString('base64url');

  #mac(purpose: string, ...fields: string[]): Buffer {
    return macFor(this.#keyring.clientSecretMacKey, `sso-${purpose}`, ...fields);
  }
}

const newSecret = () => randomBytes(SECRET_BYTES).toString('base64url');
