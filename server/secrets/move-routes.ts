import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { MovedSecretsAnswer, MoveSecretsBody, referenceOf, SecretNameParams } from '../../contracts/index.ts';
import { badRequest } from '../refusal.ts';
import type { Moves } from './moves.ts';

/** Moving secrets, at today's address and at the older one. */
export async function moveRoutes(scope: FastifyInstance, { moves }: { moves: Moves }): Promise<void> {
  const app = scope.withTypeProvider<ZodTypeProvider>();
  for (const url of ['/api/v4/secrets/move', '/api/v3/secrets/move']) {
    app.post(
      url,
      {
        schema: {
          tags: ['secrets'],
          summary: 'Move secrets to another folder or environment, all or none',
          body: MoveSecretsBody,
          response: { 200: MovedSecretsAnswer },
        },
      },
      async ({ caller, body }) => {
        await moves.move(caller, {
          project: referenceOf(body)!,
          from: { environment: body.sourceEnvironment, path: body.sourceSecretPath },
          to: { environment: body.destinationEnvironment, path: body.destinationSecretPath },
          secretIds: body.secretIds,
          shouldOverwrite: body.shouldOverwrite,
        });
        return { isSourceUpdated: true, isDestinationUpdated: true };
      },
    );
  }
}

export function refuseEndToEnd(raw: string): never {
  throw badRequest(`this server keeps no end-to-end encrypted secrets; use ${raw}`);
}

/**
 * Infisical's addresses of secrets that its clients encrypted themselves. This server seals them itself and has no such
 * secrets, so each answer names the address that has.
 */
export async function endToEndRoutes(scope: FastifyInstance): Promise<void> {
  const app = scope.withTypeProvider<ZodTypeProvider>();
  const schema = {
    tags: ['secrets'],
    summary: 'Not kept: end-to-end encrypted secrets; the answer names the raw route',
  };
  app.get('/api/v3/secrets', { schema }, async () => refuseEndToEnd('GET /api/v3/secrets/raw'));
  for (const method of ['POST', 'PATCH', 'DELETE'] as const) {
    app.route({
      method,
      url: '/api/v3/secrets/batch',
      schema,
      handler: async () => refuseEndToEnd(`${method} /api/v3/secrets/batch/raw`),
    });
  }
  for (const method of ['GET', 'POST', 'PATCH', 'DELETE'] as const) {
    app.route({
      method,
      url: '/api/v3/secrets/:secretName',
      schema: { ...schema, params: SecretNameParams },
      handler: async () => refuseEndToEnd(`${method} /api/v3/secrets/raw/:secretName`),
    });
  }
}
