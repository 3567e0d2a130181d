import type { Origin } from '../audit/store.ts';
import type { Db, Statement } from '../database/database.ts';
import { ISSUED, type IssuedRow } from '../tokens/store.ts';

export interface SessionRow {
  readonly id: string;
  readonly userId: string;
  readonly method: 'password' | 'oidc';
  /** The organization that a provider's session is confined to. */
  readonly organizationId: string | null;
  readonly selectedOrganizationId: string | null;
  readonly generation: number;
  readonly ip: string | null;
  readonly userAgent: string | null;
  readonly mfaDone: boolean;
  /** Whether the person proved who they are a short while ago. */
  readonly fresh: boolean;
  readonly createdAt: Date;
  readonly lastUsedAt: Date;
  readonly expiresAt: Date;
}

const COLUMNS = `
  s.id, s.user_id as "userId", s.method, s.organization_id as "organizationId",
  s.selected_organization_id as "selectedOrganizationId", s.generation, host(s.ip) as ip, s.user_agent as "userAgent",
  s.mfa_at is not null as "mfaDone", greatest(s.authenticated_at, s.mfa_at) > now() - interval '15 minutes' as fresh,
  s.created_at as "createdAt", s.rotated_at as "lastUsedAt", s.expires_at as "expiresAt"`;

/** A session that was not used for a week has ended, and any at its end. */
const LIVE = `s.ended_at is null and s.expires_at > now() and s.rotated_at > now() - interval '7 days'`;

const INSERT: Statement = {
  name: 'sessions.insert',
  text: `
    insert into sessions as s (user_id, method, organization_id, ip, user_agent, expires_at)
    values ($1, $2, $3, $4, $5, now() + interval '30 days') returning ${COLUMNS}`,
};

/** Opens a session, for 30 days at most. */
export async function insertSession(
  db: Db,
  session: { readonly userId: string; readonly method: 'password' | 'oidc'; readonly organizationId: string | null },
  origin: Origin,
): Promise<SessionRow> {
  const { userId, method, organizationId } = session;
  return db.one<SessionRow>(INSERT, [userId, method, organizationId, origin.ip, origin.userAgent]);
}

const INSERT_BESIDE: Statement = {
  name: 'sessions.insert-beside',
  text: `
    insert into sessions as s (user_id, method, organization_id, selected_organization_id, authenticated_at, mfa_at, ip, user_agent, expires_at)
    select user_id, method, organization_id, $2, authenticated_at, mfa_at, $3, $4, now() + interval '30 days'
      from sessions where id = $1 returning ${COLUMNS}`,
};

/** A session beside another of the same person. They proved who they are when they did so for the other: none makes itself younger. */
export async function insertSessionBeside(
  tx: Db,
  sessionId: string,
  organizationId: string,
  origin: Origin,
): Promise<SessionRow> {
  return tx.one<SessionRow>(INSERT_BESIDE, [sessionId, organizationId, origin.ip, origin.userAgent]);
}

const INSERT_TOKEN: Statement = {
  name: 'sessions.insert-token',
  text: `
    with t as (
      insert into access_tokens (actor_id, session_id, organization_id, limited, ttl, max_ttl, expires_at)
      select s.user_id, s.id, $2, $3, l.seconds, l.seconds, now() + l.seconds * interval '1 second'
        from sessions s, least($4::int, floor(extract(epoch from s.expires_at - now()))::int) as l (seconds)
       where s.id = $1 and ${LIVE} returning *
    )
    select ${ISSUED} from t join actors a on a.id = t.actor_id`,
};

/** An access token of a session, which ends with it. Nothing when the session has ended. */
export async function insertSessionToken(
  db: Db,
  token: {
    readonly sessionId: string;
    readonly organizationId: string;
    readonly limited: boolean;
    readonly ttl: number;
  },
): Promise<IssuedRow | undefined> {
  const { sessionId, organizationId, limited, ttl } = token;
  return db.first<IssuedRow>(INSERT_TOKEN, [sessionId, organizationId, limited, ttl]);
}

const SELECT: Statement = {
  name: 'sessions.select-organization',
  text: 'update sessions set selected_organization_id = $2 where id = $1',
};

/** Remembers which organization the session's next tokens are for. */
export async function selectOrganization(db: Db, sessionId: string, organizationId: string): Promise<void> {
  await db.query(SELECT, [sessionId, organizationId]);
}

const OF_TOKEN: Statement = {
  name: 'sessions.of-token',
  text: `select ${COLUMNS} from access_tokens t join sessions s on s.id = t.session_id where t.id = $1 and ${LIVE}`,
};

/** The session that an access token belongs to. */
export async function sessionOfToken(db: Db, tokenId: string): Promise<SessionRow | undefined> {
  return db.first<SessionRow>(OF_TOKEN, [tokenId]);
}

const LOCK: Statement = {
  name: 'sessions.lock',
  text: `select ${COLUMNS}, s.rotated_at > now() - interval '15 seconds' as "justRotated" from sessions s where s.id = $1 and ${LIVE} for update`,
};

