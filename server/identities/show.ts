import { showMembershipOf } from '../memberships/show.ts';
import type { MembershipRow } from '../memberships/store.ts';
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

export function showProjectMembership(row: MembershipRow) {
  const { holderId: identityId, name, hasUniversalAuth } = row;
  return { ...showMembershipOf(row), identityId, identity: { id: identityId, name, ...methods(hasUniversalAuth) } };
}
