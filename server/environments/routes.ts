import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import {
  ChangedEnvironmentAnswer,
  CreateEnvironmentBody,
  EnvironmentAnswer,
  EnvironmentIdParams,
  EnvironmentParams,
  EnvironmentsAnswer,
  ProjectIdParams,
  UpdateEnvironmentBody,
} from '../../contracts/index.ts';
import type { ChangedEnvironment, Environments } from './service.ts';
import { show } from './show.ts';

const BASES = ['/api/v1/projects', '/api/v1/workspace', '/api/v2/workspace'].map(
  (base) => `${base}/:projectId/environments`,
);

/** Environments, at today's address and at the older ones. */
export async function environmentsRoutes(
  scope: FastifyInstance,
  { environments }: { environments: Environments },
): Promise<void> {
  const app = scope.withTypeProvider<ZodTypeProvider>();
  const tags = ['environments'];

  app.get(
    '/api/v1/workspace/environments/:environmentId',
    {
      schema: {
        tags,
        summary: 'Read an environment by its id alone (older address)',
        params: EnvironmentIdParams,
        response: { 200: EnvironmentAnswer },
      },
    },
    async ({ caller, params }) => ({ environment: show(await environments.getById(caller, params.environmentId)) }),
  );
  for (const base of BASES) {
    const changed = { tags, response: { 200: ChangedEnvironmentAnswer } };
    app.post(
      base,
      {
        schema: { ...changed, summary: 'Create an environment', params: ProjectIdParams, body: CreateEnvironmentBody },
      },
      async ({ caller, params, body }) =>
        answer('Successfully created new environment', await environments.create(caller, params.projectId, body)),
    );
    app.get(
      base,
      {
        schema: {
          tags,
          summary: 'List the environments of a project',
          params: ProjectIdParams,
          response: { 200: EnvironmentsAnswer },
        },
      },
      async ({ caller, params }) => ({ environments: (await environments.list(caller, params.projectId)).map(show) }),
    );
    app.get(
      `${base}/:environmentId`,
      {
        schema: {
          tags,
          summary: 'Read an environment',
          params: EnvironmentParams,
          response: { 200: EnvironmentAnswer },
        },
      },
      async ({ caller, params }) => ({
        environment: show(await environments.get(caller, params.projectId, params.environmentId)),
      }),
    );
    app.patch(
      `${base}/:environmentId`,
      {
        schema: {
          ...changed,
          summary: 'Change an environment',
          params: EnvironmentParams,
          body: UpdateEnvironmentBody,
        },
      },
      async ({ caller, params, body }) =>
        answer(
          'Successfully updated environment',
          await environments.update(caller, params.projectId, params.environmentId, body),
        ),
    );
    app.delete(
      `${base}/:environmentId`,
      { schema: { ...changed, summary: 'Delete an environment', params: EnvironmentParams } },
      async ({ caller, params }) =>
        answer(
          'Successfully deleted environment',
          await environments.remove(caller, params.projectId, params.environmentId),
        ),
    );
  }
}

const answer = (message: string, { environment, broken }: ChangedEnvironment) => ({
  message,
  projectId: environment.projectId,
  workspace: environment.projectId,
  environment: show(environment),
  ...(broken && broken.seen.length + broken.others > 0
    ? { brokenReferences: [...broken.seen], otherBrokenReferences: broken.others }
    : {}),
});
