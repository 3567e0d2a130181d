import { z } from 'zod';
import { Slug, Uuid } from './names.ts';
import type { Rule } from './permissions.ts';

const all = ['read', 'create', 'edit', 'delete'] as const;
const read = ['read'] as const;
/** What an environment holds. */
const contents = ['secrets', 'secret-folders', 'secret-imports'] as const;
const content = (action: readonly string[], ...environments: string[]): Rule[] =>
  contents.map((subject) =>
    environments.length === 0
      ? { subject, action }
      : { subject, action, conditions: { environment: { $in: environments } } },
  );
const each = (action: readonly string[], ...subjects: string[]): Rule[] =>
  subjects.map((subject) => ({ subject, action }));

/**
 * The built-in roles of a project, as rules. HIP-27's access table ("Environments") is the default: developers work on dev
 * and staging; staging is for CI too; prod is read by CI and service identities and managed by project admins alone.
 */
export const projectRoles = {
  admin: [
    { subject: 'secrets', action: [...all, 'subscribe'] },
    ...each(all, 'secret-folders', 'secret-imports'),
    { subject: 'secret-rollback', action: ['read', 'create'] },
    ...each(all, 'environments', 'tags', 'role', 'workspace', 'settings', 'service-tokens', 'webhooks'),
    ...each([...all, 'grant-privileges'], 'member', 'identity', 'groups'),
    ...each(read, 'audit-logs'),
  ],
  developer: [
    ...content(all, 'dev', 'staging'),
    { subject: 'secrets', action: ['subscribe'], conditions: { environment: { $in: ['dev', 'staging'] } } },
    {
      subject: 'secret-rollback',
      action: ['read', 'create'],
      conditions: { environment: { $in: ['dev', 'staging'] } },
    },
    ...each(all, 'tags'),
    ...each(read, 'environments', 'member', 'identity', 'groups', 'role', 'workspace'),
  ],
  ci: [
    ...content(read, 'staging', 'prod'),
    { subject: 'secrets', action: ['subscribe'], conditions: { environment: { $in: ['staging', 'prod'] } } },
    ...each(read, 'environments', 'tags', 'workspace'),
  ],
  viewer: [
    ...content(read),
    ...each(['subscribe'], 'secrets'),
    ...each(read, 'secret-rollback', 'environments', 'tags', 'workspace'),
  ],
  'no-access': [],
} as const satisfies Record<string, readonly Rule[]>;

export type ProjectRole = keyof typeof projectRoles;

/** A project role by its slug; Infisical's `member` is our `developer`. */
export const ProjectRole = z
  .enum([...(Object.keys(projectRoles) as [ProjectRole, ...ProjectRole[]]), 'member'])
  .transform((role): ProjectRole => (role === 'member' ? 'developer' : role));

export const organizationRoles = ['admin', 'member', 'no-access'] as const;

/** A role in an organization. Admins run it, and hold every right in its projects; members see it and may create projects. */
export const OrganizationRole = z.enum(organizationRoles);
export type OrganizationRole = z.infer<typeof OrganizationRole>;

/** A role as requests name it: built-in, or the slug of one of the organization's own. */
export const OrganizationRoleName = Slug;

/** A role as a membership shows it; `customRole` says which. */
export const ShownOrganizationRole = z.enum([...organizationRoles, 'custom']);
export type ShownOrganizationRole = z.infer<typeof ShownOrganizationRole>;

/** What a membership shows of its role. */
export const organizationRoleFields = {
  role: ShownOrganizationRole,
  roleId: Uuid.nullable(),
  customRole: z
    .object({
      id: Uuid,
      name: z.string(),
      slug: z.string(),
      // Optional, since servers before 0.2 do not tell.
      description: z.string().nullable().optional(),
    })
    .nullable(),
};
