import type { SessionRow } from '../sessions/store.ts';
import type { PersonRow } from './store.ts';

/** A person as their own account shows them. No hash, and nothing of the keys that end-to-end encryption once had here. */
export function showPerson(row: PersonRow) {
  const { id, email, firstName, lastName, hasMfa } = row;
  const authMethods = [...(row.passwordHash === null ? [] : ['email']), ...(row.hasSso ? ['oidc'] : [])];
  return {
    id,
    username: email,
    email,
    firstName,
    lastName,
    isEmailVerified: false,
    isAccepted: authMethods.length > 0,
    isMfaEnabled: hasMfa,
    selectedMfaMethod: hasMfa ? ('totp' as const) : null,
    mfaMethods: hasMfa ? ['totp'] : [],
    authMethods,
    superAdmin: row.instanceAdmin,
    isGhost: false,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}

/** A person as others see them. */
export const showUser = ({
  id,
  email,
  firstName,
  lastName,
}: Pick<PersonRow, 'id' | 'email' | 'firstName' | 'lastName'>) => ({
  ...{ id, username: email, email, firstName, lastName },
  isEmailVerified: false as const,
  publicKey: null,
});

export function showSession(row: SessionRow, current: string | undefined) {
  return {
    id: row.id,
    userId: row.userId,
    ip: row.ip ?? '',
    userAgent: row.userAgent ?? '',
    method: row.method,
    isCurrent: row.id === current,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.lastUsedAt.toISOString(),
    lastUsed: row.lastUsedAt.toISOString(),
    expiresAt: row.expiresAt.toISOString(),
  };
}
