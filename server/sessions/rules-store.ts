import type { Db, Statement } from '../database/database.ts';

/** What an organization asks of those who enter it, and what a person is there. */
export interface EntryRow {
  readonly slug: string;
  readonly enforceMfa: boolean;
  readonly ssoEnforced: boolean;
  readonly role: string;
}

// The organization's row is held: its rules cannot become stricter between this look and the token that comes of it.
const ENTRY: Statement = {
  name: 'sessions.entry',
  text: `
    select o.slug, o.enforce_mfa as "enforceMfa", o.sso_enforced as "ssoEnforced", m.role
      from organizations o join organization_memberships m on m.organization_id = o.id
     where o.id = $1 and m.actor_id = $2 and m.is_active and m.status = 'accepted' for share of o`,
};

/** The rules of an organization for a person who is an active member. */
export async function findEntry(tx: Db, organizationId: string, userId: string): Promise<EntryRow | undefined> {
  return tx.first<EntryRow>(ENTRY, [organizationId, userId]);
}

const INSERT_CHALLENGE: Statement = {
  name: 'sessions.insert-challenge',
  text: `
    insert into mfa_challenges (session_id, organization_id, expires_at) values ($1, $2, now() + interval '10 minutes')
    returning id, floor(extract(epoch from now()))::float8 as "issuedAt", floor(extract(epoch from expires_at))::float8 as "expiresAt"`,
};

export interface ChallengeRow {
  readonly id: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
}

/** Notes that a session waits for its second factor, to enter an organization. */
export async function insertChallenge(tx: Db, sessionId: string, organizationId: string): Promise<ChallengeRow> {
  return tx.one<ChallengeRow>(INSERT_CHALLENGE, [sessionId, organizationId]);
}

const TAKE_TRY: Statement = {
  name: 'sessions.take-challenge-try',
  text: `
    update mfa_challenges c set tries = tries + 1 from sessions s
     where c.id = $1 and c.expires_at > now() and c.tries < 5 and s.id = c.session_id
    returning c.session_id as "sessionId", c.organization_id as "organizationId", s.user_id as "userId"`,
};

/** Takes one of the few tries of a challenge. Nothing when it has ended. */
export async function takeTry(
  db: Db,
  id: string,
): Promise<{ sessionId: string; organizationId: string; userId: string } | undefined> {
  return db.first<{ sessionId: string; organizationId: string; userId: string }>(TAKE_TRY, [id]);
}

const FIND_CHALLENGE: Statement = {
  name: 'sessions.find-challenge',
  text: `select s.user_id as "userId" from mfa_challenges c join sessions s on s.id = c.session_id where c.id = $1 and c.expires_at > now()`,
};

/** Whose challenge it is. */
export async function findChallenge(db: Db, id: string): Promise<{ userId: string } | undefined> {
  return db.first<{ userId: string }>(FIND_CHALLENGE, [id]);
}

const DELETE_CHALLENGE: Statement = {
  name: 'sessions.delete-challenge',
  text: 'delete from mfa_challenges where id = $1 returning id',
};

/** Takes a challenge away. False when somebody else did. */
export async function deleteChallenge(tx: Db, id: string): Promise<boolean> {
  return (await tx.query(DELETE_CHALLENGE, [id])).length === 1;
}
