import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import {
  CreateProjectBody,
  FoundProjectsAnswer,
  ListProjectsQuery,
  OrganizationParams,
  ProjectAnswer,
  ProjectIdParams,
  Project as ProjectSchema,
  ProjectSlugParams,
  ProjectSlugQuery,
  ProjectsAnswer,
  SearchProjectsBody,
  UpdateProjectBody,
  WorkspaceAnswer,
  WorkspacesAnswer,
  WorkspacesOfOrganizationAnswer,
} from '../../contracts/index.ts';
import { showListed } from '../roles/show.ts';
import type { Projects } from './service.ts';
import { settingsOfProjectsRoutes } from './settings-routes.ts';
import { show } from './show.ts';

/** Projects at today's address, and at the older ones where Infisical called them workspaces. */
export async function projectsRoutes(scope: FastifyInstance, { projects }: { projects: Projects }): Promise<void> {
  const app = scope.withTypeProvider<ZodTypeProvider>();
  const tags = ['projects'];

  app.post(
    '/api/v1/projects',
    { schema: { tags, summary: 'Create a project', body: CreateProjectBody, response: { 200: ProjectAnswer } } },
    async ({ caller, body }) => ({ project: show(await projects.create(caller, body)) }),
  );
  app.get(
    '/api/v1/projects',
    { schema: { tags, summary: 'List projects', querystring: ListProjectsQuery, response: { 200: ProjectsAnswer } } },
    async ({ caller, query }) => {
      const rows = await projects.list(caller, query.organizationId ?? query.orgId, query);
      const roles = query.includeRoles ? await projects.rolesOf(caller, rows) : undefined;
      return { projects: rows.map((row) => ({ ...show(row), roles: roles?.get(row.id)?.map(showListed) })) };
    },
  );
  app.post(
    '/api/v1/projects/search',
    {
      schema: {
        tags,
        summary: 'Look for projects among those that the caller can see',
        body: SearchProjectsBody,
        response: { 200: FoundProjectsAnswer },
      },
    },
    async ({ caller, body }) => {
      const { found, count: totalCount } = await projects.search(caller, body);
      return { projects: found.map((row) => ({ ...show(row), isMember: row.isMember })), totalCount };
    },
  );
  app.get(
    '/api/v1/projects/slug/:slug',
    {
      schema: {
        tags,
        summary: 'Read a project by its slug',
        params: ProjectSlugParams,
        querystring: ProjectSlugQuery,
        response: { 200: ProjectSchema },
      },
    },
    async ({ caller, params, query }) =>
      show(await projects.get(caller, { slug: params.slug, organizationId: query.organizationId })),
  );

  const byId = { tags, params: ProjectIdParams, response: { 200: ProjectAnswer } };
  app.get(
    '/api/v1/projects/:projectId',
    { schema: { ...byId, summary: 'Read a project' } },
    async ({ caller, params }) => ({
      project: show(await projects.get(caller, { id: params.projectId })),
    }),
  );
  app.patch(
    '/api/v1/projects/:projectId',
    { schema: { ...byId, summary: 'Change a project', body: UpdateProjectBody } },
    async ({ caller, params, body }) => ({
      project: show(await projects.update(caller, { id: params.projectId }, body)),
    }),
  );
  app.delete(
    '/api/v1/projects/:projectId',
    { schema: { ...byId, summary: 'Delete a project' } },
    async ({ caller, params }) => ({
      project: show(await projects.remove(caller, { id: params.projectId })),
    }),
  );

  app.post(
    '/api/v2/workspace',
    {
      schema: {
        tags,
        summary: 'Create a project (older address)',
        body: CreateProjectBody,
        response: { 200: ProjectAnswer },
      },
    },
    async ({ caller, body }) => ({ project: show(await projects.create(caller, body)) }),
  );
  app.get(
    '/api/v1/workspace',
    { schema: { tags, summary: 'List projects (older address)', response: { 200: WorkspacesAnswer } } },
    async ({ caller }) => ({ workspaces: (await projects.list(caller, undefined)).map(show) }),
  );

  const older = { tags, params: ProjectIdParams, response: { 200: WorkspaceAnswer } };
  app.get(
    '/api/v1/workspace/:projectId',
    { schema: { ...older, summary: 'Read a project (older address)' } },
    async ({ caller, params }) => ({
      workspace: show(await projects.get(caller, { id: params.projectId })),
    }),
  );
  app.patch(
    '/api/v1/workspace/:projectId',
    { schema: { ...older, summary: 'Change a project (older address)', body: UpdateProjectBody } },
    async ({ caller, params, body }) => ({
      workspace: show(await projects.update(caller, { id: params.projectId }, body)),
    }),
  );
  app.delete(
    '/api/v1/workspace/:projectId',
    { schema: { ...older, summary: 'Delete a project (older address)' } },
    async ({ caller, params }) => ({
      workspace: show(await projects.remove(caller, { id: params.projectId })),
    }),
  );

  // By slug, the original answers without a wrapping key.
  const bySlug = { tags, params: ProjectSlugParams, response: { 200: ProjectSchema } };
  app.get(
    '/api/v2/workspace/:slug',
    { schema: { ...bySlug, summary: 'Read a project by its slug (older address)' } },
    async ({ caller, params }) => show(await projects.get(caller, { slug: params.slug })),
  );
  app.patch(
    '/api/v2/workspace/:slug',
    { schema: { ...bySlug, summary: 'Change a project by its slug (older address)', body: UpdateProjectBody } },
    async ({ caller, params, body }) => show(await projects.update(caller, { slug: params.slug }, body)),
  );
  app.delete(
    '/api/v2/workspace/:slug',
    { schema: { ...bySlug, summary: 'Delete a project by its slug (older address)' } },
    async ({ caller, params }) => show(await projects.remove(caller, { slug: params.slug })),
  );

  await settingsOfProjectsRoutes(scope, { projects });

  app.get(
    '/api/v2/organizations/:organizationId/workspaces',
    {
      schema: {
        tags,
        summary: 'List the projects of an organization',
        params: OrganizationParams,
        response: { 200: WorkspacesOfOrganizationAnswer },
      },
    },
    async ({ caller, params }) => {
      const rows = await projects.list(caller, params.organizationId);
      return { workspaces: rows.map((row) => ({ ...show(row), organization: row.organizationId })) };
    },
  );
}
