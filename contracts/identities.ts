import { z } from 'zod';
import { emptyBody, Timestamp } from './http.ts';
import { MembershipRole, membershipFields, RoleGrants, RolesBody } from './memberships.ts';
import { DisplayName, FreeText, orAbsent, QueryNumber, Uuid } from './names.ts';
import { LastLogin } from './organizations.ts';
import { OrganizationRoleName, organizationRoleFields } from './roles.ts';

/** Machine identities and their project memberships (Infisical's routes, present-day bodies). */

export const IdentityParams = z.object({ identityId: Uuid });

export const Identity = z.object({
  id: Uuid,
  name: z.string(),
  orgId: Uuid,
  authMethod: z.string().nullable(),
  authMethods: z.array(z.string()),
  // Optional, since servers before 0.2 do not tell.
  hasDeleteProtection: z.boolean().optional(),
  metadata: z.array(z.object({ key: z.string(), value: z.string() })).optional(),
  createdAt: Timestamp,
  updatedAt: Timestamp,
});

const IdentityMetadata = z
  .array(z.object({ key: FreeText(255).trim().min(1), value: FreeText(1020).trim().min(1) }))
  .max(50)
  .refine((pairs) => new Set(pairs.map(({ key }) => key)).size === pairs.length, 'each key once');

export const CreateIdentityBody = z.object({
  name: DisplayName,
  organizationId: Uuid,
  role: orAbsent(OrganizationRoleName).transform((role) => role ?? 'no-access'),
  hasDeleteProtection: z.boolean().default(false).describe('refuses to delete it until this is taken off'),
  metadata: IdentityMetadata.default([]),
});
export const UpdateIdentityBody = z.object({
  name: orAbsent(DisplayName),
  role: orAbsent(OrganizationRoleName),
  hasDeleteProtection: z.boolean().optional(),
  metadata: IdentityMetadata.optional().describe('all of it; what is not named is gone'),
});
export const IdentityAnswer = z.object({ identity: Identity });

const IdentitySummary = Identity.pick({ id: true, name: true, authMethod: true, authMethods: true });

export const IdentityMembership = z.object({
  id: Uuid,
  ...organizationRoleFields,
  orgId: Uuid,
  identityId: Uuid,
  createdAt: Timestamp,
  updatedAt: Timestamp,
  metadata: Identity.shape.metadata,
  lastLoginAuthMethod: LastLogin.method,
  lastLoginTime: LastLogin.time,
  identity: IdentitySummary.extend({ hasDeleteProtection: z.boolean().optional() }),
});
export const IdentityMembershipAnswer = z.object({ identity: IdentityMembership });
export const ListIdentitiesQuery = z.object({ orgId: orAbsent(Uuid), organizationId: orAbsent(Uuid) });
export const IdentitiesAnswer = z.object({ identities: z.array(IdentityMembership), totalCount: z.number().int() });

const text = FreeText(255);
/** One text, or operators as Infisical has them. */
const among = <Operators extends z.ZodRawShape>(operators: Operators) =>
  z.union([text, z.object(operators).partial()], { error: 'a text, or an object of operators' });
const SearchIdentitiesFields = z.object({
  organizationId: orAbsent(Uuid).describe('needed by those who are members of several'),
  search: z
    .object({
      name: among({ $eq: text, $contains: text, $in: z.array(text).max(100) }).optional(),
      role: among({ $eq: text, $in: z.array(text).max(100) }).optional(),
    })
    .optional(),
  orderBy: orAbsent(z.enum(['name', 'role'])).transform((given) => given ?? 'name'),
  orderDirection: orAbsent(z.enum(['asc', 'desc'])).transform((given) => given ?? 'asc'),
  offset: z.number().int().min(0).max(1_000_000).default(0),
  limit: z.number().int().min(1).max(100).default(50),
});
export const SearchIdentitiesBody = emptyBody(SearchIdentitiesFields);
export type SearchIdentitiesBody = z.infer<typeof SearchIdentitiesBody>;
const Scope = z.enum(['organization', 'project']);
/** Infisical's `/api/v2/identities/search`: memberships, in the organization and in its projects. */
const scope = (absent: z.infer<typeof Scope>[]) => z.array(Scope).min(1).max(2).default(absent);
export const SearchMembershipsBody = emptyBody(SearchIdentitiesFields.extend({ scope: scope(['organization']) }));
export const CountMembershipsBody = emptyBody(
  SearchIdentitiesFields.pick({ organizationId: true, search: true }).extend({
    scope: scope(['organization', 'project']),
  }),
);
export type SearchMembershipsBody = z.infer<typeof SearchMembershipsBody>;
const HeldRole = MembershipRole.omit({ projectMembershipId: true, environments: true }).extend({
  customRoleDescription: z.string().nullable(),
});
const FoundMembership = z.object({
  id: Uuid.describe('of the membership'),
  identityId: Uuid,
  scope: Scope,
  orgId: Uuid,
  projectId: Uuid.nullable(),
  project: z.object({ id: Uuid, name: z.string(), slug: z.string(), type: z.literal('secret-manager') }).nullable(),
  createdAt: Timestamp,
  updatedAt: Timestamp,
  lastLoginAuthMethod: LastLogin.method.describe('of the organization'),
  lastLoginTime: LastLogin.time,
  roles: z.array(HeldRole),
  identity: z.object({
    id: Uuid,
    name: z.string(),
    orgId: Uuid,
    hasDeleteProtection: z.boolean(),
    authMethods: z.array(z.string()),
    activeLockoutAuthMethods: z.array(z.string()).describe('none: a right secret is never locked out'),
  }),
});
export const FoundMembershipsAnswer = z.object({
  identities: z.array(FoundMembership),
  totalCount: z.number().int(),
});
export const MembershipCountsAnswer = z.object({
  counts: z.object({ organization: z.number().int().optional(), project: z.number().int().optional() }),
});
export const IdentityDetailsAnswer = z.object({
  identityDetails: z.object({ organization: z.object({ id: Uuid, name: z.string(), slug: z.string() }) }),
});
export const PageQuery = z.object({
  offset: QueryNumber(0, 1_000_000, 0),
  limit: QueryNumber(1, 20_000, 100),
});
export const IdentityMembershipsAnswer = z.object({
  identityMemberships: z.array(IdentityMembership),
  totalCount: z.number().int(),
});

// Project memberships ----------------------------------------------------------------------------------------------

export const AddProjectIdentityBody = RolesBody;
export const UpdateProjectIdentityBody = z.object({ roles: RoleGrants });
export const IdentityMembershipParams = z.object({ identityMembershipId: Uuid });
export const ProjectIdentityParams = z.object({ projectId: Uuid, identityId: Uuid });

export const ProjectIdentityMembership = z.object({
  ...membershipFields,
  identityId: Uuid,
  identity: IdentitySummary,
});
export const ProjectIdentityAnswer = z.object({ identityMembership: ProjectIdentityMembership });
export const ProjectIdentitiesAnswer = z.object({
  identityMemberships: z.array(ProjectIdentityMembership),
  totalCount: z.number().int(),
});
export const ProjectIdentityRolesAnswer = z.object({ roles: z.array(MembershipRole) });
