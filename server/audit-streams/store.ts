import { type AuditRow, RECORD } from '../audit/query-store.ts';
import type { Db, Statement } from '../database/database.ts';

export interface StreamRow {
  readonly id: string;
  readonly organizationId: string;
  readonly url: string;
  readonly sealedSecrets: Buffer;
  readonly failures: number;
  readonly lastError: string | null;
  readonly lastSentAt: Date | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

const COLUMNS = `
  id, organization_id as "organizationId", url, sealed_secrets as "sealedSecrets", failures, last_error as "lastError",
  last_sent_at as "lastSentAt", created_at as "createdAt", updated_at as "updatedAt"`;

const INSERT: Statement = {
  name: 'audit-streams.insert',
  text: `
    insert into audit_streams (id, organization_id, url, sealed_secrets, next) values ($1, $2, $3, $4, audit_horizon())
    returning ${COLUMNS}`,
};

/** A stream begins with what commits from now on. */
export async function insertStream(
  tx: Db,
  stream: Pick<StreamRow, 'id' | 'organizationId' | 'url' | 'sealedSecrets'>,
): Promise<StreamRow> {
  const { id, organizationId, url, sealedSecrets } = stream;
  return tx.one<StreamRow>(INSERT, [id, organizationId, url, sealedSecrets]);
}

const LIST: Statement = {
  name: 'audit-streams.list',
  text: `select ${COLUMNS} from audit_streams where organization_id = $1 order by created_at, id`,
};

export async function listStreams(db: Db, organizationId: string): Promise<StreamRow[]> {
  return db.query<StreamRow>(LIST, [organizationId]);
}

const FIND: Statement = { name: 'audit-streams.find', text: `select ${COLUMNS} from audit_streams where id = $1` };

export async function findStream(db: Db, id: string): Promise<StreamRow | undefined> {
  return db.first<StreamRow>(FIND, [id]);
}

const UPDATE: Statement = {
  name: 'audit-streams.update',
  text: `
    update audit_streams set url = $2, sealed_secrets = $3, failures = 0, last_error = null, retry_at = now(), updated_at = now()
     where id = $1 returning ${COLUMNS}`,
};

/** Changes a stream, which goes on where it was, at once. */
export async function updateStream(
  tx: Db,
  id: string,
  url: string,
  sealedSecrets: Buffer,
): Promise<StreamRow | undefined> {
  return tx.first<StreamRow>(UPDATE, [id, url, sealedSecrets]);
}

const DELETE: Statement = { name: 'audit-streams.delete', text: 'delete from audit_streams where id = $1' };

export async function deleteStream(tx: Db, id: string): Promise<void> {
  await tx.query(DELETE, [id]);
}

export interface ClaimedStream {
  readonly id: string;
  readonly organizationId: string;
  readonly url: string;
  readonly sealedSecrets: Buffer;
  readonly next: string;
  readonly afterId: string | null;
  readonly failures: number;
}

// A lease in place of a lock: a transaction that waits for another server would hold up the seals.
const CLAIM: Statement = {
  name: 'audit-streams.claim',
  text: `
    update audit_streams s set retry_at = now() + interval '30 seconds'
     where s.id in (
       select c.id from audit_streams c
        where c.retry_at <= now() and exists (select from audit_log where xid >= c.next and xid < audit_horizon())
        order by c.retry_at limit $1 for update skip locked)
    returning s.id, s.organization_id as "organizationId", s.url, s.sealed_secrets as "sealedSecrets", s.next::text, s.after_id as "afterId", s.failures`,
};

/** Streams with something to send, for this process alone during half a minute. */
export async function claimStreams(db: Db, limit: number): Promise<ClaimedStream[]> {
  return db.query<ClaimedStream>(CLAIM, [limit]);
}

const NEXT_RECORDS: Statement = {
  name: 'audit-streams.next-records',
  text: `
    select ${RECORD}, l.xid::text, audit_horizon()::text as horizon
      from audit_log l
     where l.organization_id = $1 and l.xid >= $2::xid8 and l.xid < audit_horizon()
       and (l.xid > $2::xid8 or $3::uuid is null or l.id > $3)
     order by l.xid, l.id limit $4`,
};

export type StreamedRow = AuditRow & { readonly xid: string; readonly horizon: string };

/** Records of an organization in the order of their transactions, none of which another can come before any more. */
export async function nextRecords(db: Db, stream: ClaimedStream, limit: number): Promise<StreamedRow[]> {
  return db.query<StreamedRow>(NEXT_RECORDS, [stream.organizationId, stream.next, stream.afterId, limit]);
}

const HORIZON: Statement = { name: 'audit-streams.horizon', text: 'select audit_horizon()::text as horizon' };

export async function horizonOf(db: Db): Promise<string> {
  return (await db.one<{ horizon: string }>(HORIZON, [])).horizon;
}

const ADVANCE: Statement = {
  name: 'audit-streams.advance',
  text: `
    update audit_streams set next = $2::xid8, after_id = $3, failures = 0, last_error = null,
           last_sent_at = case when $4 then now() else last_sent_at end,
           retry_at = case when $5 then now() else now() + interval '30 seconds' end
     where id = $1 and next <= $2::xid8`,
};

/** Notes how far a stream has come; `done` gives it free again. */
export async function advanceStream(
  db: Db,
  id: string,
  to: { readonly next: string; readonly afterId: string | null; readonly sent: boolean; readonly done: boolean },
): Promise<void> {
  await db.query(ADVANCE, [id, to.next, to.afterId, to.sent, to.done]);
}

const FAILED: Statement = {
  name: 'audit-streams.failed',
  text: `
    update audit_streams set failures = failures + 1, last_error = $2,
           retry_at = now() + least(300, power(2, least(failures, 10))) * interval '1 second'
     where id = $1`,
};

/** Puts a stream off: 1 second after its first failure, twice as long after each more, 5 minutes at most. */
export async function streamFailed(db: Db, id: string, error: string): Promise<void> {
  await db.query(FAILED, [id, error]);
}
