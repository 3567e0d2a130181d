import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import {
  AddProjectIdentityBody,
  CreateIdentityBody,
  IdentitiesAnswer,
  IdentityAnswer,
  IdentityDetailsAnswer,
  IdentityMembershipAnswer,
  IdentityMembershipParams,
  IdentityMembershipsAnswer,
  IdentityParams,
  ListIdentitiesQuery,
  MembershipsQuery,
  OrganizationParams,
  PageQuery,
  ProjectIdentitiesAnswer,
  ProjectIdentityAnswer,
  ProjectIdentityParams,
  ProjectIdentityRolesAnswer,
  ProjectIdParams,
  SearchIdentitiesBody,
  UpdateIdentityBody,
  UpdateProjectIdentityBody,
} from '../../contracts/index.ts';
import { invalid } from '../refusal.ts';
import type { IdentityMemberships } from './memberships.ts';
import type { Identities } from './service.ts';
import { showIdentity, showMembership, showProjectMembership } from './show.ts';

interface Options {
  readonly identities: Identities;
  readonly memberships: IdentityMemberships;
}

/** Machine identities and their places in projects. */
export async function identitiesRoutes(scope: FastifyInstance, { identities, memberships }: Options): Promise<void> {
  const app = scope.withTypeProvider<ZodTypeProvider>();
  const tags = ['identities'];
  const base = '/api/v1/identities';
  const one = { tags, params: IdentityParams };

  app.post(
    base,
    {
      schema: {
        tags,
        summary: 'Create a machine identity',
        body: CreateIdentityBody,
        response: { 200: IdentityAnswer },
      },
    },
    async ({ caller, body }) => ({ identity: showIdentity(await identities.create(caller, body)) }),
  );
  app.get(
    base,
    {
      schema: {
        tags,
        summary: 'List the identities of an organization',
        querystring: ListIdentitiesQuery.extend(PageQuery.shape),
        response: { 200: IdentitiesAnswer },
      },
    },
    async ({ caller, query }) => {
      const organizationId = query.organizationId ?? query.orgId;
      if (organizationId === undefined)
        throw invalid(['organizationId'], 'name the organization: organizationId (or orgId)');
      const { rows, totalCount } = await identities.list(caller, organizationId, query);
      return { identities: rows.map(showMembership), totalCount };
    },
  );
  app.get(
    '/api/v2/organizations/:organizationId/identity-memberships',
    {
      schema: {
        tags,
        summary: 'List the identities of an organization',
        params: OrganizationParams,
        querystring: PageQuery,
        response: { 200: IdentityMembershipsAnswer },
      },
    },
    async ({ caller, params, query }) => {
      const { rows, totalCount } = await identities.list(caller, params.organizationId, query);
      return { identityMemberships: rows.map(showMembership), totalCount };
    },
  );
  app.post(
    `${base}/search`,
    {
      schema: {
        tags,
        summary: 'Search identities by name and role',
        body: SearchIdentitiesBody,
        response: { 200: IdentitiesAnswer },
      },
    },
    async ({ caller, body }) => {
      const { rows, totalCount } = await identities.search(caller, body);
      return { identities: rows.map(showMembership), totalCount };
    },
  );
  app.get(
    `${base}/details`,
    { schema: { tags, summary: 'Read which organization the caller is of', response: { 200: IdentityDetailsAnswer } } },
    async ({ caller }) => {
      const { id, name, slug } = await identities.details(caller);
      return { identityDetails: { organization: { id, name, slug } } };
    },
  );
  app.get(
    `${base}/:identityId`,
    { schema: { ...one, summary: 'Read an identity', response: { 200: IdentityMembershipAnswer } } },
    async ({ caller, params }) => ({ identity: showMembership(await identities.get(caller, params.identityId)) }),
  );
  app.patch(
    `${base}/:identityId`,
    { schema: { ...one, summary: 'Change an identity', body: UpdateIdentityBody, response: { 200: IdentityAnswer } } },
    async ({ caller, params, body }) => ({
      identity: showIdentity(await identities.update(caller, params.identityId, body)),
    }),
  );
  app.delete(
    `${base}/:identityId`,
    { schema: { ...one, summary: 'Delete an identity; its tokens end at once', response: { 200: IdentityAnswer } } },
    async ({ caller, params }) => ({ identity: showIdentity(await identities.remove(caller, params.identityId)) }),
  );
  app.get(
    `${base}/:identityId/identity-memberships`,
    { schema: { ...one, summary: 'List the projects of an identity', response: { 200: ProjectIdentitiesAnswer } } },
    async ({ caller, params }) => {
      const rows = await memberships.ofIdentity(caller, params.identityId);
      return { identityMemberships: rows.map(showProjectMembership), totalCount: rows.length };
    },
  );

  for (const base of ['/api/v1/projects', '/api/v2/workspace']) {
    app.get(
      `${base}/identity-memberships/:identityMembershipId`,
      {
        schema: {
          tags,
          summary: "Read an identity's membership by its id",
          params: IdentityMembershipParams,
          response: { 200: ProjectIdentityAnswer },
        },
      },
      async ({ caller, params }) => ({
        identityMembership: showProjectMembership(await memberships.byId(caller, params.identityMembershipId)),
      }),
    );
  }

  for (const project of [
    '/api/v2/workspace/:projectId/identity-memberships',
    '/api/v1/projects/:projectId/identity-memberships',
    '/api/v1/projects/:projectId/memberships/identities',
  ]) {
    const member = { tags, params: ProjectIdentityParams };
    const answer = { 200: ProjectIdentityAnswer };
    app.get(
      project,
      {
        schema: {
          tags,
          summary: 'List the identities of a project',
          params: ProjectIdParams,
          querystring: MembershipsQuery,
          response: { 200: ProjectIdentitiesAnswer },
        },
      },
      async ({ caller, params, query }) => {
        const { search = query.textFilter ?? query.identityName, roles, offset, limit, orderDirection } = query;
        const filter = { search, roles, offset, limit, descending: orderDirection === 'desc' };
        const { rows, totalCount } = await memberships.ofProject(caller, params.projectId, filter);
        return { identityMemberships: rows.map(showProjectMembership), totalCount };
      },
    );
    app.get(
      `${project}/:identityId`,
      { schema: { ...member, summary: "Read an identity's membership", response: answer } },
      async ({ caller, params: { projectId, identityId } }) => ({
        identityMembership: showProjectMembership(await memberships.get(caller, projectId, identityId)),
      }),
    );
    app.post(
      `${project}/:identityId`,
      {
        schema: {
          ...member,
          summary: 'Give an identity access to a project',
          body: AddProjectIdentityBody,
          response: answer,
        },
      },
      async ({ caller, params: { projectId, identityId }, body }) => ({
        identityMembership: showProjectMembership(await memberships.add(caller, projectId, identityId, body.roles)),
      }),
    );
    app.patch(
      `${project}/:identityId`,
      {
        schema: {
          ...member,
          summary: "Replace an identity's roles",
          body: UpdateProjectIdentityBody,
          response: { 200: ProjectIdentityRolesAnswer },
        },
      },
      async ({ caller, params: { projectId, identityId }, body }) => ({
        roles: showProjectMembership(await memberships.update(caller, projectId, identityId, body.roles)).roles,
      }),
    );
    app.delete(
      `${project}/:identityId`,
      { schema: { ...member, summary: "Take an identity's access away", response: answer } },
      async ({ caller, params: { projectId, identityId } }) => ({
        identityMembership: showProjectMembership(await memberships.remove(caller, projectId, identityId)),
      }),
    );
  }
}
