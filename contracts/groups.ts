import { z } from 'zod';
import { Timestamp } from './http.ts';
import { MembershipRole, membershipFields, RolesBody, UpdateRolesBody } from './memberships.ts';
import { DisplayName, Email, FreeText, orAbsent, QueryNumber, Slug, Uuid } from './names.ts';
import { User } from './organizations.ts';

/** Groups of people and identities: Infisical's `/api/v1/groups`, and their memberships in projects. */

/** A group's role in the organization is shown and nothing more: nobody becomes more in the organization by a group. */
const GroupRole = z.enum(['member', 'no-access'], {
  error: 'a group is member or no-access: an admin of the organization is made one by one',
});

const Group = z.object({
  id: Uuid,
  orgId: Uuid,
  name: z.string(),
  slug: z.string(),
  role: z.string(),
  roleId: z.null(),
  createdAt: Timestamp,
  updatedAt: Timestamp,
});
export const GroupAnswer = Group;
export const GroupWithRoleAnswer = Group.extend({ customRoleSlug: z.null() });
export const GroupsAnswer = z.array(Group);

export const ListGroupsQuery = z.object({ organizationId: orAbsent(Uuid), orgId: orAbsent(Uuid) });
export const CreateGroupBody = z.object({
  name: DisplayName,
  slug: orAbsent(Slug).describe('made from the name when absent'),
  role: GroupRole.default('no-access'),
  organizationId: orAbsent(Uuid).describe('needed only of callers in several organizations'),
});
export const UpdateGroupBody = z.object({
  name: orAbsent(DisplayName),
  slug: orAbsent(Slug),
  role: orAbsent(GroupRole),
});

export const GroupParams = z.object({ groupId: Uuid });
export const GroupUserParams = GroupParams.extend({ username: Email });
export const GroupIdentityParams = GroupParams.extend({ identityId: Uuid });

const page = {
  offset: QueryNumber(0, 1_000_000, 0),
  limit: QueryNumber(1, 100, 10),
  search: orAbsent(FreeText(254)),
};
export const GroupMembersQuery = z.object({
  ...page,
  username: orAbsent(FreeText(254)),
  filter: orAbsent(
    z.enum(['existingMembers', 'nonMembers', 'assignedMachineIdentities', 'nonAssignedMachineIdentities']),
  ),
});

const ordered = {
  ...page,
  orderBy: orAbsent(z.literal('name')),
  orderDirection: orAbsent(z.enum(['asc', 'desc'])),
};
const MemberType = z.enum(['users', 'machineIdentities']);
export const AllGroupMembersQuery = z.object({
  ...ordered,
  memberTypeFilter: orAbsent(z.union([MemberType, z.array(MemberType).min(1).max(2)])),
});
export const GroupProjectsQuery = z.object({
  ...ordered,
  filter: orAbsent(z.enum(['assignedProjects', 'unassignedProjects'])),
});

const belonging = { isPartOfGroup: z.boolean(), joinedGroupAt: Timestamp.nullable() };
export const GroupUserAnswer = User;
export const GroupUsersAnswer = z.object({
  users: z.array(User.extend(belonging)),
  totalCount: z.number().int(),
});
export const GroupIdentityAnswer = z.object({ id: Uuid });
export const GroupIdentitiesAnswer = z.object({
  machineIdentities: z.array(z.object({ id: Uuid, name: z.string(), ...belonging })),
  totalCount: z.number().int(),
});

const joined = { id: Uuid, joinedGroupAt: Timestamp.nullable() };
export const AllGroupMembersAnswer = z.object({
  members: z.array(
    z.discriminatedUnion('type', [
      z.object({ ...joined, type: z.literal('user'), user: User }),
      z.object({
        ...joined,
        type: z.literal('machineIdentity'),
        machineIdentity: z.object({ id: Uuid, name: z.string() }),
      }),
    ]),
  ),
  totalCount: z.number().int(),
});
export const GroupProjectsAnswer = z.object({
  projects: z.array(
    z.object({
      ...joined,
      name: z.string(),
      slug: z.string(),
      description: z.string(),
      type: z.literal('secret-manager'),
    }),
  ),
  totalCount: z.number().int(),
});

// A project's groups ---------------------------------------------------------------------------------------------

export const AddProjectGroupBody = RolesBody;
export const UpdateProjectGroupBody = UpdateRolesBody;
const GroupMembership = z.object({
  ...membershipFields,
  groupId: Uuid,
  group: z.object({ id: Uuid, name: z.string(), slug: z.string(), orgId: Uuid }),
});
export const GroupMembershipAnswer = z.object({ groupMembership: GroupMembership });
export const GroupMembershipsAnswer = z.object({ groupMemberships: z.array(GroupMembership) });
export const GroupMembershipRolesAnswer = z.object({ roles: z.array(MembershipRole) });

/** Older clients name the project by its slug here, and the group by either. */
export const ProjectOfGroupsParams = z.object({ projectId: z.union([Uuid, Slug]) });
export const ProjectGroupParams = ProjectOfGroupsParams.extend({ groupId: z.union([Uuid, Slug, DisplayName]) });
