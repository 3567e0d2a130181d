import { z } from 'zod';
import { Timestamp } from './http.ts';
import { DisplayName, Email, orAbsent, Slug, Uuid } from './names.ts';
import { OrganizationRoleName, organizationRoleFields } from './roles.ts';

/** Organizations and who belongs to them: Infisical's `/api/v1/organization` and `/api/v2/organizations`. */

/** When somebody last logged in, and how; a minute late at most on another replica. */
export const LastLogin = {
  method: z.string().nullable().optional().describe('email, oidc, universal-auth, …; null: never'),
  time: Timestamp.nullable().optional(),
};

export const Organization = z.object({
  id: Uuid,
  name: z.string(),
  slug: z.string(),
  enforceMfa: z.boolean().describe('whether its people need a second factor'),
  authEnforced: z.boolean().describe('whether its people come in by single sign-on alone'),
  createdAt: Timestamp,
  updatedAt: Timestamp,
  // Infisical's, of what is not here. Optional, as all below that says so: servers before 0.2 do not tell.
  customerId: z.null().optional(),
  scimEnabled: z.literal(false).optional(),
  kmsDefaultKeyId: z.null().optional(),
});

export const OrganizationParams = z.object({ organizationId: Uuid });
export const CreateOrganizationBody = z.object({
  name: DisplayName,
  slug: orAbsent(Slug).describe('made from the name when absent'),
});
export const UpdateOrganizationBody = z.object({
  name: orAbsent(DisplayName),
  slug: orAbsent(Slug),
  enforceMfa: z.boolean().optional(),
  authEnforced: z.boolean().optional(),
});
export const OrganizationAnswer = z.object({ organization: Organization });
export const ChangedOrganizationAnswer = OrganizationAnswer.extend({ message: z.string() });
export const OrganizationsAnswer = z.object({ organizations: z.array(Organization) });

export const User = z.object({
  id: Uuid,
  username: z.string(),
  email: z.string(),
  firstName: z.string(),
  lastName: z.string(),
  isEmailVerified: z.literal(false).optional().describe('this server sends no mail, so no address is proven by one'),
  publicKey: z.null().optional().describe('of end-to-end encryption, which is not here'),
});

export const OrganizationMembership = z.object({
  id: Uuid,
  orgId: Uuid,
  userId: Uuid,
  ...organizationRoleFields,
  status: z.enum(['invited', 'accepted']),
  inviteEmail: z.string(),
  isActive: z.boolean(),
  projectFavorites: z.null().optional(),
  lastLoginAuthMethod: LastLogin.method,
  lastLoginTime: LastLogin.time,
  user: User,
});

export type OrganizationMembership = z.infer<typeof OrganizationMembership>;

export const MembershipParams = OrganizationParams.extend({ membershipId: Uuid });
export const AddMemberBody = z.object({ email: Email, role: OrganizationRoleName.default('member') });
export const UpdateMemberBody = z.object({
  role: orAbsent(OrganizationRoleName),
  isActive: z.boolean().optional().describe('a deactivated membership keeps its role and gives nothing'),
});
export const MembershipAnswer = z.object({ membership: OrganizationMembership });
export const OrganizationUsersAnswer = z.object({ users: z.array(OrganizationMembership) });
