import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import {
  AccessToken,
  AttachUniversalAuthBody,
  ClearedLockouts,
  ClientSecretAnswer,
  ClientSecretParams,
  ClientSecretsAnswer,
  CreateClientSecretBody,
  IdentityParams,
  LoginBody,
  Message,
  NewClientSecretAnswer,
  RenewClientSecretBody,
  RenewedClientSecretAnswer,
  TokenBody,
  UniversalAuthAnswer,
  UpdateUniversalAuthBody,
} from '../../contracts/index.ts';
import { originOf } from '../http/authentication.ts';
import { showIp } from '../machine-logins/show.ts';
import type { Tokens } from '../tokens/service.ts';
import type { UniversalAuthLogin } from './login.ts';
import type { UniversalAuth } from './service.ts';
import type { ClientSecretRow, UniversalAuthRow } from './store.ts';

interface Options {
  readonly login: UniversalAuthLogin;
  readonly universalAuth: UniversalAuth;
  readonly tokens: Tokens;
}

/** Universal Auth: the login that strangers reach, and its set-up, which admins do. */
export async function universalAuthRoutes(
  scope: FastifyInstance,
  { login, universalAuth, tokens }: Options,
): Promise<void> {
  const app = scope.withTypeProvider<ZodTypeProvider>();
  const tags = ['universal auth'];
  const stranger = { config: { public: true } };

  app.post(
    '/api/v1/auth/universal-auth/login',
    {
      ...stranger,
      schema: { tags, summary: 'Log in as a machine identity', body: LoginBody, response: { 200: AccessToken } },
    },
    (request) => login.logIn(request.body.clientId, request.body.clientSecret, originOf(request)),
  );
  app.post(
    '/api/v1/auth/universal-auth/client-secrets/renew',
    {
      config: { public: true, rateLimit: 'machine' },
      schema: {
        tags,
        summary: 'Make the successor of a client secret; it is shown this once',
        body: RenewClientSecretBody,
        response: { 200: RenewedClientSecretAnswer },
      },
    },
    async (request) => {
      const { clientId, clientSecret: current } = request.body;
      const { clientSecret, row, expiresIn } = await login.renew(clientId, current, originOf(request));
      return { clientSecret, clientSecretData: showSecret(row), expiresIn };
    },
  );
  app.post(
    '/api/v1/auth/token/renew',
    {
      ...stranger,
      schema: { tags, summary: 'Renew an access token', body: TokenBody, response: { 200: AccessToken } },
    },
    (request) => tokens.renew(request.body.accessToken, originOf(request)),
  );
  app.post(
    '/api/v1/auth/token/revoke',
    { ...stranger, schema: { tags, summary: 'End an access token', body: TokenBody, response: { 200: Message } } },
    async (request) => {
      await tokens.revoke(request.body.accessToken, originOf(request));
      return { message: 'Successfully revoked access token' };
    },
  );

  const base = '/api/v1/auth/universal-auth/identities/:identityId';
  const one = { tags, params: IdentityParams, response: { 200: UniversalAuthAnswer } };
  app.post(
    base,
    { schema: { ...one, summary: 'Give an identity Universal Auth', body: AttachUniversalAuthBody } },
    async ({ caller, params, body }) => ({
      identityUniversalAuth: show(await universalAuth.attach(caller, params.identityId, body)),
    }),
  );
  app.get(base, { schema: { ...one, summary: 'Read the settings' } }, async ({ caller, params }) => ({
    identityUniversalAuth: show(await universalAuth.get(caller, params.identityId)),
  }));
  app.patch(
    base,
    { schema: { ...one, summary: 'Change the settings', body: UpdateUniversalAuthBody } },
    async ({ caller, params, body }) => ({
      identityUniversalAuth: show(await universalAuth.update(caller, params.identityId, body)),
    }),
  );
  app.delete(base, { schema: { ...one, summary: 'Take Universal Auth away' } }, async ({ caller, params }) => ({
    identityUniversalAuth: show(await universalAuth.detach(caller, params.identityId)),
  }));
  app.post(
    `${base}/clear-lockouts`,
    {
      schema: {
        tags,
        summary: 'Forget wrong client secrets that came',
        params: IdentityParams,
        response: { 200: ClearedLockouts },
      },
    },
    async ({ caller, params }) => ({ deleted: await universalAuth.clearLockouts(caller, params.identityId) }),
  );

  const secrets = `${base}/client-secrets`;
  app.post(
    secrets,
    {
      schema: {
        tags,
        summary: 'Make a client secret; it is shown this once',
        params: IdentityParams,
        body: CreateClientSecretBody,
        response: { 200: NewClientSecretAnswer },
      },
    },
    async ({ caller, params, body }) => {
      const { clientSecret, row } = await universalAuth.createSecret(caller, params.identityId, body);
      return { clientSecret, clientSecretData: showSecret(row) };
    },
  );
  app.get(
    secrets,
    {
      schema: { tags, summary: 'List client secrets', params: IdentityParams, response: { 200: ClientSecretsAnswer } },
    },
    async ({ caller, params }) => ({
      clientSecretData: (await universalAuth.listSecrets(caller, params.identityId)).map(showSecret),
    }),
  );
  const secret = { tags, params: ClientSecretParams, response: { 200: ClientSecretAnswer } };
  app.get(
    `${secrets}/:clientSecretId`,
    { schema: { ...secret, summary: 'Read what is known of a client secret' } },
    async ({ caller, params }) => ({
      clientSecretData: showSecret(await universalAuth.getSecret(caller, params.identityId, params.clientSecretId)),
    }),
  );
  app.post(
    `${secrets}/:clientSecretId/revoke`,
    { schema: { ...secret, summary: 'Revoke a client secret, all of its family, and their tokens' } },
    async ({ caller, params }) => ({
      clientSecretData: showSecret(await universalAuth.revokeSecret(caller, params.identityId, params.clientSecretId)),
    }),
  );
}

function show(row: UniversalAuthRow) {
  return {
    ...row,
    clientSecretTrustedIps: row.clientSecretTrustedIps.map(showIp),
    accessTokenTrustedIps: row.accessTokenTrustedIps.map(showIp),
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}

function showSecret(row: ClientSecretRow) {
  return {
    id: row.id,
    identityUAId: row.universalAuthId,
    description: row.description,
    clientSecretPrefix: row.prefix,
    clientSecretNumUses: row.numUses,
    clientSecretNumUsesLimit: row.numUsesLimit,
    clientSecretTTL: row.ttl,
    isClientSecretRevoked: row.revoked,
    expiresAt: row.expiresAt?.toISOString() ?? null,
    familyId: row.familyId,
    renewalsEndAt: row.renewalsEndAt?.toISOString() ?? null,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}
