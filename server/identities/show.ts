import { showMembershipOf } from '../memberships/show.ts';
import type { MembershipRow } from '../memberships/store.ts';
import type { IdentityRow } from './store.ts';

/** Rows of identities as the API shows them. */

/** July 2024 had one login an identity, and the present day has a list. */
const methods = (authMethods: readonly string[]) => ({
  authMethod: authMethods[0] ?? null,
  authMethods: [...authMethods],
});

export function showIdentity(row: IdentityRow) {
  return {
    id: row.id,
    name: row.name,
    orgId: row.organizationId,
    ...methods(row.authMethods),
    hasDeleteProtection: row.hasDeleteProtection,
    metadata: [...row.metadata],
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}

/** As a member of the organization: the outer id is the membership's, as Infisical has it. */
export function showMembership(row: IdentityRow) {
  return {
    id: row.membershipId,
    role: row.role,
    roleId: row.customRole?.id ?? null,
    customRole: row.customRole,
    orgId: row.organizationId,
    identityId: row.id,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
    metadata: [...row.metadata],
    lastLoginAuthMethod: row.lastLoginMethod,
    lastLoginTime: row.lastLoginAt?.toISOString() ?? null,
    identity: {
      id: row.id,
      name: row.name,
      ...methods(row.authMethods),
      hasDeleteProtection: row.hasDeleteProtection,
    },
  };
}

export function showProjectMembership(row: MembershipRow) {
  const { holderId: identityId, name, authMethods } = row;
  return { ...showMembershipOf(row), identityId, identity: { id: identityId, name, ...methods(authMethods) } };
}
