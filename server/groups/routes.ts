import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import {
  AllGroupMembersAnswer,
  AllGroupMembersQuery,
  CreateGroupBody,
  GroupAnswer,
  GroupIdentitiesAnswer,
  GroupIdentityAnswer,
  GroupIdentityParams,
  GroupMembersQuery,
  GroupParams,
  GroupProjectsAnswer,
  GroupProjectsQuery,
  GroupsAnswer,
  GroupUserAnswer,
  GroupUserParams,
  GroupUsersAnswer,
  GroupWithRoleAnswer,
  ListGroupsQuery,
  UpdateGroupBody,
} from '../../contracts/index.ts';
import { showUser } from '../people/show.ts';
import type { Groups } from './service.ts';
import type { CandidateRow, GroupProjectRow, GroupRow } from './store.ts';

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
      const { rows, totalCount } = await groups.candidates(caller, params.groupId, {
        kinds: ['user'],
        ...asked(query),
      });
      return { users: rows.map((row) => ({ ...showPerson(row), ...belonging(row) })), totalCount };
    },
  );
  const user = { tags, params: GroupUserParams, response: { 200: GroupUserAnswer } };
  app.post(
    `${base}/:groupId/users/:username`,
    { schema: { ...user, summary: 'Add a person to the group' } },
    async ({ caller, params }) => showPerson(await groups.add(caller, params.groupId, 'user', params.username)),
  );
  app.delete(
    `${base}/:groupId/users/:username`,
    { schema: { ...user, summary: 'Take a person out of the group' } },
    async ({ caller, params }) => showPerson(await groups.take(caller, params.groupId, 'user', params.username)),
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
      const of = { kinds: ['identity' as const], ...asked(query) };
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

/** The members of a group, and its projects, in one list each. */
export async function groupListsRoutes(scope: FastifyInstance, { groups }: { groups: Groups }): Promise<void> {
  const app = scope.withTypeProvider<ZodTypeProvider>();
  const one = { tags: ['groups'], params: GroupParams };

  app.get(
    '/api/v1/groups/:groupId/members',
    {
      schema: {
        ...one,
        summary: 'List the people and identities of a group',
        querystring: AllGroupMembersQuery,
        response: { 200: AllGroupMembersAnswer },
      },
    },
    async ({
      caller,
      params,
      query: { memberTypeFilter = ['users', 'machineIdentities'], orderDirection, ...page },
    }) => {
      const kinds = [memberTypeFilter].flat().map((type) => (type === 'users' ? 'user' : 'identity'));
      const of = { ...page, kinds, belonging: true, descending: orderDirection === 'desc' };
      const { rows, totalCount } = await groups.candidates(caller, params.groupId, of);
      return { members: rows.map(showMember), totalCount };
    },
  );
  app.get(
    '/api/v1/groups/:groupId/projects',
    {
      schema: {
        ...one,
        summary: 'List the projects of the organization, and which of them the group has access to',
        querystring: GroupProjectsQuery,
        response: { 200: GroupProjectsAnswer },
      },
    },
    async ({ caller, params, query: { filter, orderDirection, ...page } }) => {
      const assigned = filter === undefined ? null : filter === 'assignedProjects';
      const of = { ...page, assigned, descending: orderDirection === 'desc' };
      const { rows, totalCount } = await groups.projects(caller, params.groupId, of);
      return { projects: rows.map(showProject), totalCount };
    },
  );
}

function showMember(row: CandidateRow) {
  const { id, name } = row;
  const { joinedGroupAt } = belonging(row);
  return row.kind === 'user'
    ? { id, joinedGroupAt, type: 'user' as const, user: showPerson(row) }
    : { id, joinedGroupAt, type: 'machineIdentity' as const, machineIdentity: { id, name } };
}

function showProject({ id, name, slug, description, joinedAt }: GroupProjectRow) {
  const joinedGroupAt = joinedAt?.toISOString() ?? null;
  return { id, name, slug, description: description ?? '', type: 'secret-manager' as const, joinedGroupAt };
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

const showPerson = ({ id, name: email, firstName, lastName }: CandidateRow) =>
  showUser({ id, email, firstName, lastName });

function belonging({ joinedAt }: CandidateRow) {
  return { isPartOfGroup: joinedAt !== null, joinedGroupAt: joinedAt?.toISOString() ?? null };
}
