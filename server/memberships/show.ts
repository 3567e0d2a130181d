import { showUser } from '../people/show.ts';
import type { MembershipRow } from './store.ts';

type RoleTimes = Pick<MembershipRow['roles'][number], 'temporaryRange' | 'startsAt' | 'expiresAt'>;

const instant = (text: string | null) => (text === null ? null : new Date(text).toISOString());

export function showRoles({ roles, id: projectMembershipId }: MembershipRow) {
  return roles.map((role) => ({
    id: role.id,
    role: role.role,
    environments: role.environments,
    projectMembershipId,
    customRoleId: role.customRoleId,
    customRoleName: role.customRoleName,
    customRoleSlug: role.customRoleSlug,
    ...showTimes(role),
    createdAt: new Date(role.createdAt).toISOString(),
    updatedAt: new Date(role.updatedAt).toISOString(),
  }));
}

/** When a role is held. */
export function showTimes({ temporaryRange, startsAt, expiresAt }: RoleTimes) {
  return {
    isTemporary: expiresAt !== null,
    temporaryMode: expiresAt === null ? null : ('relative' as const),
    temporaryRange,
    temporaryAccessStartTime: instant(startsAt),
    temporaryAccessEndTime: instant(expiresAt),
  };
}

/** What a membership shows, whoever it is of. */
export function showMembershipOf(row: MembershipRow) {
  return {
    id: row.id,
    projectId: row.projectId,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
    roles: showRoles(row),
    project: { id: row.projectId, name: row.projectName },
  };
}

export function showUserMembership(row: MembershipRow) {
  const { holderId: id, name: email, firstName, lastName } = row;
  return { ...showMembershipOf(row), userId: id, user: showUser({ id, email, firstName, lastName }) };
}

export function showGroupMembership(row: MembershipRow) {
  const { holderId: id, name, slug, organizationId: orgId } = row;
  return { ...showMembershipOf(row), groupId: id, group: { id, name, slug: slug ?? '', orgId } };
}
