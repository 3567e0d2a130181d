import type { ProjectIdentityRow } from './memberships-store.ts';
import type { IdentityRow } from './store.ts';

/** Rows of identities as the API shows them. */

const methods = (hasUniversalAuth: boolean) => ({
  authMethod: hasUniversalAuth ? 'universal-auth' : null,
  authMethods: hasUniversalAuth ? ['universal-auth'] : [],
});

export function showIdentity(row: IdentityRow) {
  return {
    id: row.id,
    name: row.name,
    orgId: row.organizationId,
    ...methods(row.hasUniversalAuth),
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}

/** As a member of the organization: the outer id is the membership's, as Infisical has it. */
export function showMembership(row: IdentityRow) {
  return {
    id: row.membershipId,
    role: row.role,
    roleId: null,
    orgId: row.organizationId,
    identityId: row.id,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
    identity: { id: row.id, name: row.name, ...methods(row.hasUniversalAuth) },
  };
}

const instant = (text: string | null) => (text === null ? null : new Date(text).toISOString());

export function showProjectMembership(row: ProjectIdentityRow) {
  return {
    id: row.id,
    identityId: row.identityId,
    projectId: row.projectId,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
    roles: row.roles.map((role) => ({
      id: role.id,
      role: role.role,
      environments: role.environments,
      customRoleId: null,
      customRoleName: null,
      customRoleSlug: null,
      isTemporary: role.expiresAt !== null,
      temporaryMode: role.expiresAt === null ? null : 'relative',
      temporaryRange: role.temporaryRange,
      temporaryAccessStartTime: instant(role.startsAt),
      temporaryAccessEndTime: instant(role.expiresAt),
    })),
    identity: { id: row.identityId, name: row.identityName, ...methods(row.hasUniversalAuth) },
    project: { id: row.projectId, name: row.projectName },
  };
}
