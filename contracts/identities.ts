import { z } from 'zod';
import { emptyBody, Timestamp } from './http.ts';
import { MembershipRole, membershipFields, RoleGrants, RolesBody } from './memberships.ts';
import { DisplayName, FreeText, orAbsent, Uuid } from './names.ts';
import { OrganizationRoleName, organizationRoleFields } from './roles.ts';

/** Machine identities, their Universal Auth and their project memberships (Infisical's routes, present-day bodies). */

/** HIP-27: a token lives 7200 seconds unless its identity sets another time. */
export const DEFAULT_TOKEN_TTL_SECONDS = 7200;
const MAX_TTL_SECONDS = 315_360_000;

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
  role: OrganizationRoleName.default('no-access'),
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
  orderBy: z.enum(['name', 'role']).default('name'),
  orderDirection: z.enum(['asc', 'desc']).default('asc'),
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
  lastLoginAuthMethod: z.null(),
  lastLoginTime: z.null(),
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
  offset: z.coerce.number().int().min(0).max(1_000_000).default(0),
  limit: z.coerce.number().int().min(1).max(20_000).default(100),
});
export const IdentityMembershipsAnswer = z.object({
  identityMemberships: z.array(IdentityMembership),
  totalCount: z.number().int(),
});

// Universal Auth ---------------------------------------------------------------------------------------------------

const CIDR = z.union([z.cidrv4(), z.cidrv6(), z.ipv4(), z.ipv6()], { error: 'not an IP address or CIDR range' });

/** Addresses that may use something. Absent: all of them. */
export const TrustedIps = z
  .array(z.object({ ipAddress: CIDR }))
  .min(1)
  .max(100);
export const EVERYWHERE = [{ ipAddress: '0.0.0.0/0' }, { ipAddress: '::/0' }];

const seconds = z.number().int().min(0).max(MAX_TTL_SECONDS);
const numUsesLimit = z.number().int().min(0).max(2_147_483_647);
const within = (min: number, max: number) => z.number().int().min(min).max(max);

/** What every login says of the tokens that it gives. */
export const tokenSettings = {
  accessTokenTrustedIps: TrustedIps.default(EVERYWHERE),
  accessTokenTTL: seconds.default(DEFAULT_TOKEN_TTL_SECONDS).describe('seconds; 0: till the max TTL'),
  accessTokenMaxTTL: seconds.default(DEFAULT_TOKEN_TTL_SECONDS).describe('seconds; renewals end here; 0: never'),
  accessTokenNumUsesLimit: numUsesLimit.default(0).describe('0: no limit'),
  accessTokenPeriod: seconds
    .default(0)
    .describe('seconds; not 0: tokens live this long, and can be renewed again and again, whatever the TTLs say'),
};
/** As `tokenSettings`, for a change: what is absent stays. */
export const tokenSettingsChange = {
  accessTokenTrustedIps: TrustedIps.optional(),
  accessTokenTTL: seconds.optional(),
  accessTokenMaxTTL: seconds.optional(),
  accessTokenNumUsesLimit: numUsesLimit.optional(),
  accessTokenPeriod: seconds.optional(),
};

interface TokenTimes {
  readonly accessTokenTTL: number;
  readonly accessTokenMaxTTL: number;
}
/** Whether a TTL lies within its max TTL, of which 0 is none. */
export const ttlFits = ({ accessTokenTTL, accessTokenMaxTTL }: TokenTimes) =>
  accessTokenMaxTTL === 0 || accessTokenTTL <= accessTokenMaxTTL;
export const TTL_TOO_LONG = 'accessTokenTTL is longer than accessTokenMaxTTL';
export const ttlRefused = () => ({ message: TTL_TOO_LONG, path: ['accessTokenTTL'] });

