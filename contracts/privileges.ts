import { z } from 'zod';
import { Instant, Timestamp } from './http.ts';
import { orAbsent, Slug, Uuid } from './names.ts';
import { Permissions, ShownRule } from './project-roles.ts';

/** Rights of one identity's membership alone: Infisical's `/api/v2/identity-project-additional-privilege`. */

const Time = z.discriminatedUnion('isTemporary', [
  z.object({ isTemporary: z.literal(false) }),
  z.object({
    isTemporary: z.literal(true),
    temporaryMode: z.literal('relative').default('relative'),
    temporaryRange: z.string().regex(/^[1-9]\d{0,4}[smhd]$/, 'a number and s, m, h or d'),
    temporaryAccessStartTime: orAbsent(Instant.refine((start) => start < '9000', 'a start before the year 9000')),
  }),
]);
export type PrivilegeTime = z.infer<typeof Time>;

export const CreatePrivilegeBody = z.object({
  identityId: Uuid,
  projectId: Uuid,
  slug: orAbsent(Slug).describe('made at random when absent'),
  permissions: Permissions,
  type: Time,
});
export type CreatePrivilegeBody = z.infer<typeof CreatePrivilegeBody>;
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
