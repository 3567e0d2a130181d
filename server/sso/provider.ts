import type { JWTPayload, JWTVerifyGetKey } from 'jose';
import { z } from 'zod';
import { isStorable } from '../../contracts/index.ts';
import { IssuerKeys } from '../oidc-auth/issuer-keys.ts';
import { OutboundFailure } from '../outbound/failure.ts';
import type { Outbound } from '../outbound/outbound.ts';
import type { ProviderRow } from './store.ts';

/** Where a provider is spoken to. */
export interface Endpoints {
  readonly issuer: string;
  readonly authorization: string;
  readonly token: string;
  readonly jwks: string;
  readonly userinfo: string | null;
  /** Whether its answers always name it (RFC 9207). */
  readonly namesItself: boolean;
  /** How it wants to be shown the client's secret. */
  readonly clientAuth: 'basic' | 'post';
}

/** What a provider says of the person at the browser, all of it checked. */
export interface Asserted {
  readonly issuer: string;
  readonly subject: string;
  readonly email: string | undefined;
  readonly emailVerified: boolean;
  readonly groups: readonly string[] | undefined;
}

/** A provider's answer that cannot be believed; the reason is for the audit, and for its admins. */
export class NotBelieved extends Error {
  override readonly name = 'NotBelieved';
}

const text = z.string().max(2048);
const Discovery = z.object({
  issuer: text,
  authorization_endpoint: text,
  token_endpoint: text,
  jwks_uri: text,
  userinfo_endpoint: text.optional(),
  authorization_response_iss_parameter_supported: z.boolean().optional(),
  token_endpoint_auth_methods_supported: z.array(z.string()).optional(),
});
const TokenAnswer = z.object({ id_token: z.string().max(65_536), access_token: z.string().max(65_536).optional() });

const KEEP_MS = 600_000;
const KEPT_AT_MOST = 500;
const WELL_KNOWN = '/.well-known/openid-configuration';
const CLOCKS_APART_SECONDS = 60;

interface Kept {
  readonly at: number;
  readonly body: unknown;
}

/** Speaks OpenID Connect with providers, over the one door to other servers. */
export class Providers {
  readonly #outbound: Outbound;
  readonly #keys: IssuerKeys;
  readonly #described = new Map<string, Kept>();

  /** @param keys the providers' public keys, kept for a while. @default kept as those of machine logins */
  constructor(outbound: Outbound, keys = new IssuerKeys(outbound)) {
    this.#outbound = outbound;
    this.#keys = keys;
  }

  /** Whether a URL could be called at all. @throws OutboundFailure */
  check(url: string): void {
    this.#outbound.check(url);
  }

  /** A provider's endpoints, from its row or from where it describes itself. */
  async endpoints(row: ProviderRow): Promise<Endpoints> {
    if (row.configurationType === 'custom') {
      return {
        issuer: row.issuer!,
        authorization: row.authorizationEndpoint!,
        token: row.tokenEndpoint!,
        jwks: row.jwksUri!,
        userinfo: row.userinfoEndpoint,
        namesItself: false,
        clientAuth: 'basic',
      };
    }
    const url = row.discoveryUrl!;
    const found = Discovery.safeParse(await this.#describe(url));
    if (!found.success) throw new NotBelieved('the discovery document is not one of OpenID Connect');
    const described = found.data;
    // Whose document it is, it does not get to choose: the address says it (OpenID Connect Discovery, 4.3).
    const expected = row.issuer ?? url.slice(0, -WELL_KNOWN.length);
    if (described.issuer.replace(/\/$/, '') !== expected.replace(/\/$/, '')) {
      throw new NotBelieved('the discovery document is of another issuer');
    }
    const methods = described.token_endpoint_auth_methods_supported;
    return {
      issuer: described.issuer,
      authorization: described.authorization_endpoint,
      token: described.token_endpoint,
      jwks: described.jwks_uri,
      userinfo: described.userinfo_endpoint ?? null,
      namesItself: described.authorization_response_iss_parameter_supported ?? false,
      clientAuth: methods === undefined || methods.includes('client_secret_basic') ? 'basic' : 'post',
    };
  }

  /** Exchanges a code, and checks what comes of it: signature, issuer, audience, nonce, time. */
  async redeem(
    row: ProviderRow,
    endpoints: Endpoints,
    given: { code: string; verifier: string; nonce: string; redirectUri: string; clientSecret: string },
  ): Promise<Asserted> {
    const answer = await this.#exchange(row, endpoints, given);
    const claims = await this.#verify(row, endpoints, answer.id_token);
    if (claims.nonce !== given.nonce) throw new NotBelieved('the token is for another login: its nonce is wrong');
    const audiences = [claims.aud].flat();
    if ((claims.azp !== undefined || audiences.length > 1) && claims.azp !== row.clientId) {
      throw new NotBelieved('the token was made for another client');
    }
    const subject = claims.sub!;
    const asksGroups = row.groupRoles.length > 0 || row.manageGroupMemberships;
    const needed = claims.email === undefined || (asksGroups && claims[row.groupsClaim] === undefined);
    const more =
      needed && endpoints.userinfo !== null && answer.access_token !== undefined
        ? await this.#userinfo(endpoints.userinfo, answer.access_token, subject)
        : {};
    // The e-mail address and whether it is verified come from one place: half of each would be a third thing.
    const { email, email_verified: verified } = claims.email === undefined ? more : claims;
    return {
      issuer: endpoints.issuer,
      subject,
      email: typeof email === 'string' ? email : undefined,
      emailVerified: verified === true || verified === 'true',
      groups: groupsOf(claims[row.groupsClaim] ?? more[row.groupsClaim]),
    };
  }

  async #exchange(
    row: ProviderRow,
    endpoints: Endpoints,
    given: { code: string; verifier: string; redirectUri: string; clientSecret: string },
  ) {
    const form = new URLSearchParams({
      grant_type: 'authorization_code',
      code: given.code,
      redirect_uri: given.redirectUri,
      code_verifier: given.verifier,
      client_id: row.clientId,
    });
    const headers: Record<string, string> = {
      'content-type': 'application/x-www-form-urlencoded',
      accept: 'application/json',
    };
    if (endpoints.clientAuth === 'post') form.set('client_secret', given.clientSecret);
    else headers.authorization = `Basic ${basic(row.clientId, given.clientSecret)}`;
    const body = await this.#outbound
      .json(endpoints.token, { method: 'POST', headers, body: form.toString() })
      .catch(turnedDown);
    const answer = TokenAnswer.safeParse(body);
    if (!answer.success) throw new NotBelieved('the token endpoint answered without an ID token');
    return answer.data;
  }

