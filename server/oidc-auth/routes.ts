import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import {
  AccessToken,
  AttachOidcAuthBody,
  IdentityParams,
  JwtLoginBody,
  OidcAuthAnswer,
  UpdateOidcAuthBody,
} from '../../contracts/index.ts';
import { originOf } from '../http/authentication.ts';
import { showLogin } from '../machine-logins/show.ts';
import type { OidcAuth, OidcRow } from './service.ts';

/** OIDC Auth: the login that strangers reach, and its set-up, which admins do. */
export async function oidcAuthRoutes(scope: FastifyInstance, { oidcAuth }: { oidcAuth: OidcAuth }): Promise<void> {
  const app = scope.withTypeProvider<ZodTypeProvider>();
  const tags = ['oidc auth'];
  const base = '/api/v1/auth/oidc-auth/identities/:identityId';
  const one = { tags, params: IdentityParams, response: { 200: OidcAuthAnswer } };

  app.post(
    '/api/v1/auth/oidc-auth/login',
    {
      config: { public: true },
      schema: {
        tags,
        summary: "Log in with another issuer's token",
        body: JwtLoginBody,
        response: { 200: AccessToken },
      },
    },
    (request) => oidcAuth.login(request.body.identityId, request.body.jwt, originOf(request)),
  );
  app.post(
    base,
    { schema: { ...one, summary: 'Give an identity OIDC Auth', body: AttachOidcAuthBody } },
    async ({ caller, params, body }) => ({
      identityOidcAuth: show(await oidcAuth.attach(caller, params.identityId, body)),
    }),
  );
  app.get(base, { schema: { ...one, summary: 'Read the settings' } }, async ({ caller, params }) => ({
    identityOidcAuth: show(await oidcAuth.get(caller, params.identityId)),
  }));
  app.patch(
    base,
    { schema: { ...one, summary: 'Change the settings', body: UpdateOidcAuthBody } },
    async ({ caller, params, body }) => ({
      identityOidcAuth: show(await oidcAuth.update(caller, params.identityId, body)),
    }),
  );
  app.delete(base, { schema: { ...one, summary: 'Take OIDC Auth away' } }, async ({ caller, params }) => ({
    identityOidcAuth: show(await oidcAuth.detach(caller, params.identityId)),
  }));
}

const show = (row: OidcRow) => ({ ...showLogin(row), ...row.settings });
