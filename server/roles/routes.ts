import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import {
  CreateRoleBody,
  ProjectIdParams,
  ProjectOfRolesParams,
  ProjectRoleAnswer,
  ProjectRolesAnswer,
  RoleIdParams,
  RoleOfProjectParams,
  RoleOfSlugParams,
  RoleSlugOfProjectParams,
  RoleSlugOfSlugParams,
  type Rule,
  UpdateRoleBody,
} from '../../contracts/index.ts';
import type { Roles } from './service.ts';
import { showListed, showRules } from './show.ts';
import type { RoleRow } from './store.ts';

/** Roles of projects: at today's address, and at the two older ones. */
export async function rolesRoutes(scope: FastifyInstance, { roles }: { roles: Roles }): Promise<void> {
  const app = scope.withTypeProvider<ZodTypeProvider>();
  const tags = ['roles'];
  const answer = { 200: ProjectRoleAnswer };

  app.get(
    '/api/v1/projects/roles/:roleId',
    { schema: { tags, summary: 'Read a custom role by its id', params: RoleIdParams, response: answer } },
    async ({ caller, params }) => ({ role: show(await roles.getById(caller, params.roleId)) }),
  );

  for (const base of ['/api/v1/projects/:projectId/roles', '/api/v2/workspace/:projectId/roles']) {
    app.post(
      base,
      {
        schema: { tags, summary: 'Create a role', params: ProjectIdParams, body: CreateRoleBody, response: answer },
      },
      async ({ caller, params, body }) => ({ role: show(await roles.create(caller, { id: params.projectId }, body)) }),
    );
    app.get(
      base,
      { schema: { tags, summary: 'List the roles', params: ProjectIdParams, response: { 200: ProjectRolesAnswer } } },
      async ({ caller, params }) => ({ roles: (await roles.list(caller, { id: params.projectId })).map(showListed) }),
    );
    app.get(
      `${base}/slug/:roleSlug`,
      { schema: { tags, summary: 'Read a role by its slug', params: RoleSlugOfProjectParams, response: answer } },
      async ({ caller, params }) => ({
        role: show(await roles.get(caller, { id: params.projectId }, params.roleSlug)),
      }),
    );
    app.patch(
      `${base}/:roleId`,
      {
        schema: { tags, summary: 'Change a role', params: RoleOfProjectParams, body: UpdateRoleBody, response: answer },
      },
      async ({ caller, params, body }) => ({
        role: show(await roles.update(caller, { id: params.projectId }, params.roleId, body)),
      }),
    );
    app.delete(
      `${base}/:roleId`,
      { schema: { tags, summary: 'Delete a role that nobody has', params: RoleOfProjectParams, response: answer } },
      async ({ caller, params }) => ({
        role: show(await roles.remove(caller, { id: params.projectId }, params.roleId)),
      }),
    );
  }

  // The oldest address names the project by its slug, and knows no subject for folders and imports: they go with the secrets.
  const bySlug = '/api/v1/workspace/:projectSlug/roles';
  app.post(
    bySlug,
    {
      schema: {
        tags,
        summary: 'Create a role (older address)',
        params: ProjectOfRolesParams,
        body: CreateRoleBody,
        response: answer,
      },
    },
    async ({ caller, params, body }) => {
      const given = { ...body, permissions: withFolders(body.permissions) };
      return { role: showOlder(await roles.create(caller, { slug: params.projectSlug }, given)) };
    },
  );
  app.get(
    bySlug,
    {
      schema: {
        tags,
        summary: 'List the roles (older address)',
        params: ProjectOfRolesParams,
        response: { 200: ProjectRolesAnswer },
      },
    },
    async ({ caller, params }) => ({ roles: (await roles.list(caller, { slug: params.projectSlug })).map(showListed) }),
  );
  app.get(
    `${bySlug}/slug/:roleSlug`,
    {
      schema: {
        tags,
        summary: 'Read a role by its slug (older address)',
        params: RoleSlugOfSlugParams,
        response: answer,
      },
    },
    async ({ caller, params }) => ({
      role: showOlder(await roles.get(caller, { slug: params.projectSlug }, params.roleSlug)),
    }),
  );
  app.patch(
    `${bySlug}/:roleId`,
    {
      schema: {
        tags,
        summary: 'Change a role (older address)',
        params: RoleOfSlugParams,
        body: UpdateRoleBody,
        response: answer,
      },
    },
    async ({ caller, params, body }) => {
      const change = { ...body, permissions: body.permissions && withFolders(body.permissions) };
      return { role: showOlder(await roles.update(caller, { slug: params.projectSlug }, params.roleId, change)) };
    },
  );
  app.delete(
    `${bySlug}/:roleId`,
    {
      schema: {
        tags,
        summary: 'Delete a role that nobody has (older address)',
        params: RoleOfSlugParams,
        response: answer,
      },
    },
    async ({ caller, params }) => ({
      role: showOlder(await roles.remove(caller, { slug: params.projectSlug }, params.roleId)),
    }),
  );
}

const WITH_SECRETS: readonly string[] = ['secret-folders', 'secret-imports'];
const OF_FOLDERS: readonly string[] = ['read', 'create', 'edit', 'delete'];

/** Rules as older clients write them, where what is said of secrets holds for folders and imports too. */
function withFolders(rules: readonly Rule[]): Rule[] {
  if (rules.some(({ subject }) => WITH_SECRETS.includes(subject))) return [...rules];
  return rules.flatMap((rule) => {
    const action = rule.action.filter((word) => OF_FOLDERS.includes(word));
    return rule.subject !== 'secrets' || action.length === 0
      ? [rule]
      : [rule, ...WITH_SECRETS.map((subject) => ({ ...rule, subject, action }))];
  });
}

const show = (role: RoleRow) => ({ ...showListed(role), permissions: showRules(role.permissions) });

/** Without the rules that `withFolders` added: an older client finds what it wrote. */
function showOlder(role: RoleRow) {
  return show({ ...role, permissions: role.permissions.filter(({ subject }) => !WITH_SECRETS.includes(subject)) });
}
