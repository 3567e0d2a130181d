import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { z } from 'zod';
import {
  AddMemberBody,
  ChangedOrganizationAnswer,
  CreateOrganizationBody,
  MembershipAnswer,
  MembershipParams,
  MembershipProjectsAnswer,
  OrganizationAnswer,
  OrganizationParams,
  OrganizationsAnswer,
  OrganizationUsersAnswer,
  UpdateMemberBody,
  UpdateOrganizationBody,
} from '../../contracts/index.ts';
import { showUserMembership } from '../memberships/show.ts';
import { showUser } from '../people/show.ts';
import type { Members } from './members.ts';
import type { MemberRow } from './members-store.ts';
import type { Organizations } from './service.ts';
import type { OrganizationRow } from './store.ts';

/** Organizations and the people in them. */
export async function organizationsRoutes(
  scope: FastifyInstance,
  { organizations, members }: { organizations: Organizations; members: Members },
): Promise<void> {
  const app = scope.withTypeProvider<ZodTypeProvider>();
  const tags = ['organizations'];
  const one = { tags, params: OrganizationParams, response: { 200: OrganizationAnswer } };

  app.get(
    '/api/v1/organization',
    { schema: { tags, summary: "List the caller's organizations", response: { 200: OrganizationsAnswer } } },
    async ({ caller }) => ({ organizations: (await organizations.list(caller)).map(showOrganization) }),
  );
  app.post(
    '/api/v2/organizations',
    {
      schema: {
        tags,
        summary: 'Create an organization',
        body: CreateOrganizationBody,
        response: { 200: OrganizationAnswer },
      },
    },
    async ({ caller, body }) => ({ organization: showOrganization(await organizations.create(caller, body)) }),
  );
  app.get(
    '/api/v1/organization/:organizationId',
    { schema: { ...one, summary: 'Read an organization' } },
    async ({ caller, params }) => ({
      organization: showOrganization(await organizations.get(caller, params.organizationId)),
    }),
  );
  app.patch(
    '/api/v1/organization/:organizationId',
    {
      schema: {
        ...one,
        summary: 'Change an organization',
        body: UpdateOrganizationBody,
        response: { 200: ChangedOrganizationAnswer },
      },
    },
    async ({ caller, params, body }) => ({
      message: 'Successfully changed organization',
      organization: showOrganization(await organizations.update(caller, params.organizationId, toChange(body))),
    }),
  );
  app.delete(
    '/api/v2/organizations/:organizationId',
    { schema: { ...one, summary: 'Delete an organization that has no project' } },
    async ({ caller, params }) => ({
      organization: showOrganization(await organizations.remove(caller, params.organizationId)),
    }),
  );

  const all = '/api/v2/organizations/:organizationId/memberships';
  app.get(
    all,
    {
      schema: {
        tags,
        summary: 'List the people',
        params: OrganizationParams,
        response: { 200: OrganizationUsersAnswer },
      },
    },
    async ({ caller, params }) => ({
      users: (await members.list(caller, params.organizationId)).map(showMember),
    }),
  );
  app.post(
    all,
    {
      schema: {
        tags,
        summary: 'Add a person by e-mail address',
        params: OrganizationParams,
        body: AddMemberBody,
        response: { 200: MembershipAnswer },
      },
    },
    async ({ caller, params, body }) => ({
      membership: showMember(await members.add(caller, params.organizationId, body)),
    }),
  );

  const member = { tags, params: MembershipParams, response: { 200: MembershipAnswer } };
  app.get(
    `${all}/:membershipId`,
    { schema: { ...member, summary: 'Read a membership' } },
    async ({ caller, params }) => ({
      membership: showMember(await members.get(caller, params.organizationId, params.membershipId)),
    }),
  );
  app.patch(
    `${all}/:membershipId`,
    { schema: { ...member, summary: "Change a person's role, or deactivate them", body: UpdateMemberBody } },
    async ({ caller, params, body }) => ({
      membership: showMember(await members.update(caller, params.organizationId, params.membershipId, body)),
    }),
  );
  app.get(
    `${all}/:membershipId/project-memberships`,
    {
      schema: {
        ...member,
        summary: "List a person's projects",
        response: { 200: MembershipProjectsAnswer },
      },
    },
    async ({ caller, params }) => {
      const { organizationId, membershipId } = params;
      const rows = await members.projects(caller, organizationId, membershipId);
      const type = 'secret-manager' as const;
      const memberships = rows.map((row) => {
        const shown = showUserMembership(row);
        return { ...shown, project: { ...shown.project, slug: row.projectSlug, type } };
      });
      return { memberships };
    },
  );
  app.delete(
    `${all}/:membershipId`,
    { schema: { ...member, summary: 'Remove a person' } },
    async ({ caller, params }) => ({
      membership: showMember(await members.remove(caller, params.organizationId, params.membershipId)),
    }),
  );
}

const toChange = ({ authEnforced, ...change }: z.infer<typeof UpdateOrganizationBody>) => ({
  ...change,
  ssoEnforced: authEnforced,
});

export function showOrganization(row: OrganizationRow) {
  const { id, name, slug, enforceMfa, ssoEnforced: authEnforced, createdAt, updatedAt } = row;
  return {
    id,
    name,
    slug,
    enforceMfa,
    authEnforced,
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
    customerId: null,
    scimEnabled: false as const,
    kmsDefaultKeyId: null,
  };
}

function showMember(row: MemberRow) {
  const { id, organizationId: orgId, userId, role, customRole, status, email, isActive } = row;
  return {
    ...{ id, orgId, userId, role, customRole, status, isActive },
    roleId: customRole?.id ?? null,
    inviteEmail: email,
    projectFavorites: null,
    lastLoginAuthMethod: row.lastLoginMethod,
    lastLoginTime: row.lastLoginAt?.toISOString() ?? null,
    user: showUser({ ...row, id: userId }),
  };
}
