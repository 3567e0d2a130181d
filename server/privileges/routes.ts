import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import {
  CreatePrivilegeBody,
  ListPrivilegesQuery,
  PrivilegeAnswer,
  PrivilegeParams,
  PrivilegeSlugParams,
  PrivilegeSlugQuery,
  PrivilegesAnswer,
  UpdatePrivilegeBody,
} from '../../contracts/index.ts';
import { showRules } from '../roles/show.ts';
import type { Privileges } from './service.ts';
import type { PrivilegeRow } from './store.ts';

/** Rights of one identity in a project, besides its roles. */
export async function privilegesRoutes(scope: FastifyInstance, { privileges }: { privileges: Privileges }) {
  const app = scope.withTypeProvider<ZodTypeProvider>();
  const tags = ['privileges'];
  const base = '/api/v2/identity-project-additional-privilege';
  const answer = { 200: PrivilegeAnswer };

  app.post(
    base,
    { schema: { tags, summary: 'Give an identity rights of its own', body: CreatePrivilegeBody, response: answer } },
    async ({ caller, body }) => ({ privilege: show(await privileges.create(caller, body)) }),
  );
  app.get(
    base,
    {
      schema: {
        tags,
        summary: 'List the rights of an identity alone',
        querystring: ListPrivilegesQuery,
        response: { 200: PrivilegesAnswer },
      },
    },
    async ({ caller, query }) => ({
      privileges: (await privileges.list(caller, query.projectId, query.identityId)).map(showListed),
    }),
  );
  app.get(
    `${base}/slug/:privilegeSlug`,
    {
      schema: {
        tags,
        summary: 'Read rights of an identity by their slug',
        params: PrivilegeSlugParams,
        querystring: PrivilegeSlugQuery,
        response: answer,
      },
    },
    async ({ caller, params, query }) => ({
      privilege: show(await privileges.bySlug(caller, query.projectSlug, query.identityId, params.privilegeSlug)),
    }),
  );
  const one = { tags, params: PrivilegeParams, response: answer };
  app.get(`${base}/:privilegeId`, { schema: { ...one, summary: 'Read rights of an identity' } }, async (request) => ({
    privilege: show(await privileges.get(request.caller, request.params.privilegeId)),
  }));
  app.patch(
    `${base}/:privilegeId`,
    { schema: { ...one, summary: 'Change rights of an identity', body: UpdatePrivilegeBody } },
    async ({ caller, params, body }) => ({
      privilege: show(await privileges.update(caller, params.privilegeId, body)),
    }),
  );
  app.delete(
    `${base}/:privilegeId`,
    { schema: { ...one, summary: 'Take rights of an identity away' } },
    async ({ caller, params }) => ({ privilege: show(await privileges.remove(caller, params.privilegeId)) }),
  );
}

function showListed(row: PrivilegeRow) {
  const { id, slug, identityId, projectId, membershipId: projectMembershipId, temporaryRange } = row;
  return {
    id,
    slug,
    identityId,
    projectId,
    projectMembershipId,
    isTemporary: row.expiresAt !== null,
    temporaryMode: row.expiresAt === null ? null : 'relative',
    temporaryRange,
    temporaryAccessStartTime: row.startsAt?.toISOString() ?? null,
    temporaryAccessEndTime: row.expiresAt?.toISOString() ?? null,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}

const show = (row: PrivilegeRow) => ({ ...showListed(row), permissions: showRules(row.permissions) });
