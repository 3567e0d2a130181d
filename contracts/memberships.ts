import { z } from 'zod';
import { Instant, Timestamp } from './http.ts';
import { Email, EnvironmentSlug, FreeText, orAbsent, QueryNumber, Slug, Uuid } from './names.ts';
import { User } from './organizations.ts';

/** Memberships in projects: what those of identities, people and groups have in common, and those of people. */

/** A role as a membership names it: built-in, or one of the project's own. Infisical's `member` is our `developer`. */
const RoleName = Slug.transform((role) => (role === 'member' ? 'developer' : role));
const named = (name: string): Pick<RoleGrant, 'role' | 'writtenAs'> =>
  name === 'member' ? { role: 'developer', writtenAs: name } : { role: name };

const RoleGrantFields = z.object({
  role: Slug,
  environments: z.array(EnvironmentSlug).min(1).max(100).optional().describe('limits the role to these environments'),
  isTemporary: z.boolean().default(false),
  // Go's clients send the empty values of what they do not mean.
  temporaryRange: orAbsent(z.string().regex(/^[1-9]\d{0,4}[smhd]$/, 'a number and s, m, h or d')),
  // With the longest range added, the end is still a year of four digits.
  temporaryAccessStartTime: orAbsent(Instant.refine((start) => start < '9000', 'a start before the year 9000')),
  temporaryMode: orAbsent(z.literal('relative')),
});
export type RoleGrant = z.infer<typeof RoleGrantFields> & {
  /** Infisical's name for the role, which clients that wrote it look for in answers. */
  readonly writtenAs?: 'member';
};
const RoleGrant = RoleGrantFields.transform((given): RoleGrant => ({ ...given, ...named(given.role) }));

export const RoleGrants = z.array(RoleGrant).min(1).max(20);

/** One `role`, or `roles` with their limits; without either, a membership that gives nothing. */
export const RolesBody = z
  .object({ role: orAbsent(Slug), roles: RoleGrants.optional() })
  .transform(({ role, roles }): { roles: RoleGrant[] } => ({
    roles: roles ?? [{ ...named(role ?? 'no-access'), isTemporary: false }],
  }));

export const MembershipRole = z.object({
  id: Uuid,
  role: z
    .string()
    .describe('of a role of the project itself: "custom"; of one that was given as Infisical\'s "member": that'),
  environments: z.array(z.string()).nullable(),
  projectMembershipId: Uuid,
  customRoleId: Uuid.nullable(),
  customRoleName: z.string().nullable(),
  customRoleSlug: z.string().nullable(),
  isTemporary: z.boolean(),
  temporaryMode: z.string().nullable(),
  temporaryRange: z.string().nullable(),
  temporaryAccessStartTime: Timestamp.nullable(),
  temporaryAccessEndTime: Timestamp.nullable(),
  // Optional, since servers before 0.2 do not tell.
  createdAt: Timestamp.optional(),
  updatedAt: Timestamp.optional(),
});
export const MembershipRolesAnswer = z.object({ roles: z.array(MembershipRole) });

/** A page of a project's members. */
export const MembershipsQuery = z.object({
  offset: QueryNumber(0, 1_000_000, 0),
  limit: QueryNumber(1, 20_000, 100),
  orderBy: orAbsent(z.literal('name')),
  orderDirection: orAbsent(z.enum(['asc', 'desc'])),
  search: orAbsent(FreeText(255)).describe('names that hold this'),
  textFilter: orAbsent(FreeText(255)).describe('as search'),
  identityName: orAbsent(FreeText(255)).describe('as search'),
  roles: orAbsent(
    z
      .string()
      .max(2_000)
      .transform((list) => list.split(',').map((role) => role.trim()))
      .pipe(z.array(RoleName).max(100)),
  ).describe('only members with one of these roles; a list with commas'),
});
export type MembershipsQuery = z.infer<typeof MembershipsQuery>;

/** What every membership shows. */
export const membershipFields = {
  id: Uuid,
  projectId: Uuid,
  createdAt: Timestamp,
  updatedAt: Timestamp,
  roles: z.array(MembershipRole),
  project: z.object({ id: Uuid, name: z.string() }),
};

const UserMembership = z.object({ ...membershipFields, userId: Uuid, user: User });
/** The projects that one of an organization's people is in. */
export const MembershipProjectsAnswer = z.object({
  memberships: z.array(
    UserMembership.extend({
      project: membershipFields.project.extend({ slug: z.string(), type: z.literal('secret-manager') }),
    }),
  ),
});
export const UserMembershipAnswer = z.object({ membership: UserMembership });
export const UserMembershipsAnswer = z.object({ memberships: z.array(UserMembership) });
export const ProjectUsersAnswer = z.object({ users: z.array(UserMembership) });

/** People are named by their e-mail address; Infisical calls it a user name too. */
const people = { emails: z.array(Email).max(100).default([]), usernames: z.array(Email).max(100).default([]) };
const byAddress = <Given extends { emails: string[]; usernames: string[] }>({ emails, usernames, ...more }: Given) => ({
  ...more,
  people: [...new Set([...emails, ...usernames])],
});

export const AddMembersBody = z
  .object({ ...people, roleSlugs: z.array(Slug).min(1).max(20).optional(), roles: RoleGrants.optional() })
  .transform(byAddress)
  .transform(({ roleSlugs, roles, people }) => ({
    people,
    roles: roles ?? (roleSlugs ?? ['developer']).map((role): RoleGrant => ({ ...named(role), isTemporary: false })),
  }));
export const RemoveMembersBody = z.object(people).transform(byAddress);
export const UpdateRolesBody = z.object({ roles: RoleGrants });
export const FindMemberBody = z.object({ username: Email });
export const ProjectMembershipParams = z.object({ projectId: Uuid, membershipId: Uuid });