/** A live session, locked. */
export async function lockSession(tx: Db, id: string): Promise<(SessionRow & { justRotated: boolean }) | undefined> {
  return tx.first<SessionRow & { justRotated: boolean }>(LOCK, [id]);
}

const ROTATE: Statement = {
  name: 'sessions.rotate',
  text: 'update sessions set generation = generation + 1, rotated_at = now() where id = $1',
};

export async function rotateSession(tx: Db, id: string): Promise<void> {
  await tx.query(ROTATE, [id]);
}

const LIST: Statement = {
  name: 'sessions.list',
  text: `select ${COLUMNS} from sessions s where s.user_id = $1 and ${LIVE} order by s.rotated_at desc, s.id`,
};

export async function listSessions(db: Db, userId: string): Promise<SessionRow[]> {
  return db.query<SessionRow>(LIST, [userId]);
}

const MFA_DONE: Statement = { name: 'sessions.mfa-done', text: 'update sessions set mfa_at = now() where id = $1' };

export async function markMfaDone(tx: Db, id: string): Promise<void> {
  await tx.query(MFA_DONE, [id]);
}

// Its tokens are revoked, not deleted, so that whoever goes on with one is told why.
const END = (name: string, which: string): Statement => ({
  name: `sessions.end-${name}`,
  text: `
    with ended as (update sessions s set ended_at = now() where ${which} and s.ended_at is null returning s.id),
    revoked as (
      update access_tokens t set revoked_at = now() from ended where t.session_id = ended.id and t.revoked_at is null
    )
    select id from ended`,
});
const END_ONE = END('one', 's.id = $1 and s.user_id = $2');
const END_ALL = END('all', 's.user_id = $1 and ($2::uuid is null or s.id <> $2)');

/** Ends a session of a person, tokens and all. False when it had ended, or is somebody else's. */
export async function endSession(db: Db, id: string, userId: string): Promise<boolean> {
  return (await db.query(END_ONE, [id, userId])).length > 0;
}

/** Ends all sessions of a person, but for one to keep. How many those were. */
export async function endSessions(db: Db, userId: string, keep?: string): Promise<number> {
  return (await db.query(END_ALL, [userId, keep ?? null])).length;
}

// A person's tokens of other origin, as a way back in with kms-secrets, end with the sessions that they could restore.
const REVOKE_TOKENS: Statement = {
  name: 'sessions.revoke-tokens-of-person',
  text: `
    update access_tokens set revoked_at = now()
     where actor_id = $1 and revoked_at is null and ($2::uuid is null or session_id is distinct from $2)`,
};

/** Refuses every token of a person from the next request on, but for those of one session. */
export async function revokeTokensOf(db: Db, userId: string, keepSession?: string): Promise<void> {
  await db.query(REVOKE_TOKENS, [userId, keepSession ?? null]);
}

const END_AGAINST_RULES: Statement = {
  name: 'sessions.end-tokens-against-rules',
  text: `
    update access_tokens t set revoked_at = now()
      from sessions s, users u
     where t.organization_id = $1 and t.revoked_at is null and s.id = t.session_id and u.id = s.user_id
       and (($2 and s.mfa_at is null) or ($3 and s.method <> 'oidc'
            and not (s.mfa_at is not null and exists (select from organization_memberships m
                      where m.actor_id = u.id and m.organization_id = $1 and m.role = 'admin'))))`,
};

/** Ends the tokens of an organization that its rules no longer allow. */
export async function endTokensAgainstRules(
  tx: Db,
  organizationId: string,
  rules: { readonly enforceMfa: boolean; readonly ssoEnforced: boolean },
): Promise<void> {
  await tx.query(END_AGAINST_RULES, [organizationId, rules.enforceMfa, rules.ssoEnforced]);
}

const LEAVE: Statement = {
  name: 'sessions.leave-organization',
  text: `
    with ended as (update sessions set ended_at = now() where organization_id = $1 and user_id = $2 and ended_at is null)
    update access_tokens set revoked_at = now() where actor_id = $2 and organization_id = $1 and revoked_at is null`,
};

/** Refuses, from the next request on, every token that a person has for an organization. */
export async function endTokensInOrganization(tx: Db, organizationId: string, userId: string): Promise<void> {
  await tx.query(LEAVE, [organizationId, userId]);
}

const SWEEP: Statement = {
  name: 'sessions.sweep',
  text: `
    with links as (delete from one_time_links where expires_at < now() - interval '30 days'),
         attempts as (delete from sso_attempts where expires_at < now()),
         challenges as (delete from mfa_challenges where expires_at < now()),
         codes as (delete from command_line_codes where expires_at < now())
    delete from sessions where id in (
      select id from sessions where expires_at < now() or ended_at < now() - interval '1 day' or rotated_at < now() - interval '8 days'
       limit 10000)`,
};

/** Deletes what ended long ago. */
export async function sweepSessions(db: Db): Promise<void> {
  await db.query(SWEEP, []);
}
