import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { z } from 'zod';
import {
  CreatePermanentPrivilegeBody,
  CreatePrivilegeBody,
  CreateTemporaryPrivilegeBody,
  DeletePrivilegeBySlugBody,
  FullPrivilegesAnswer,
  ListPrivilegesQuery,
  PrivilegeAnswer,
  PrivilegeParams,
  PrivilegeSlugParams,
  PrivilegeSlugQuery,
  PrivilegesAnswer,
  type PrivilegeTime,
  UpdatePrivilegeBody,
  UpdatePrivilegeBySlugBody,
} from '../../contracts/index.ts';
import type { Caller } from '../access/access.ts';
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
    async ({ caller, body }) => ({
      privilege: show(await privileges.create(caller, { id: body.projectId }, body)),
    }),
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
      privileges: (await privileges.list(caller, { id: query.projectId }, query.identityId)).map(showListed),
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
      privilege: show(await privileges.bySlug(caller, { ...query, ...params })),
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

/** The older address: project and privilege go by their slugs. The rights are the same, at both addresses. */
export async function olderPrivilegesRoutes(scope: FastifyInstance, { privileges }: { privileges: Privileges }) {
  const app = scope.withTypeProvider<ZodTypeProvider>();
  const base = '/api/v1/additional-privilege/identity';
  const one = { tags: ['privileges'], response: { 200: PrivilegeAnswer } };

  app.post(
    `${base}/permanent`,
    { schema: { ...one, summary: 'Give an identity rights of its own', body: CreatePermanentPrivilegeBody } },
    async ({ caller, body }) => ({ privilege: show(await create(caller, body, { isTemporary: false })) }),
  );
  app.post(
    `${base}/temporary`,
    { schema: { ...one, summary: 'Give an identity rights for a time', body: CreateTemporaryPrivilegeBody } },
    async ({ caller, body }) => ({ privilege: show(await create(caller, body, { ...body, isTemporary: true })) }),
  );
  function create(caller: Caller, body: z.infer<typeof CreatePermanentPrivilegeBody>, type: PrivilegeTime) {
    const { projectSlug, identityId, slug } = body;
    return privileges.create(caller, { slug: projectSlug }, { identityId, slug, permissions: rulesOf(body)!, type });
  }
  app.patch(
    base,
    { schema: { ...one, summary: 'Change rights of an identity', body: UpdatePrivilegeBySlugBody } },
    async ({ caller, body }) => {
      const { slug, temporaryMode = 'relative', ...details } = body.privilegeDetails;
      const { temporaryRange, temporaryAccessStartTime } = details;
      const type: PrivilegeTime | undefined =
        temporaryRange !== undefined && details.isTemporary !== false
          ? { isTemporary: true, temporaryMode, temporaryRange, temporaryAccessStartTime }
          : details.isTemporary === false
            ? { isTemporary: false }
            : undefined;
      const { id } = await privileges.bySlug(caller, body);
      const change = { slug, permissions: rulesOf(details), type };
      return { privilege: show(await privileges.update(caller, id, change)) };
    },
  );
  app.delete(
    base,
    { schema: { ...one, summary: 'Take rights of an identity away', body: DeletePrivilegeBySlugBody } },
    async ({ caller, body }) => {
      const { id } = await privileges.bySlug(caller, body);
      return { privilege: show(await privileges.remove(caller, id)) };
    },
  );
  app.get(
    `${base}/:privilegeSlug`,
    {
      schema: {
        ...one,
        summary: 'Read rights of an identity by their slug',
        params: PrivilegeSlugParams,
        querystring: PrivilegeSlugQuery,
      },
    },
    async ({ caller, params, query }) => ({
      privilege: show(await privileges.bySlug(caller, { ...query, ...params })),
    }),
  );
  app.get(
    base,
    {
      schema: {
        ...one,
        summary: 'List the rights of an identity alone',
        querystring: PrivilegeSlugQuery,
        response: { 200: FullPrivilegesAnswer },
      },
    },
    async ({ caller, query: { projectSlug: slug, identityId } }) => ({
      privileges: (await privileges.list(caller, { slug }, identityId)).map(show),
    }),
  );
}

type GivenRules = Pick<z.infer<typeof CreatePermanentPrivilegeBody>, 'permissions' | 'privilegePermission'>;
const rulesOf = ({ permissions, privilegePermission }: GivenRules) => privilegePermission ?? permissions;

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
