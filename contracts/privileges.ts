import { z } from 'zod';
import { Instant, Timestamp } from './http.ts';
import { orAbsent, Slug, Uuid } from './names.ts';
import { Permission, ShownRule } from './permissions.ts';
import { Permissions } from './project-roles.ts';

/**
 * Rights of one identity's membership alone: Infisical's `/api/v2/identity-project-additional-privilege`, and the older
 * `/api/v1/additional-privilege/identity`, which names the project and the privilege by their slugs.
 */

const limits = {
  temporaryMode: z.literal('relative').default('relative'),
  temporaryRange: z.string().regex(/^[1-9]\d{0,4}[smhd]$/, 'a number and s, m, h or d'),
  temporaryAccessStartTime: orAbsent(Instant.refine((start) => start < '9000', 'a start before the year 9000')),
};
const Time = z.discriminatedUnion('isTemporary', [
  z.object({ isTemporary: z.literal(false) }),
  z.object({ isTemporary: z.literal(true), ...limits }),
]);
export type PrivilegeTime = z.infer<typeof Time>;

export const CreatePrivilegeBody = z.object({
  identityId: Uuid,
  projectId: Uuid,
  slug: orAbsent(Slug).describe('made at random when absent'),
  permissions: Permissions,
  type: Time,
});
export const UpdatePrivilegeBody = z.object({
  slug: orAbsent(Slug),
  permissions: Permissions.optional(),
  type: Time.optional(),
});
export type UpdatePrivilegeBody = z.infer<typeof UpdatePrivilegeBody>;

export const PrivilegeParams = z.object({ privilegeId: Uuid });
export const PrivilegeSlugParams = z.object({ privilegeSlug: Slug });
export const PrivilegeSlugQuery = z.object({ identityId: Uuid, projectSlug: Slug });
export const ListPrivilegesQuery = z.object({ identityId: Uuid, projectId: Uuid });

const Listed = z.object({
  id: Uuid,
  slug: z.string(),
  identityId: Uuid,
  projectId: Uuid,
  projectMembershipId: Uuid,
  isTemporary: z.boolean(),
  temporaryMode: z.string().nullable(),
  temporaryRange: z.string().nullable(),
  temporaryAccessStartTime: Timestamp.nullable(),
  temporaryAccessEndTime: Timestamp.nullable(),
  createdAt: Timestamp,
  updatedAt: Timestamp,
});
export const PrivilegeAnswer = z.object({ privilege: Listed.extend({ permissions: z.array(ShownRule) }) });
export const PrivilegesAnswer = z.object({ privileges: z.array(Listed) });

// The older address -----------------------------------------------------------------------------------------------

/** Rules as a list, or as one subject with its actions (`privilegePermission`). */
const rules = {
  permissions: Permissions.optional(),
  privilegePermission: z
    .object({
      actions: z.array(z.string().max(64)).min(1).max(32),
      subject: z.string().max(64),
      conditions: Permission.shape.conditions,
    })
    .transform(({ actions, ...one }): z.input<typeof Permissions> => [{ action: actions, ...one }])
    .pipe(Permissions)
    .optional()
    .describe('one rule, in place of `permissions`'),
};
const RULES_MISSING = { message: 'say what may be done: permissions, or privilegePermission', path: ['permissions'] };
const rulesGiven = (given: { permissions?: unknown; privilegePermission?: unknown }) =>
  given.permissions !== undefined || given.privilegePermission !== undefined;

const owner = { identityId: Uuid, projectSlug: Slug };
const permanent = z.object({ ...owner, slug: orAbsent(Slug).describe('made at random when absent'), ...rules });
export const CreatePermanentPrivilegeBody = permanent.refine(rulesGiven, RULES_MISSING);
export const CreateTemporaryPrivilegeBody = permanent.extend(limits).refine(rulesGiven, RULES_MISSING);
export const UpdatePrivilegeBySlugBody = z.object({
  ...owner,
  privilegeSlug: Slug,
  privilegeDetails: z
    .object({
      slug: orAbsent(Slug),
      ...rules,
      isTemporary: z.boolean().optional(),
      temporaryMode: orAbsent(limits.temporaryMode),
      temporaryRange: orAbsent(limits.temporaryRange),
      temporaryAccessStartTime: limits.temporaryAccessStartTime,
    })
    .refine(({ isTemporary, temporaryRange }) => isTemporary !== true || temporaryRange !== undefined, {
      message: 'a temporary privilege needs a temporaryRange such as 1h',
      path: ['temporaryRange'],
    }),
});
export const DeletePrivilegeBySlugBody = z.object({ ...owner, privilegeSlug: Slug });
export const FullPrivilegesAnswer = z.object({ privileges: z.array(PrivilegeAnswer.shape.privilege) });
