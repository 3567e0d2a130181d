import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import {
  AuditRetentionBody,
  AutoCapitalizationBody,
  ChangedProjectAnswer,
  ChangedWorkspaceAnswer,
  DeleteProtectionBody,
  ProjectIdOrSlug,
  ProjectNameBody,
  Uuid,
  VersionLimitBody,
} from '../../contracts/index.ts';
import type { Projects } from './service.ts';
import { show } from './show.ts';

// The answers wrap the project by the word of the address.
const FAMILIES = [
  { base: '/api/v1/projects', param: 'projectId', word: 'project', answer: ChangedProjectAnswer },
  { base: '/api/v1/workspace', param: 'projectId', word: 'workspace', answer: ChangedWorkspaceAnswer },
  { base: '/api/v2/workspace', param: 'slug', word: 'workspace', answer: ChangedWorkspaceAnswer },
] as const;

const SETTINGS = [
  { method: 'POST', path: 'name', what: 'name', body: ProjectNameBody },
  { method: 'POST', path: 'auto-capitalization', what: 'settings', body: AutoCapitalizationBody },
  { method: 'POST', path: 'delete-protection', what: 'settings', body: DeleteProtectionBody },
  { method: 'PUT', path: 'version-limit', what: 'version limit', body: VersionLimitBody },
  { method: 'PUT', path: 'audit-logs-retention', what: 'audit retention', body: AuditRetentionBody },
] as const;

/**
 * Infisical's routes of one setting each, which change what `PATCH /api/v1/projects/:projectId` changes, with the same
 * right. Some of them took ids and others slugs, and changed their minds; here each takes either.
 */
export async function settingsOfProjectsRoutes(scope: FastifyInstance, { projects }: { projects: Projects }) {
  const app = scope.withTypeProvider<ZodTypeProvider>();
  for (const { base, param, word, answer } of FAMILIES) {
    for (const { method, path, what, body } of SETTINGS) {
      app.route({
        method,
        url: `${base}/:${param}/${path}`,
        schema: {
          tags: ['projects'],
          summary: `Set the ${path.replaceAll('-', ' ')} of a project${word === 'project' ? '' : ' (older address)'}`,
          params: z.object({ [param]: ProjectIdOrSlug }),
          body,
          response: { 200: answer },
        },
        handler: async (request) => {
          const named = request.params[param]!;
          const reference = Uuid.safeParse(named).success ? { id: named } : { slug: named };
          const shown = show(await projects.update(request.caller, reference, request.body));
          const message = `Successfully changed ${word} ${what}`;
          return { message, project: shown, workspace: shown };
        },
      });
    }
  }
}
