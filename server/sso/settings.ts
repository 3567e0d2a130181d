import { randomUUID } from 'node:crypto';
import type { CreateOidcConfigBody, UpdateOidcConfigBody } from '../../contracts/index.ts';
import type { Access, Caller, OrganizationAccess } from '../access/access.ts';
import type { Audit } from '../audit/audit.ts';
import type { Database, Db } from '../database/database.ts';
import { takenAs } from '../database/taken.ts';
import type { Keyring } from '../keyring/keyring.ts';
import { OutboundFailure } from '../outbound/failure.ts';
import { badRequest, invalid, notFound } from '../refusal.ts';
import type { Providers } from './provider.ts';
import { findProvider, organizationOfSlug, type ProviderRow, putProvider } from './store.ts';

export const SECRET_PURPOSE = 'oidc-client-secret';
const WELL_KNOWN = '/.well-known/openid-configuration';
const URLS = [
  'issuer',
  'discoveryURL',
  'authorizationEndpoint',
  'tokenEndpoint',
  'jwksUri',
  'userinfoEndpoint',
] as const;

/** How an organization's people sign on; its admins alone set it up: whoever says which provider it is can be anybody. */
export class SsoSettings {
  readonly #db: Database;
  readonly #access: Access;
  readonly #audit: Audit;
  readonly #keyring: Keyring;
  readonly #providers: Providers;

  constructor(options: { db: Database; access: Access; audit: Audit; keyring: Keyring; providers: Providers }) {
    this.#db = options.db;
    this.#access = options.access;
    this.#audit = options.audit;
    this.#keyring = options.keyring;
    this.#providers = options.providers;
  }

  async get(
    caller: Caller,
    named: { organizationId?: string | undefined; orgSlug?: string | undefined },
  ): Promise<ProviderRow> {
    await this.#access.actor(caller);
    if (named.organizationId === undefined && named.orgSlug === undefined) {
      throw badRequest('name the organization, by organizationId or orgSlug');
    }
    const bySlug = named.orgSlug === undefined ? undefined : await organizationOfSlug(this.#db, named.orgSlug);
    const id = named.organizationId ?? bySlug;
    if (id === undefined) throw notFound(`organization "${named.orgSlug}" not found`);
    if (
      named.organizationId === undefined &&
      (await this.#access.verdict(caller, { organizationId: id })).organizationRole === null
    ) {
      throw notFound(`organization "${named.orgSlug}" not found`);
    }
    await this.#access.organizationWith(caller, id, { action: 'read', subject: 'sso' }, 'get-oidc-sso');
    return this.#find(this.#db, id);
  }

  async create(caller: Caller, given: CreateOidcConfigBody): Promise<ProviderRow> {
    const { organizationId } = given;
    const access = await this.#access.organizationAdmin(caller, organizationId, 'create-oidc-sso');
    this.#checkUrls(given);
    const id = randomUUID();
    const sealedClientSecret = await this.#keyring.sealConfig(SECRET_PURPOSE, id, given.clientSecret);
    const row = checked({ ...EMPTY, id, organizationId, sealedClientSecret, ...columnsOf(given) } as ProviderRow);
    return takenAs('single sign-on is set up already; change it with PATCH', () =>
      this.#access.changeOrganization(access, async (tx) => {
        const stored = await putProvider(tx, row);
        await this.#record(tx, access, 'create', 'create-oidc-sso', given);
        return stored;
      }),
    );
  }

