import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import {
  CreateOidcConfigBody,
  OidcConfig,
  OidcConfigQuery,
  SsoAnswer,
  SsoCallbackQuery,
  SsoLinkBody,
  SsoLoginQuery,
  SsoRedirect,
  UpdateOidcConfigBody,
} from '../../contracts/index.ts';
import { originOf } from '../http/authentication.ts';
import { cookieOf, setCookie } from '../http/cookies.ts';
import { setRefreshCookie } from '../sessions/cookie.ts';
import type { Begun, Sso } from './service.ts';
import type { SsoSettings } from './settings.ts';
import type { ProviderRow } from './store.ts';

/** Keeps a sign-on in the browser that began it. Lax: the provider's page leads back here. */
const COOKIE = 'kms-sso';
const BASE = '/api/v1/sso/oidc';
const TEN_MINUTES_SECONDS = 600;

interface Options {
  readonly sso: Sso;
  readonly settings: SsoSettings;
}

/** Single sign-on of organizations. */
export async function ssoRoutes(scope: FastifyInstance, { sso, settings }: Options): Promise<void> {
  const app = scope.withTypeProvider<ZodTypeProvider>();
  const tags = ['single sign-on'];
  // No HEAD beside them: a sign-on is begun and ended by browsers that follow where they are sent.
  const stranger = { config: { public: true }, exposeHeadRoute: false };

  app.get(
    `${BASE}/config`,
    {
      schema: {
        tags,
        summary: "Read an organization's provider",
        querystring: OidcConfigQuery,
        response: { 200: OidcConfig },
      },
    },
    async ({ caller, query }) => show(await settings.get(caller, query)),
  );
  app.post(
    `${BASE}/config`,
    { schema: { tags, summary: 'Set single sign-on up', body: CreateOidcConfigBody, response: { 200: OidcConfig } } },
    async ({ caller, body }) => show(await settings.create(caller, body)),
  );
  app.patch(
    `${BASE}/config`,
    { schema: { tags, summary: 'Change single sign-on', body: UpdateOidcConfigBody, response: { 200: OidcConfig } } },
    async ({ caller, body }) => show(await settings.update(caller, body)),
  );

  const begun = (reply: FastifyReply, { browser }: Begun) =>
    setCookie(reply, COOKIE, browser, { path: `${BASE}/callback`, sameSite: 'Lax', maxAge: TEN_MINUTES_SECONDS });
  const answer = { 200: SsoAnswer, 302: SsoRedirect };
  app.get(
    `${BASE}/login`,
    {
      ...stranger,
      schema: { tags, summary: "Begin at the organization's provider", querystring: SsoLoginQuery, response: answer },
    },
    async (request, reply) => {
      const begin = await sso.begin(request.query.orgSlug);
      begun(reply, begin);
      return goTo(request, reply, begin.url);
    },
  );
  app.get(
    `${BASE}/callback`,
    {
      ...stranger,
      schema: { tags, summary: 'Come back from the provider', querystring: SsoCallbackQuery, response: answer },
    },
    async (request, reply) => {
      const { state, code, error, iss } = request.query;
      const browser = cookieOf(request, COOKIE);
      setCookie(reply, COOKIE, '', { path: `${BASE}/callback`, sameSite: 'Lax', maxAge: 0 });
      const { url, refresh } = await sso.finish({ state, code, error, iss }, browser, originOf(request));
      if (refresh !== undefined) setRefreshCookie(reply, refresh);
      return goTo(request, reply, url);
    },
  );
  app.post(
    `${BASE}/link`,
    {
      schema: {
        tags,
        summary: 'Link the own account with the provider',
        body: SsoLinkBody,
        response: { 200: SsoAnswer },
      },
    },
    async ({ caller, body }, reply) => {
      const begin = await sso.beginLink(caller, body.organizationId);
      begun(reply, begin);
      reply.header('cache-control', 'no-store');
      return { url: begin.url };
    },
  );
}

/** Browsers are sent on; programs are told where to. The address may hold a state, and is nobody's referrer. */
function goTo(request: FastifyRequest, reply: FastifyReply, url: string): FastifyReply {
  reply.header('cache-control', 'no-store').header('referrer-policy', 'no-referrer');
  if (request.headers.accept?.includes('text/html')) return reply.redirect(url, 302);
  return reply.send({ url });
}

function show(row: ProviderRow) {
  const { id, isActive, configurationType, issuer, authorizationEndpoint, tokenEndpoint, jwksUri, userinfoEndpoint } =
    row;
  return {
    ...{ id, isActive, configurationType, issuer, authorizationEndpoint, tokenEndpoint, jwksUri, userinfoEndpoint },
    orgId: row.organizationId,
    discoveryURL: row.discoveryUrl,
    clientId: row.clientId,
    clientSecret: '',
    allowedEmailDomains: row.allowedEmailDomains,
    manageGroupMemberships: row.manageGroupMemberships,
    jwtSignatureAlgorithm: row.signatureAlgorithm as 'RS256',
    defaultRole: row.defaultRole,
    groupsClaim: row.groupsClaim,
    groupRoles: [...row.groupRoles],
  };
}
