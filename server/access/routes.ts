import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { ExplainAnswer, ExplainQuery, ProjectIdParams, ProjectPermissionsAnswer } from '../../contracts/index.ts';
import type { Explain } from './explain.ts';
import type { OwnPermissions } from './own-permissions.ts';

/** What somebody may do, and why, or why not. */
export async function accessRoutes(
  scope: FastifyInstance,
  { explain, own }: { explain: Explain; own: OwnPermissions },
): Promise<void> {
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
  for (const url of ['/api/v1/projects/:projectId/permissions', '/api/v1/workspace/:projectId/permissions']) {
    scope.withTypeProvider<ZodTypeProvider>().get(
      url,
      {
        schema: {
          tags: ['access'],
          summary: 'Tell what the caller may do in a project',
          params: ProjectIdParams,
          response: { 200: ProjectPermissionsAnswer },
        },
      },
      async ({ caller, params }) => ({ data: await own.permissions(caller, params.projectId) }),
    );
  }
}
