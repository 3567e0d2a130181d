import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import {
  AttachTokenAuthBody,
  CreateTokenBody,
  IdentityParams,
  IdentityTokenParams,
  Message,
  NewTokenAnswer,
  TokenAuthAnswer,
  TokenDataAnswer,
  TokenParams,
  TokensAnswer,
  TokensQuery,
  UpdateTokenAuthBody,
  UpdateTokenBody,
} from '../../contracts/index.ts';
import type { MachineLogins } from '../machine-logins/service.ts';
import { showLogin } from '../machine-logins/show.ts';
import type { TokenAuth } from './service.ts';
import type { TokenRow } from './store.ts';

interface Options {
  readonly logins: MachineLogins;
  readonly tokenAuth: TokenAuth;
}

/** Token Auth: its set-up, and the tokens that admins make. */
export async function tokenAuthRoutes(scope: FastifyInstance, { logins, tokenAuth }: Options): Promise<void> {
  const app = scope.withTypeProvider<ZodTypeProvider>();
  const tags = ['token auth'];
  const method = 'token-auth';
  const base = '/api/v1/auth/token-auth/identities/:identityId';
  const one = { tags, params: IdentityParams, response: { 200: TokenAuthAnswer } };
  const nothingMore = async () => ({ settings: {} });

  app.post(
    base,
    { schema: { ...one, summary: 'Give an identity Token Auth', body: AttachTokenAuthBody } },
    async ({ caller, params, body }) => ({
      identityTokenAuth: showLogin(await logins.attach(caller, params.identityId, method, body, nothingMore)),
    }),
  );
  app.get(base, { schema: { ...one, summary: 'Read the settings' } }, async ({ caller, params }) => ({
    identityTokenAuth: showLogin(await logins.get(caller, params.identityId, method)),
  }));
  app.patch(
    base,
    { schema: { ...one, summary: 'Change the settings', body: UpdateTokenAuthBody } },
    async ({ caller, params, body }) => ({
      identityTokenAuth: showLogin(await logins.update(caller, params.identityId, method, body, nothingMore)),
    }),
  );
  app.delete(base, { schema: { ...one, summary: 'Take Token Auth away' } }, async ({ caller, params }) => ({
    identityTokenAuth: showLogin(await logins.detach(caller, params.identityId, method)),
  }));

  app.post(
    `${base}/tokens`,
    {
      schema: {
        tags,
        summary: 'Make a token; it is shown this once',
        params: IdentityParams,
        body: CreateTokenBody,
        response: { 200: NewTokenAnswer },
      },
    },
    async ({ caller, params, body }) => {
      const { answer, token } = await tokenAuth.create(caller, params.identityId, body.name);
      return { ...answer, tokenData: showToken(token) };
    },
  );
  app.get(
    `${base}/tokens`,
    {
      schema: {
        tags,
        summary: 'List tokens',
        params: IdentityParams,
        querystring: TokensQuery,
        response: { 200: TokensAnswer },
      },
    },
    async ({ caller, params, query }) => ({
      tokens: (await tokenAuth.list(caller, params.identityId, query)).map(showToken),
    }),
  );

  const token = { tags, response: { 200: TokenDataAnswer } };
  app.get(
    `${base}/tokens/:tokenId`,
    { schema: { ...token, summary: 'Read what is known of a token', params: IdentityTokenParams } },
    async ({ caller, params }) => ({
      token: showToken(await tokenAuth.get(caller, params.tokenId, params.identityId)),
    }),
  );
  const single = '/api/v1/auth/token-auth/tokens/:tokenId';
  app.get(
    single,
    { schema: { ...token, summary: 'Read what is known of a token', params: TokenParams } },
    async ({ caller, params }) => ({ token: showToken(await tokenAuth.get(caller, params.tokenId)) }),
  );
  app.patch(
    single,
    { schema: { ...token, summary: 'Rename a token', params: TokenParams, body: UpdateTokenBody } },
    async ({ caller, params, body }) => ({
      token: showToken(await tokenAuth.rename(caller, params.tokenId, body.name)),
    }),
  );
  app.post(
    `${single}/revoke`,
    { schema: { tags, summary: 'End a token', params: TokenParams, response: { 200: Message } } },
    async ({ caller, params }) => {
      await tokenAuth.revoke(caller, params.tokenId);
      return { message: 'Successfully revoked access token' };
    },
  );
}

function showToken(row: TokenRow) {
  return {
    id: row.id,
    identityId: row.identityId,
    name: row.name,
    authMethod: 'token-auth' as const,
    accessTokenTTL: row.ttl,
    accessTokenMaxTTL: row.maxTtl,
    accessTokenNumUses: row.numUses,
    accessTokenNumUsesLimit: row.numUsesLimit,
    accessTokenLastUsedAt: row.lastUsedAt?.toISOString() ?? null,
    accessTokenLastRenewedAt: row.lastRenewedAt?.toISOString() ?? null,
    accessTokenPeriod: row.period,
    isAccessTokenRevoked: row.revoked,
    identityUAClientSecretId: null,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.createdAt.toISOString(),
  };
}
