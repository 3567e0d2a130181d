import { z } from 'zod';
import { Timestamp } from './http.ts';
import { DisplayName, FreeText, orAbsent, Slug, Uuid } from './names.ts';
import { Permission, type permissionOf, type Rule, ShownRule } from './permissions.ts';
import { projectRoles } from './roles.ts';

/** Custom roles of projects: Infisical's `/api/v1/projects/:projectId/roles`, and the older addresses. */

/** One id for each built-in role, the same in every project, so that clients can treat all roles alike. */
export const builtInRoleIds: Readonly<Record<keyof typeof projectRoles, string>> = {
  admin: '00000000-0000-4000-8000-000000000001',
  developer: '00000000-0000-4000-8000-000000000002',
  ci: '00000000-0000-4000-8000-000000000003',
  viewer: '00000000-0000-4000-8000-000000000004',
  'no-access': '00000000-0000-4000-8000-000000000005',
};

const RESERVED: readonly string[] = [...Object.keys(projectRoles), 'member', 'custom', 'organization-admin'];

export const RoleSlug = Slug.refine((slug) => !RESERVED.includes(slug), {
  message: 'this slug is of a built-in role; choose another',
});

/** Most rules of one role: each read may ask all of them. */
const MAX_RULES = 200;

/** Rules as callers give them; come out one subject each, as they are stored and shown. */
export const permissionsOf = (rule: ReturnType<typeof permissionOf>) =>
  z
    .array(rule)
    .max(MAX_RULES)
    .transform((given) =>
      given.flatMap(({ subject, action, conditions, inverted }) =>
        [...new Set(subject)].map(
          (one): Rule => ({
            subject: one,
            action: [...new Set(action)],
            ...(conditions && Object.keys(conditions).length > 0
              ? { conditions: conditions as Rule['conditions'] }
              : {}),
            ...(inverted ? { inverted: true } : {}),
          }),
        ),
      ),
    );

export const Permissions = permissionsOf(Permission);

const roleFields = {
  id: Uuid,
  slug: z.string(),
  name: z.string(),
  description: z.string().nullable(),
  createdAt: Timestamp,
  updatedAt: Timestamp,
};
export const ListedProjectRole = z.object({ ...roleFields, projectId: Uuid });
export const ProjectRoleAnswer = z.object({ role: ListedProjectRole.extend({ permissions: z.array(ShownRule) }) });
export const ProjectRolesAnswer = z.object({ roles: z.array(ListedProjectRole) });

export const CreateRoleBody = z.object({
  slug: RoleSlug,
  name: DisplayName,
  description: FreeText(1024).nullish(),
  permissions: Permissions,
});
export type CreateRoleBody = z.infer<typeof CreateRoleBody>;
export const UpdateRoleBody = z.object({
  slug: orAbsent(RoleSlug),
  name: orAbsent(DisplayName),
  description: FreeText(1024).nullish(),
  permissions: Permissions.optional(),
});
export type UpdateRoleBody = z.infer<typeof UpdateRoleBody>;

export const RoleOfProjectParams = z.object({ projectId: Uuid, roleId: Uuid });
export const RoleSlugOfProjectParams = z.object({ projectId: Uuid, roleSlug: Slug });
export const ProjectOfRolesParams = z.object({ projectSlug: Slug });
export const RoleOfSlugParams = ProjectOfRolesParams.extend({ roleId: Uuid });
export const RoleSlugOfSlugParams = ProjectOfRolesParams.extend({ roleSlug: Slug });
export const RoleIdParams = z.object({ roleId: Uuid });
