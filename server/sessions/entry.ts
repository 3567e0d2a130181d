import type { PersonRow } from '../people/store.ts';
import type { EntryRow } from './rules-store.ts';
import type { SessionRow } from './store.ts';

/** Why a person may not enter an organization with this session, if so. */
export function entryRefused(
  person: PersonRow,
  session: SessionRow,
  organizationId: string,
  entry: EntryRow,
): string | undefined {
  if (session.organizationId !== null && session.organizationId !== organizationId) {
    return "this session was opened by another organization's single sign-on; log in with your password to enter this one";
  }
  // A way back for admins: a provider that is down, or was set up wrong, must not lock an organization for good.
  const wayBack = entry.role === 'admin' && person.hasMfa;
  if (entry.ssoEnforced && session.method !== 'oidc' && !wayBack) {
    return `organization "${entry.slug}" lets people in by single sign-on: open /api/v1/sso/oidc/login?orgSlug=${entry.slug}`;
  }
  if (entry.enforceMfa && !person.hasMfa) {
    return `organization "${entry.slug}" asks for a second factor; set one up with POST /api/v1/user/me/totp/register and /verify`;
  }
  return undefined;
}

/** Whether the second factor is asked for before this session enters: the person has one, or the organization wants it. */
export function needsSecondFactor(person: PersonRow, session: SessionRow, entry: EntryRow): boolean {
  return (person.hasMfa || entry.enforceMfa) && !session.mfaDone;
}