export const AttachUniversalAuthBody = emptyBody(
  z
    .object({
      clientSecretTrustedIps: TrustedIps.default(EVERYWHERE),
      ...tokenSettings,
      lockoutEnabled: z.boolean().default(true).describe('whether wrong secrets are slowed down; a right one never is'),
      lockoutThreshold: within(1, 30).default(3).describe('wrong secrets of one address before that'),
      lockoutDurationSeconds: within(30, 86_400).default(300),
      lockoutCounterResetSeconds: within(5, 3600).default(30).describe('wrong secrets further apart do not add up'),
    })
    .refine(ttlFits, ttlRefused()),
);
export type AttachUniversalAuthBody = z.infer<typeof AttachUniversalAuthBody>;

export const UpdateUniversalAuthBody = z.object({
  clientSecretTrustedIps: TrustedIps.optional(),
  ...tokenSettingsChange,
  lockoutEnabled: z.boolean().optional(),
  lockoutThreshold: within(1, 30).optional(),
  lockoutDurationSeconds: within(30, 86_400).optional(),
  lockoutCounterResetSeconds: within(5, 3600).optional(),
});
export type UpdateUniversalAuthBody = z.infer<typeof UpdateUniversalAuthBody>;

export const TrustedIp = z.object({ type: z.enum(['ipv4', 'ipv6']), ipAddress: z.string(), prefix: z.number().int() });

export const UniversalAuth = z.object({
  id: Uuid,
  identityId: Uuid,
  clientId: Uuid,
  accessTokenTTL: z.number().int(),
  accessTokenMaxTTL: z.number().int(),
  accessTokenNumUsesLimit: z.number().int(),
  accessTokenPeriod: z.number().int(),
  clientSecretTrustedIps: z.array(TrustedIp),
  accessTokenTrustedIps: z.array(TrustedIp),
  lockoutEnabled: z.boolean(),
  lockoutThreshold: z.number().int(),
  lockoutDurationSeconds: z.number().int(),
  lockoutCounterResetSeconds: z.number().int(),
  createdAt: Timestamp,
  updatedAt: Timestamp,
});
export const UniversalAuthAnswer = z.object({ identityUniversalAuth: UniversalAuth });
export const ClearedLockouts = z.object({ deleted: z.number().int() });

export const CreateClientSecretBody = emptyBody(
  z.object({
    description: FreeText(1024).default(''),
    numUsesLimit: numUsesLimit.default(0).describe('0: no limit'),
    ttl: z.number().int().min(0).max(MAX_TTL_SECONDS).default(0).describe('seconds; 0: never ends'),
  }),
);
export type CreateClientSecretBody = z.infer<typeof CreateClientSecretBody>;

export const ClientSecret = z.object({
  id: Uuid,
  identityUAId: Uuid,
  description: z.string(),
  clientSecretPrefix: z.string(),
  clientSecretNumUses: z.number().int(),
  clientSecretNumUsesLimit: z.number().int(),
  clientSecretTTL: z.number().int(),
  isClientSecretRevoked: z.boolean(),
  createdAt: Timestamp,
  updatedAt: Timestamp,
});
export const ClientSecretParams = IdentityParams.extend({ clientSecretId: Uuid });
export const NewClientSecretAnswer = z.object({ clientSecret: z.string(), clientSecretData: ClientSecret });
export const ClientSecretAnswer = z.object({ clientSecretData: ClientSecret });
export const ClientSecretsAnswer = z.object({ clientSecretData: z.array(ClientSecret) });

/** HIP-27, "Universal Auth Flow", step 1. */
export const LoginBody = z.object({
  clientId: z.string().trim().min(1).max(128),
  clientSecret: z.string().min(1).max(512),
  subOrganizationName: FreeText(128).optional().describe('taken and not used: there are no sub-organizations'),
});
export const TokenBody = z.object({ accessToken: z.string().min(1).max(4096) });
export const AccessToken = z.object({
  accessToken: z.string(),
  expiresIn: z.number().int().describe('seconds; 0: never'),
  accessTokenMaxTTL: z.number().int().describe('seconds; 0: no end of renewals'),
  tokenType: z.literal('Bearer'),
});
export type AccessToken = z.infer<typeof AccessToken>;

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
