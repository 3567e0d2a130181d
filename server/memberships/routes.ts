import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import {
  AddMembersBody,
  AddProjectGroupBody,
  FindMemberBody,
  GroupMembershipAnswer,
  GroupMembershipRolesAnswer,
  GroupMembershipsAnswer,
  MembershipRolesAnswer,
  ProjectGroupParams,
  ProjectIdParams,
  ProjectMembershipParams,
  ProjectOfGroupsParams,
  ProjectUsersAnswer,
  RemoveMembersBody,
  UpdateProjectGroupBody,
  UpdateRolesBody,
  UserMembershipAnswer,
  UserMembershipsAnswer,
  Uuid,
} from '../../contracts/index.ts';
import type { GroupsOfProjects, PeopleOfProjects } from './holders.ts';
import { showGroupMembership, showRoles, showUserMembership } from './show.ts';

/** People and groups of a project, at today's addresses and at the older ones. */
export async function membershipsRoutes(
  scope: FastifyInstance,
  { people, groups }: { people: PeopleOfProjects; groups: GroupsOfProjects },
): Promise<void> {
  const app = scope.withTypeProvider<ZodTypeProvider>();
  const tags = ['memberships'];
  const members = { 200: UserMembershipsAnswer };
  const member = { 200: UserMembershipAnswer };

  app.get(
    '/api/v1/workspace/:projectId/users',
    {
      schema: {
        tags,
        summary: 'List the people of a project (older address)',
        params: ProjectIdParams,
        response: { 200: ProjectUsersAnswer },
      },
    },
    async ({ caller, params }) => ({ users: (await people.list(caller, params.projectId)).map(showUserMembership) }),
  );

  for (const base of ['/api/v1/projects/:projectId/memberships', '/api/v1/workspace/:projectId/memberships']) {
    app.get(
      base,
      { schema: { tags, summary: 'List the people of a project', params: ProjectIdParams, response: members } },
      async ({ caller, params }) => ({
        memberships: (await people.list(caller, params.projectId)).map(showUserMembership),
      }),
    );
    app.post(
      `${base}/details`,
      {
        schema: {
          tags,
          summary: "Find a person's membership by e-mail address",
          params: ProjectIdParams,
          body: FindMemberBody,
          response: member,
        },
      },
      async ({ caller, params, body }) => ({
        membership: showUserMembership(await people.byEmail(caller, params.projectId, body.username)),
      }),
    );
    app.get(
      `${base}/:membershipId`,
      {
        schema: { tags, summary: "Read a person's membership", params: ProjectMembershipParams, response: member },
      },
      async ({ caller, params }) => ({
        membership: showUserMembership(await people.get(caller, params.projectId, params.membershipId)),
      }),
    );
    app.patch(
      `${base}/:membershipId`,
      {
        schema: {
          tags,
          summary: "Replace a person's roles",
          params: ProjectMembershipParams,
          body: UpdateRolesBody,
          response: { 200: MembershipRolesAnswer },
        },
      },
      async ({ caller, params, body }) => ({
        roles: showRoles(await people.update(caller, params.projectId, params.membershipId, body.roles)),
      }),
    );
    app.delete(
      `${base}/:membershipId`,
      { schema: { tags, summary: 'Remove a person', params: ProjectMembershipParams, response: member } },
      async ({ caller, params }) => ({
        membership: showUserMembership(await people.remove(caller, params.projectId, params.membershipId)),
      }),
    );
  }
  for (const base of ['/api/v1/projects/:projectId/memberships', '/api/v2/workspace/:projectId/memberships']) {
    app.post(
      base,
      {
        schema: {
          tags,
          summary: 'Add people of the organization by e-mail address',
          params: ProjectIdParams,
          body: AddMembersBody,
          response: members,
        },
      },
      async ({ caller, params, body }) => ({
        memberships: (await people.add(caller, params.projectId, body.people, body.roles)).map(showUserMembership),
      }),
    );
    app.delete(
      base,
      {
        schema: {
          tags,
          summary: 'Remove people by e-mail address',
          params: ProjectIdParams,
          body: RemoveMembersBody,
          response: members,
        },
      },
      async ({ caller, params, body }) => ({
        memberships: (await people.removeAll(caller, params.projectId, body.people)).map(showUserMembership),
      }),
    );
  }

  for (const base of [
    '/api/v1/projects/:projectId/memberships/groups',
    '/api/v1/projects/:projectId/group-memberships',
    '/api/v1/projects/:projectId/groups',
    '/api/v2/workspace/:projectId/groups',
  ]) {
    const group = { tags, params: ProjectGroupParams, response: { 200: GroupMembershipAnswer } };
    app.get(
      base,
      {
        schema: {
          tags,
          summary: 'List the groups of a project',
          params: ProjectOfGroupsParams,
          response: { 200: GroupMembershipsAnswer },
        },
      },
      async ({ caller, params }) => ({
        groupMemberships: (await groups.list(caller, projectOf(params))).map(showGroupMembership),
      }),
    );
    app.get(
      `${base}/:groupId`,
      { schema: { ...group, summary: "Read a group's membership" } },
      async ({ caller, params }) => ({
        groupMembership: showGroupMembership(await groups.get(caller, projectOf(params), params.groupId)),
      }),
    );
    app.post(
      `${base}/:groupId`,
      { schema: { ...group, summary: 'Give a group access to a project', body: AddProjectGroupBody } },
      async ({ caller, params, body }) => ({
        groupMembership: showGroupMembership(await groups.add(caller, projectOf(params), params.groupId, body.roles)),
      }),
    );
    app.patch(
      `${base}/:groupId`,
      {
        schema: {
          ...group,
          summary: "Replace a group's roles",
          body: UpdateProjectGroupBody,
          response: { 200: GroupMembershipRolesAnswer },
        },
      },
      async ({ caller, params, body }) => ({
        roles: showRoles(await groups.update(caller, projectOf(params), params.groupId, body.roles)),
      }),
    );
    app.delete(
      `${base}/:groupId`,
      { schema: { ...group, summary: "Take a group's access away" } },
      async ({ caller, params }) => ({
        groupMembership: showGroupMembership(await groups.remove(caller, projectOf(params), params.groupId)),
      }),
    );
  }
}

const projectOf = ({ projectId }: { projectId: string }) =>
  Uuid.safeParse(projectId).success ? { id: projectId } : { slug: projectId };
