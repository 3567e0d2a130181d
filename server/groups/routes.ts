import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import {
  CreateGroupBody,
  GroupAnswer,
  GroupIdentitiesAnswer,
  GroupIdentityAnswer,
  GroupIdentityParams,
  GroupMembersQuery,
  GroupParams,
  GroupsAnswer,
  GroupUserAnswer,
  GroupUserParams,
  GroupUsersAnswer,
  GroupWithRoleAnswer,
  ListGroupsQuery,
  UpdateGroupBody,
} from '../../contracts/index.ts';
import type { Groups } from './service.ts';
import type { CandidateRow, GroupRow } from './store.ts';

/** Groups of people and identities. */
export async function groupsRoutes(scope: FastifyInstance, { groups }: { groups: Groups }): Promise<void> {
  const app = scope.withTypeProvider<ZodTypeProvider>();
  const tags = ['groups'];
  const base = '/api/v1/groups';
  const one = { tags, params: GroupParams, response: { 200: GroupAnswer } };

  app.post(
    base,
    { schema: { tags, summary: 'Create a group', body: CreateGroupBody, response: { 200: GroupAnswer } } },
    async ({ caller, body }) => show(await groups.create(caller, body)),
  );
  app.get(
    base,
    { schema: { tags, summary: 'List the groups', querystring: ListGroupsQuery, response: { 200: GroupsAnswer } } },
    async ({ caller, query }) => (await groups.list(caller, query.organizationId ?? query.orgId)).map(show),
  );
  app.get(
    `${base}/:groupId`,
    { schema: { ...one, summary: 'Read a group', response: { 200: GroupWithRoleAnswer } } },
    async ({ caller, params }) => ({ ...show(await groups.get(caller, params.groupId)), customRoleSlug: null }),
  );
  app.patch(
    `${base}/:groupId`,
    { schema: { ...one, summary: 'Change a group', body: UpdateGroupBody } },
    async ({ caller, params, body }) => show(await groups.update(caller, params.groupId, body)),
  );
  app.delete(
    `${base}/:groupId`,
    { schema: { ...one, summary: 'Delete a group; what it gave ends at once' } },
    async ({ caller, params }) => show(await groups.remove(caller, params.groupId)),
  );

  app.get(
    `${base}/:groupId/users`,
    {
      schema: {
        tags,
        summary: 'List the people of the organization, and who of them is in the group',
        params: GroupParams,
        querystring: GroupMembersQuery,
        response: { 200: GroupUsersAnswer },
      },
    },
    async ({ caller, params, query }) => {
      const { rows, totalCount } = await groups.candidates(caller, params.groupId, { kind: 'user', ...asked(query) });
      return { users: rows.map((row) => ({ ...showUser(row), ...belonging(row) })), totalCount };
    },
  );
  const user = { tags, params: GroupUserParams, response: { 200: GroupUserAnswer } };
  app.post(
    `${base}/:groupId/users/:username`,
    { schema: { ...user, summary: 'Add a person to the group' } },
    async ({ caller, params }) => showUser(await groups.add(caller, params.groupId, 'user', params.username)),
  );
  app.delete(
    `${base}/:groupId/users/:username`,
    { schema: { ...user, summary: 'Take a person out of the group' } },
    async ({ caller, params }) => showUser(await groups.take(caller, params.groupId, 'user', params.username)),
  );

  app.get(
    `${base}/:groupId/machine-identities`,
    {
      schema: {
        tags,
        summary: 'List the identities of the organization, and which of them are in the group',
        params: GroupParams,
        querystring: GroupMembersQuery,
        response: { 200: GroupIdentitiesAnswer },
      },
    },
    async ({ caller, params, query }) => {
      const of = { kind: 'identity', ...asked(query) } as const;
      const { rows, totalCount } = await groups.candidates(caller, params.groupId, of);
      return { machineIdentities: rows.map((row) => ({ id: row.id, name: row.name, ...belonging(row) })), totalCount };
    },
  );
  const machine = { tags, params: GroupIdentityParams, response: { 200: GroupIdentityAnswer } };
  app.post(
    `${base}/:groupId/machine-identities/:identityId`,
    { schema: { ...machine, summary: 'Add an identity to the group' } },
    async ({ caller, params }) => {
      const { id } = await groups.add(caller, params.groupId, 'identity', params.identityId);
      return { id };
    },
  );
  app.delete(
    `${base}/:groupId/machine-identities/:identityId`,
    { schema: { ...machine, summary: 'Take an identity out of the group' } },
    async ({ caller, params }) => {
      const { id } = await groups.take(caller, params.groupId, 'identity', params.identityId);
      return { id };
    },
  );
}

type Query = {
  offset: number;
  limit: number;
  search?: string | undefined;
  username?: string | undefined;
  filter?: string | undefined;
};

function asked({ offset, limit, search, username, filter }: Query) {
  const belongs = filter === undefined ? null : !filter.startsWith('non');
  return { offset, limit, search: search ?? username, belonging: belongs };
}

function show(row: GroupRow) {
  const { id, name, slug, role, organizationId: orgId, createdAt, updatedAt } = row;
  return {
    id,
    orgId,
    name,
    slug,
    role,
    roleId: null,
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
  };
}

function showUser({ id, name: email, firstName, lastName }: CandidateRow) {
  return { id, username: email, email, firstName, lastName };
}

function belonging({ joinedAt }: CandidateRow) {
  return { isPartOfGroup: joinedAt !== null, joinedGroupAt: joinedAt?.toISOString() ?? null };
}