  async update(caller: Caller, given: UpdateOidcConfigBody): Promise<ProviderRow> {
    const { organizationId, clientSecret } = given;
    const access = await this.#access.organizationAdmin(caller, organizationId, 'update-oidc-sso');
    this.#checkUrls(given);
    return this.#access.changeOrganization(access, async (tx) => {
      const before = await this.#find(tx, organizationId);
      // The secret is for the provider that it was given with: whoever only moves the endpoints would be sent it.
      if (clientSecret === undefined && movesSecret(before, given)) {
        throw badRequest('another token endpoint or issuer takes the client secret again; send clientSecret as well');
      }
      const sealed =
        clientSecret === undefined
          ? {}
          : { sealedClientSecret: await this.#keyring.sealConfig(SECRET_PURPOSE, before.id, clientSecret) };
      const stored = await putProvider(tx, checked({ ...before, ...columnsOf(given), ...sealed }));
      await this.#record(tx, access, 'update', 'update-oidc-sso', given);
      return stored;
    });
  }

  async #find(db: Db, organizationId: string): Promise<ProviderRow> {
    const row = await findProvider(db, organizationId);
    if (!row) throw notFound('single sign-on is not set up in this organization');
    return row;
  }

  #checkUrls(given: Partial<Record<(typeof URLS)[number], string | undefined>>): void {
    for (const name of URLS) {
      const url = given[name];
      if (url === undefined) continue;
      try {
        this.#providers.check(url);
      } catch (error) {
        if (error instanceof OutboundFailure) throw invalid([name], error.message);
        throw error;
      }
    }
  }

  #record(
    tx: Db,
    access: OrganizationAccess,
    action: 'create' | 'update',
    event: string,
    { clientSecret, ...given }: UpdateOidcConfigBody,
  ): Promise<void> {
    const metadata = { ...given, clientSecretChanged: clientSecret !== undefined };
    return this.#audit.changedOrganization(tx, access, action, event, metadata);
  }
}

const EMPTY = {
  discoveryUrl: null,
  issuer: null,
  authorizationEndpoint: null,
  tokenEndpoint: null,
  jwksUri: null,
  userinfoEndpoint: null,
  allowedEmailDomains: '',
  signatureAlgorithm: 'RS256',
  defaultRole: 'member',
  groupsClaim: 'groups',
  groupRoles: [],
  manageGroupMemberships: false,
} as const;

/** The columns that a body names. */
function columnsOf(given: UpdateOidcConfigBody): Partial<ProviderRow> {
  const columns = {
    isActive: given.isActive,
    configurationType: given.configurationType,
    discoveryUrl: given.discoveryURL,
    issuer: given.issuer,
    authorizationEndpoint: given.authorizationEndpoint,
    tokenEndpoint: given.tokenEndpoint,
    jwksUri: given.jwksUri,
    userinfoEndpoint: given.userinfoEndpoint,
    clientId: given.clientId,
    allowedEmailDomains: given.allowedEmailDomains,
    signatureAlgorithm: given.jwtSignatureAlgorithm,
    defaultRole: given.defaultRole,
    groupsClaim: given.groupsClaim,
    groupRoles: given.groupRoles,
    manageGroupMemberships: given.manageGroupMemberships,
  };
  return Object.fromEntries(Object.entries(columns).filter(([, value]) => value !== undefined)) as Partial<ProviderRow>;
}

const movesSecret = (before: ProviderRow, given: UpdateOidcConfigBody): boolean =>
  (given.tokenEndpoint !== undefined && given.tokenEndpoint !== before.tokenEndpoint) ||
  (given.discoveryURL !== undefined && given.discoveryURL !== before.discoveryUrl) ||
  (given.issuer !== undefined && given.issuer !== before.issuer) ||
  (given.configurationType !== undefined && given.configurationType !== before.configurationType);

/** A provider with all that its type needs. */
function checked(row: ProviderRow): ProviderRow {
  if (row.configurationType === 'discoveryURL') {
    if (row.discoveryUrl === null) throw badRequest('the type discoveryURL needs a discoveryURL');
    if (!row.discoveryUrl.endsWith(WELL_KNOWN))
      throw invalid(['discoveryURL'], `a discovery URL ends with ${WELL_KNOWN}`);
    return row;
  }
  for (const name of ['issuer', 'authorizationEndpoint', 'tokenEndpoint', 'jwksUri'] as const) {
    if (row[name] === null)
      throw badRequest(
        `the type custom needs issuer, authorizationEndpoint, tokenEndpoint and jwksUri; ${name} is missing`,
      );
  }
  return row;
}
