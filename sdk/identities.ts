import type { z } from 'zod';
import { AccessToken } from '../contracts/access-tokens.ts';
import {
  IdentityAnswer,
  type IdentityMembership,
  IdentityMembershipsAnswer,
  ProjectIdentitiesAnswer,
  ProjectIdentityAnswer,
  type ProjectIdentityMembership,
  ProjectIdentityRolesAnswer,
} from '../contracts/identities.ts';
import type { OrganizationRole, ProjectRole } from '../contracts/roles.ts';
import {
  type ClientSecret,
  ClientSecretAnswer,
  ClientSecretsAnswer,
  NewClientSecretAnswer,
  RenewedClientSecretAnswer,
  type UniversalAuth,
  UniversalAuthAnswer,
} from '../contracts/universal-auth.ts';
import { UnexpectedAnswer } from './errors.ts';
import type { Session } from './session.ts';

/** A role in a project, narrowed to environments where these are given. */
export interface RoleGrant {
  readonly role: ProjectRole;
  readonly environments?: readonly string[];
}

const PAGE = 1000;
/** More pages than any organization has; a server that never comes to its total would be asked for ever. */
const PAGES_AT_MOST = 1_000;

/** Machine identities, their Universal Auth, and what they may do in projects. */
export class Identities {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  /** All identities of an organization, however many pages they fill. */
  async list(organizationId: string): Promise<z.infer<typeof IdentityMembership>[]> {
    const path = `/api/v2/organizations/${organizationId}/identity-memberships`;
    return this.#pages((query) =>
      this.#session.call({ method: 'GET', path, query, answer: IdentityMembershipsAnswer }),
    );
  }

  /** Makes an identity, though there be another of its name. It can do nothing until it has a way to log in and a place in a project. */
  async create(body: {
    name: string;
    organizationId: string;
    role: OrganizationRole;
  }): Promise<{ id: string; name: string }> {
    return (await this.#session.call({ method: 'POST', path: '/api/v1/identities', body, answer: IdentityAnswer }))
      .identity;
  }

  /** Changes the role that it has in its organization; projects have roles of their own. */
  async update(id: string, body: { role: OrganizationRole }): Promise<{ id: string; name: string }> {
    const path = `/api/v1/identities/${id}`;
    return (await this.#session.call({ method: 'PATCH', path, body, answer: IdentityAnswer })).identity;
  }

  /** Switches Universal Auth on, with the server's defaults (HIP-27: tokens of 7200 seconds). */
  async attachUniversalAuth(id: string): Promise<z.infer<typeof UniversalAuth>> {
    const call = { method: 'POST', path: authPath(id), body: {}, answer: UniversalAuthAnswer } as const;
    return (await this.#session.call(call)).identityUniversalAuth;
  }

  /** The settings of its Universal Auth, the client id among them. @throws NotFound when it has none */
  async universalAuth(id: string): Promise<z.infer<typeof UniversalAuth>> {
    return (await this.#session.call({ method: 'GET', path: authPath(id), answer: UniversalAuthAnswer }))
      .identityUniversalAuth;
  }

  /** Exchanges a client secret for a token, for who wants the token itself (HIP-27). @throws Unauthorized when it is not taken */
  async logIn(body: { clientId: string; clientSecret: string }): Promise<AccessToken> {
    const path = '/api/v1/auth/universal-auth/login';
    return this.#session.open({ method: 'POST', path, body, answer: AccessToken, idempotent: false });
  }

  /** Makes a client secret. This answer is the only time that it is ever shown. */
  async createClientSecret(
    id: string,
    body: {
      description?: string;
      ttl?: number;
      numUsesLimit?: number;
      renewable?: boolean;
      renewableFor?: number;
    } = {},
  ): Promise<z.infer<typeof NewClientSecretAnswer>> {
    return this.#session.call({
      method: 'POST',
      path: `${authPath(id)}/client-secrets`,
      body,
      answer: NewClientSecretAnswer,
    });
  }

  /**
   * Makes the successor of a client secret that was made renewable; that one itself is the proof. Both work until the successor is
   * used: then the use of the one before ends both.
   */
  async renewClientSecret(
    { clientId, clientSecret }: { readonly clientId: string; readonly clientSecret: string },
    signal?: AbortSignal,
  ): Promise<z.infer<typeof RenewedClientSecretAnswer>> {
    return this.#session.open({
      method: 'POST',
      path: '/api/v1/auth/universal-auth/client-secrets/renew',
      body: { clientId, clientSecret },
      answer: RenewedClientSecretAnswer,
      ...(signal ? { signal } : {}),
    });
  }

  /** The client secrets that still work, without the secrets themselves. */
  async clientSecrets(id: string): Promise<z.infer<typeof ClientSecret>[]> {
    const path = `${authPath(id)}/client-secrets`;
    return (await this.#session.call({ method: 'GET', path, answer: ClientSecretsAnswer })).clientSecretData;
  }

  /** Ends a client secret, and every token that it was exchanged for. */
  async revokeClientSecret(id: string, clientSecretId: string): Promise<z.infer<typeof ClientSecret>> {
    const path = `${authPath(id)}/client-secrets/${clientSecretId}/revoke`;
    const call = { method: 'POST', path, body: {}, answer: ClientSecretAnswer, idempotent: true } as const;
    return (await this.#session.call(call)).clientSecretData;
  }

  /** Who may do what in a project. */
  async ofProject(projectId: string): Promise<z.infer<typeof ProjectIdentityMembership>[]> {
    const path = `/api/v2/workspace/${projectId}/identity-memberships`;
    return this.#pages((query) => this.#session.call({ method: 'GET', path, query, answer: ProjectIdentitiesAnswer }));
  }

  /** Makes it a member of a project. @throws Conflict when it is one already */
  async addToProject(projectId: string, id: string, roles: readonly RoleGrant[]): Promise<void> {
    const path = `/api/v2/workspace/${projectId}/identity-memberships/${id}`;
    await this.#session.call({ method: 'POST', path, body: { roles }, answer: ProjectIdentityAnswer });
  }

  /** Replaces all roles that the identity has in the project. */
  async setProjectRoles(projectId: string, id: string, roles: readonly RoleGrant[]): Promise<void> {
    const path = `/api/v2/workspace/${projectId}/identity-memberships/${id}`;
    await this.#session.call({ method: 'PATCH', path, body: { roles }, answer: ProjectIdentityRolesAnswer });
  }

  async #pages<Entry>(
    page: (query: { offset: number; limit: number }) => Promise<{ identityMemberships: Entry[]; totalCount: number }>,
  ): Promise<Entry[]> {
    const all: Entry[] = [];
    for (let count = 0; count < PAGES_AT_MOST; count++) {
      const { identityMemberships, totalCount } = await page({ offset: all.length, limit: PAGE });
      for (const entry of identityMemberships) all.push(entry);
      if (identityMemberships.length === 0 || all.length >= totalCount) return all;
    }
    throw new UnexpectedAnswer(`the list of identities does not end after ${PAGES_AT_MOST} pages`);
  }
}

const authPath = (id: string) => `/api/v1/auth/universal-auth/identities/${id}`;
