import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import {
  CreateServiceTokenBody,
  NewServiceTokenAnswer,
  OwnServiceTokenAnswer,
  ServiceTokenDataAnswer,
  ServiceTokenParams,
  ServiceTokensAnswer,
  ServiceTokensParams,
} from '../../contracts/index.ts';
import type { ServiceTokens } from './service.ts';
import type { ServiceTokenRow } from './store.ts';

/** Service tokens: made, listed and taken away by others, and read by themselves. */
export async function serviceTokensRoutes(
  scope: FastifyInstance,
  { serviceTokens }: { serviceTokens: ServiceTokens },
): Promise<void> {
  const app = scope.withTypeProvider<ZodTypeProvider>();
  const tags = ['service tokens'];
  const base = '/api/v2/service-token';

  app.post(
    base,
    {
      schema: {
        tags,
        summary: 'Make a service token; it is shown this once',
        body: CreateServiceTokenBody,
        response: { 200: NewServiceTokenAnswer },
      },
    },
    async ({ caller, body }) => {
      const { text, row } = await serviceTokens.create(caller, body);
      return { serviceToken: text, serviceTokenData: show(row) };
    },
  );
  app.get(
    base,
    {
      schema: {
        tags,
        summary: 'Read what a service token is for, as itself',
        response: { 200: OwnServiceTokenAnswer },
      },
    },
    async ({ caller }) => showOwn(await serviceTokens.own(caller)),
  );
  app.delete(
    `${base}/:serviceTokenId`,
    {
      schema: {
        tags,
        summary: 'Take a service token away',
        params: ServiceTokenParams,
        response: { 200: ServiceTokenDataAnswer },
      },
    },
    async ({ caller, params }) => ({
      serviceTokenData: show(await serviceTokens.remove(caller, params.serviceTokenId)),
    }),
  );
  app.get(
    '/api/v1/workspace/:projectId/service-token-data',
    {
      schema: {
        tags,
        summary: 'List the service tokens of a project',
        params: ServiceTokensParams,
        response: { 200: ServiceTokensAnswer },
      },
    },
    async ({ caller, params }) => ({
      serviceTokenData: (await serviceTokens.list(caller, params.projectId)).map(show),
    }),
  );
}

function show(row: ServiceTokenRow) {
  const { id, name, projectId, scopes, permissions } = row;
  return {
    ...{ id, name, projectId, scopes, permissions },
    createdBy: row.createdBy ?? '',
    expiresAt: row.expiresAt?.toISOString() ?? null,
    lastUsed: row.lastUsedAt?.toISOString() ?? null,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}

function showOwn(row: ServiceTokenRow) {
  const creator = row.createdBy ?? '';
  return {
    ...show(row),
    _id: row.id,
    __v: 0,
    workspace: row.projectId,
    user: {
      ...{ id: creator, _id: creator, __v: 0 },
      email: row.creatorEmail,
      username: row.creatorName ?? '',
      firstName: row.creatorFirstName ?? '',
      lastName: row.creatorLastName ?? '',
    },
  };
}
