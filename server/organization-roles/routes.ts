import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import {
  CreateOrganizationRoleBody,
  ExplainOrganizationAnswer,
  ExplainOrganizationQuery,
  OlderOrganizationRolesAnswer,
  OrganizationParams,
  OrganizationPermissionsAnswer,
  OrganizationRoleAnswer,
  OrganizationRoleParams,
  OrganizationRoleSlugParams,
  OrganizationRolesAnswer,
  OrganizationRolesQuery,
  RoleOfOrganizationParams,
  UpdateOrganizationRoleBody,
} from '../../contracts/index.ts';
import { showRules } from '../roles/show.ts';
import type { ExplainOrganization } from './explain.ts';
import type { OrganizationRoles } from './service.ts';
import type { OrganizationRoleRow } from './store.ts';

/** Roles of organizations: at today's address, and at the older one below an organization's id. */
export async function organizationRolesRoutes(
  scope: FastifyInstance,
  { organizationRoles: roles, explain }: { organizationRoles: OrganizationRoles; explain: ExplainOrganization },
): Promise<void> {
  const app = scope.withTypeProvider<ZodTypeProvider>();
  const tags = ['organization roles'];
  const answer = { 200: OrganizationRoleAnswer };
  const querystring = OrganizationRolesQuery;

  const today = '/api/v1/organization/roles';
  app.get(
    today,
    { schema: { tags, summary: 'List the roles', querystring, response: { 200: OrganizationRolesAnswer } } },
    async ({ caller, query }) => ({
      roles: (await roles.list(caller, query.organizationId)).map(({ permissions: _, ...role }) => listed(role)),
    }),
  );
  app.post(
    today,
    { schema: { tags, summary: 'Create a role', body: CreateOrganizationRoleBody, response: answer } },
    async ({ caller, body }) => ({ role: show(await roles.create(caller, body.organizationId, body)) }),
  );
  app.get(
    `${today}/slug/:roleSlug`,
    {
      schema: {
        tags,
        summary: 'Read a role by its slug',
        params: OrganizationRoleSlugParams,
        querystring,
        response: answer,
      },
    },
    async ({ caller, params, query }) => ({
      role: show(await roles.getBySlug(caller, query.organizationId, params.roleSlug)),
    }),
  );
  const one = { tags, params: OrganizationRoleParams, response: answer };
  app.get(
    `${today}/:roleId`,
    { schema: { ...one, summary: 'Read a role that the organization wrote' } },
    async ({ caller, params }) => ({ role: show(await roles.get(caller, params.roleId)) }),
  );
  app.patch(
    `${today}/:roleId`,
    { schema: { ...one, summary: 'Change a role', body: UpdateOrganizationRoleBody } },
    async ({ caller, params, body }) => ({ role: show(await roles.update(caller, params.roleId, body)) }),
  );
  app.delete(
    `${today}/:roleId`,
    { schema: { ...one, summary: 'Delete a role that nobody has' } },
    async ({ caller, params }) => ({ role: show(await roles.remove(caller, params.roleId)) }),
  );

  for (const older of ['/api/v1/organization/:organizationId/roles', '/api/v2/organizations/:organizationId/roles']) {
    app.get(
      older,
      {
        schema: {
          tags,
          summary: 'List the roles (older address)',
          params: OrganizationParams,
          response: { 200: OlderOrganizationRolesAnswer },
        },
      },
      async ({ caller, params }) => ({ data: { roles: (await roles.list(caller, params.organizationId)).map(show) } }),
    );
    app.post(
      older,
      {
        schema: {
          tags,
          summary: 'Create a role (older address)',
          params: OrganizationParams,
          body: CreateOrganizationRoleBody,
          response: answer,
        },
      },
      async ({ caller, params, body }) => ({ role: show(await roles.create(caller, params.organizationId, body)) }),
    );
    const below = { tags, params: RoleOfOrganizationParams, response: answer };
    app.get(
      `${older}/slug/:roleSlug`,
      {
        schema: {
          tags,
          summary: 'Read a role by its slug (older address)',
          params: OrganizationParams.extend(OrganizationRoleSlugParams.shape),
          response: answer,
        },
      },
      async ({ caller, params }) => ({
        role: show(await roles.getBySlug(caller, params.organizationId, params.roleSlug)),
      }),
    );
    app.get(
      `${older}/:roleId`,
      { schema: { ...below, summary: 'Read a role that the organization wrote (older address)' } },
      async ({ caller, params }) => ({ role: show(await roles.get(caller, params.roleId, params.organizationId)) }),
    );
    app.patch(
      `${older}/:roleId`,
      { schema: { ...below, summary: 'Change a role (older address)', body: UpdateOrganizationRoleBody } },
      async ({ caller, params, body }) => ({
        role: show(await roles.update(caller, params.roleId, body, params.organizationId)),
      }),
    );
    app.delete(
      `${older}/:roleId`,
      { schema: { ...below, summary: 'Delete a role that nobody has (older address)' } },
      async ({ caller, params }) => ({ role: show(await roles.remove(caller, params.roleId, params.organizationId)) }),
    );
  }

  app.get(
    '/api/v1/organization/:organizationId/permissions',
    {
      schema: {
        tags,
        summary: 'Read what the caller may do in the organization',
        params: OrganizationParams,
        response: { 200: OrganizationPermissionsAnswer },
      },
    },
    async ({ caller, params }) => {
      const {
        actorId,
        organizationId: orgId,
        role,
        customRole,
        rules,
      } = await explain.own(caller, params.organizationId);
      const roleId = customRole?.id ?? null;
      return { permissions: showRules(rules), membership: { actorId, orgId, role, roleId, customRole } };
    },
  );
  app.get(
    '/api/v1/organization/:organizationId/access/explain',
    {
      schema: {
        tags,
        summary: 'Explain whether somebody may do something in the organization, and why',
        params: OrganizationParams,
        querystring: ExplainOrganizationQuery,
        response: { 200: ExplainOrganizationAnswer },
      },
    },
    async ({ caller, params, query }) => explain.explain(caller, params.organizationId, query),
  );
}

function listed(row: Omit<OrganizationRoleRow, 'permissions'>) {
  const { organizationId: orgId, createdAt, updatedAt, ...role } = row;
  return { ...role, orgId, createdAt: createdAt.toISOString(), updatedAt: updatedAt.toISOString() };
}

function show({ permissions, ...role }: OrganizationRoleRow) {
  return { ...listed(role), permissions: showRules(permissions) };
}