  async #verify(row: ProviderRow, endpoints: Endpoints, token: string): Promise<JWTPayload> {
    // Loaded with the first of its users, as in oidc-auth.
    const { errors } = await import('jose');
    const issuer = { jwksUri: endpoints.jwks, caCert: '' };
    try {
      const keys = await this.#keys.of(issuer);
      try {
        return await checked(row, endpoints, token, keys);
      } catch (error) {
        // Keys are replaced from time to time: one that is not known yet is looked for once more.
        const newer = error instanceof errors.JWKSNoMatchingKey && (await this.#keys.newer(issuer));
        if (!newer) throw error;
        return await checked(row, endpoints, token, newer);
      }
    } catch (error) {
      if (error instanceof errors.JWKSNoMatchingKey) {
        throw new NotBelieved('the token is signed by no key of the provider');
      }
      if (error instanceof errors.JWTClaimValidationFailed) {
        throw new NotBelieved(`the token's claim "${error.claim}" is missing or not right`);
      }
      if (error instanceof errors.JOSEError || error instanceof TypeError) {
        throw new NotBelieved(
          `the token is not signed by the provider, or is over (${(error as { code?: string }).code ?? 'key'})`,
        );
      }
      throw error;
    }
  }

  async #userinfo(url: string, accessToken: string, subject: string): Promise<Record<string, unknown>> {
    const body = await this.#outbound.json(url, { headers: { authorization: `Bearer ${accessToken}` } });
    const claims = z.record(z.string(), z.unknown()).safeParse(body);
    // Of another person, it would make of this one whoever that is (OpenID Connect Core, 5.3.2).
    if (!claims.success || claims.data.sub !== subject) throw new NotBelieved('the user info is of another person');
    return claims.data;
  }

  async #describe(url: string): Promise<unknown> {
    const kept = this.#described.get(url);
    if (kept && performance.now() - kept.at < KEEP_MS) return kept.body;
    const body = await this.#outbound.json(url);
    if (this.#described.size >= KEPT_AT_MOST) this.#described.clear();
    this.#described.set(url, { at: performance.now(), body });
    return body;
  }
}

/** What a token says, once its signature and what it is for are checked. */
async function checked(
  row: ProviderRow,
  endpoints: Endpoints,
  token: string,
  keys: JWTVerifyGetKey,
): Promise<JWTPayload> {
  const { jwtVerify } = await import('jose');
  const { payload } = await jwtVerify(token, keys, {
    issuer: endpoints.issuer,
    audience: row.clientId,
    algorithms: [row.signatureAlgorithm],
    requiredClaims: ['iss', 'sub', 'aud', 'exp', 'iat', 'nonce'],
    maxTokenAge: '10m',
    clockTolerance: CLOCKS_APART_SECONDS,
  });
  const { sub } = payload;
  if (typeof sub !== 'string' || sub === '' || sub.length > 255 || !isStorable(sub)) {
    throw new NotBelieved('the token has no usable subject');
  }
  return payload;
}

/** The provider is there, and wants none of this: a code that was used, a verifier or a secret that is wrong. */
function turnedDown(error: unknown): never {
  if (error instanceof OutboundFailure && error.reason === 'bad-answer') {
    throw new NotBelieved('the token endpoint turned the code down');
  }
  throw error;
}

/** RFC 6749, 2.3.1: both are form-encoded before they are joined. */
function basic(clientId: string, clientSecret: string): string {
  const encode = (part: string) => new URLSearchParams({ x: part }).toString().slice(2);
  return Buffer.from(`${encode(clientId)}:${encode(clientSecret)}`).toString('base64');
}

function groupsOf(claim: unknown): string[] | undefined {
  if (claim === undefined) return undefined;
  return [claim]
    .flat()
    .filter((group): group is string => typeof group === 'string' && group.length <= 255 && isStorable(group));
}
