import type { AuditRecord, Origin } from '../audit/store.ts';
import type { PersonRow } from '../people/store.ts';
import type { SessionRow } from './store.ts';

/** Something that happens to a session as a whole, in the organization that it is in. */
export function sessionRecord(
  person: PersonRow,
  session: SessionRow,
  event: string,
  outcome: 'allowed' | 'refused',
  origin: Origin,
): AuditRecord {
  return {
    action: 'login',
    event,
    outcome,
    actor: actorOf(person),
    organizationId: session.selectedOrganizationId ?? session.organizationId,
    metadata: { sessionId: session.id },
    origin,
  };
}

/** Somebody enters an organization, and how they had shown who they are. */
export function entryRecord(
  person: PersonRow,
  session: SessionRow,
  organizationId: string,
  origin: Origin,
): AuditRecord {
  return {
    action: 'login',
    event: 'select-organization',
    outcome: 'allowed',
    actor: actorOf(person),
    organizationId,
    metadata: { sessionId: session.id, method: session.method, secondFactor: session.mfaDone },
    origin,
  };
}

/** Somebody ends a session of theirs; all of them, when it is not named. */
export function endRecord(person: PersonRow, sessionId: string | undefined, origin: Origin): AuditRecord {
  return {
    action: 'delete',
    event: sessionId === undefined ? 'end-sessions' : 'end-session',
    outcome: 'allowed',
    actor: actorOf(person),
    metadata: sessionId === undefined ? {} : { sessionId },
    origin,
  };
}

const actorOf = ({ id, email }: PersonRow) => ({ kind: 'user', id, name: email });
