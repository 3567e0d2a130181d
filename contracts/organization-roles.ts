import { z } from 'zod';
import { Timestamp } from './http.ts';
import { DisplayName, FreeText, orAbsent, Slug, Uuid } from './names.ts';
import { permissionOf, type Rule, ShownRule } from './permissions.ts';
import { permissionsOf } from './project-roles.ts';
import { OrganizationRole, organizationRoleFields } from './roles.ts';

/** Roles of organizations: Infisical's `/api/v1/organization/roles`, and the older address below an organization's id. */

const manage = ['read', 'create', 'edit', 'delete'] as const;

/** What there is to do in an organization. None of it is somewhere, so that a rule about it has no conditions. */
export const organizationSubjects = {
  workspace: ['create', 'read'],
  project: ['create', 'read'],
  member: [...manage, 'grant-privileges'],
  groups: [...manage, 'grant-privileges', 'add-members', 'add-identities', 'remove-members', 'remove-identities'],
  identity: [...manage, 'grant-privileges', 'revoke-auth', 'create-token', 'get-token', 'delete-token'],
  role: manage,
  settings: manage,
  sso: manage,
  'audit-logs': ['read'],
} as const satisfies Record<string, readonly string[]>;

/** Subjects of Infisical that mean nothing here. Its clients send them, so a role may hold them; they give nothing. */
const foreignOrganizationSubjects = [
  'app-connections',
  'billing',
  'gateway',
  'github-org-sync',
  'github-org-sync-manual',
  'incident-contact',
  'kmip',
  'kms',
  'ldap',
  'machine-identity-auth-template',
  'organization-admin-console',
  'project-templates',
  'relay',
  'scim',
  'secret-scanning',
  'secret-share',
  'sub-organization',
] as const;

type Subject = keyof typeof organizationSubjects;
/** A right that a request needs in an organization. `organization` is the whole of it, which admins alone hold. */
export type OrganizationNeed =
  | { [S in Subject]: { readonly subject: S; readonly action: (typeof organizationSubjects)[S][number] } }[Subject]
  | { readonly subject: 'organization'; readonly action: 'own' };

const whole: readonly Rule[] = Object.entries(organizationSubjects).map(([subject, action]) => ({ subject, action }));
const reading = (...subjects: Subject[]): Rule[] => subjects.map((subject) => ({ subject, action: ['read'] }));

/**
 * The built-in roles of an organization, as rules. What only an admin holds has a subject that no custom role can name, so
 * that nobody else gives that role, and nobody else changes who has it.
 */
export const organizationRoleRules: Readonly<Record<z.infer<typeof OrganizationRole>, readonly Rule[]>> = {
  admin: [...whole, { subject: 'organization', action: ['own'] }],
  member: [
    { subject: 'workspace', action: ['create', 'read'] },
    { subject: 'project', action: ['create', 'read'] },
    ...reading('member', 'groups', 'identity', 'role', 'settings'),
  ],
  'no-access': [],
};

/** One id for each built-in role, the same in every organization. */
export const builtInOrganizationRoleIds: Readonly<Record<z.infer<typeof OrganizationRole>, string>> = {
  admin: '00000000-0000-4000-8000-000000000011',
  member: '00000000-0000-4000-8000-000000000012',
  'no-access': '00000000-0000-4000-8000-000000000013',
};

const RESERVED: readonly string[] = [...OrganizationRole.options, 'custom', 'owner'];
const OrganizationRoleSlug = Slug.refine((slug) => !RESERVED.includes(slug), {
  message: 'this slug is of a built-in role; choose another',
});

const OrganizationPermissions = permissionsOf(permissionOf(organizationSubjects, foreignOrganizationSubjects, false));

export const CreateOrganizationRoleBody = z.object({
  slug: OrganizationRoleSlug,
  name: DisplayName,
  description: FreeText(1024).nullish(),
  permissions: OrganizationPermissions,
  organizationId: orAbsent(Uuid).describe('needed only of callers in several organizations'),
});
export type CreateOrganizationRoleBody = z.infer<typeof CreateOrganizationRoleBody>;
export const UpdateOrganizationRoleBody = z.object({
  slug: orAbsent(OrganizationRoleSlug),
  name: orAbsent(DisplayName),
  description: FreeText(1024).nullish(),
  permissions: OrganizationPermissions.optional(),
});
export type UpdateOrganizationRoleBody = z.infer<typeof UpdateOrganizationRoleBody>;

const OrganizationRoleRow = z.object({
  id: Uuid,
  orgId: Uuid,
  slug: z.string(),
  name: z.string(),
  description: z.string().nullable(),
  permissions: z.array(ShownRule),
  createdAt: Timestamp,
  updatedAt: Timestamp,
});
export const OrganizationRoleAnswer = z.object({ role: OrganizationRoleRow });
const Listed = z.array(OrganizationRoleRow.omit({ permissions: true }));
export const OrganizationRolesAnswer = z.object({ roles: Listed });
export const OlderOrganizationRolesAnswer = z.object({ data: z.object({ roles: z.array(OrganizationRoleRow) }) });

export const OrganizationRolesQuery = z.object({
  organizationId: orAbsent(Uuid).describe('needed only of callers in several organizations'),
});
export const OrganizationRoleParams = z.object({ roleId: Uuid });
export const OrganizationRoleSlugParams = z.object({ roleSlug: Slug });
export const RoleOfOrganizationParams = z.object({ organizationId: Uuid, roleId: Uuid });

const subjectNames = Object.keys(organizationSubjects) as [Subject, ...Subject[]];
/** What somebody may do in an organization, and why. */
export const ExplainOrganizationQuery = z
  .object({
    actorId: orAbsent(Uuid).describe('a person or an identity of the organization; absent: the caller itself'),
    action: z.string().max(64),
    subject: z.enum(subjectNames),
  })
  .transform(({ action, subject, ...given }, context) => {
    const known: readonly string[] = organizationSubjects[subject];
    if (known.includes(action)) return { ...given, need: { action, subject } as OrganizationNeed };
    const message = `nobody can ${action} ${subject}: its actions are ${known.join(', ')}`;
    context.addIssue({ code: 'custom', path: ['action'], message });
    return z.NEVER;
  });
export const ExplainOrganizationAnswer = z.object({
  allowed: z.boolean(),
  reason: z.string(),
  asked: z.object({
    actor: z.object({ id: Uuid, kind: z.enum(['user', 'identity']), name: z.string() }),
    action: z.string(),
    subject: z.string(),
  }),
  role: z.string().describe('the slug of its role in the organization'),
  decidedBy: z.array(z.object({ effect: z.enum(['allows', 'forbids']), rule: ShownRule })),
});
export type ExplainOrganizationAnswer = z.infer<typeof ExplainOrganizationAnswer>;

/** What the caller itself holds. */
export const OrganizationPermissionsAnswer = z.object({
  permissions: z.array(ShownRule),
  membership: z.object({ actorId: Uuid, orgId: Uuid, ...organizationRoleFields }),
});
