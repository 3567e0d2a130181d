import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { ExplainAnswer, ExplainQuery, ProjectIdParams } from '../../contracts/index.ts';
import type { Explain } from './explain.ts';

/** Why somebody may do something, or may not. */
export async function accessRoutes(scope: FastifyInstance, { explain }: { explain: Explain }): Promise<void> {
  scope.withTypeProvider<ZodTypeProvider>().get(
    '/api/v1/projects/:projectId/access/explain',
    {
      schema: {
        tags: ['access'],
        summary: 'Explain whether somebody may do something, and why',
        params: ProjectIdParams,
        querystring: ExplainQuery,
        response: { 200: ExplainAnswer },
      },
    },
    async ({ caller, params, query }) => explain.explain(caller, params.projectId, query),
  );
}
