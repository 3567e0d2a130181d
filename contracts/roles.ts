import { z } from 'zod';

/** What someone can do to a thing. `describe` (names, no values) comes with `read`. */
export const actions = ['read', 'create', 'edit', 'delete'] as const;
export type Action = (typeof actions)[number];

/** The things within a project that rights are about. Folders and imports go with `secrets`, as Infisical has it. */
export const projectSubjects = ['secrets', 'environments', 'member', 'identity', 'workspace', 'audit-logs'] as const;
export type ProjectSubject = (typeof projectSubjects)[number];

/** A right: these actions on this subject, for `secrets` in these environments only (absent: in all). */
export interface Permission {
  readonly subject: ProjectSubject;
  readonly actions: readonly Action[];
  readonly environments?: readonly string[];
}

const all = actions;
const read = ['read'] as const;

/**
 * The built-in roles of a project. HIP-27's access table ("Environments") is the default: developers work on dev and
 * staging; staging is for CI too; prod is read by CI and service identities and managed by project admins alone.
 */
export const projectRoles = {
  admin: [
    { subject: 'secrets', actions: all },
    { subject: 'environments', actions: all },
    { subject: 'member', actions: all },
    { subject: 'identity', actions: all },
    { subject: 'workspace', actions: all },
    { subject: 'audit-logs', actions: read },
  ],
  developer: [
    { subject: 'secrets', actions: all, environments: ['dev', 'staging'] },
    { subject: 'environments', actions: read },
    { subject: 'member', actions: read },
    { subject: 'identity', actions: read },
    { subject: 'workspace', actions: read },
  ],
  ci: [
    { subject: 'secrets', actions: read, environments: ['staging', 'prod'] },
    { subject: 'environments', actions: read },
    { subject: 'workspace', actions: read },
  ],
  viewer: [
    { subject: 'secrets', actions: read },
    { subject: 'environments', actions: read },
    { subject: 'workspace', actions: read },
  ],
  'no-access': [],
} as const satisfies Record<string, readonly Permission[]>;

export type ProjectRole = keyof typeof projectRoles;

/** A project role by its slug; Infisical's `member` is our `developer`. */
export const ProjectRole = z
  .enum([...(Object.keys(projectRoles) as [ProjectRole, ...ProjectRole[]]), 'member'])
  .transform((role): ProjectRole => (role === 'member' ? 'developer' : role));

export const organizationRoles = ['admin', 'member', 'no-access'] as const;

/** A role in an organization. Admins run it, and hold every right in its projects; members see it and may create projects. */
export const OrganizationRole = z.enum(organizationRoles);
export type OrganizationRole = z.infer<typeof OrganizationRole>;
