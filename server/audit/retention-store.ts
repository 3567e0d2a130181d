import type { Db, Statement } from '../database/database.ts';
import { WRITTEN_TABLES, type WrittenTable } from './written.ts';

export interface OldPartition {
  readonly name: string;
  /** The first moment after it. */
  readonly until: Date;
  /** Rows of it that the batches seal. */
  readonly rows: number;
  /** Whether everything in it is sealed. */
  readonly sealed: boolean;
}

// A partition that a checkpoint names, and that is still there, is listed again: its drop failed, and is tried again.
const OLD: Statement = {
  name: 'retention.old-partitions',
  text: `
    with kept as (
      select greatest((select audit_retention_days from instance), (select max(audit_retention_days) from projects)) as days
    ),
    months as (
      select c.relname::text as name, c.oid, (to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month') at time zone 'UTC' as until
        from pg_inherits i join pg_class c on c.oid = i.inhrelid
       where i.inhparent = 'audit_log'::regclass and c.relname ~ '^audit_log_[0-9]{4}_[0-9]{2}$'
    )
    select m.name, m.until,
           coalesce((select sum(part.count) from audit_batches b, unnest(b.parts, b.counts) as part (name, count)
                      where part.name = m.name), 0)::float8 as rows,
           not exists (select from audit_log l, audit_sealer s where l.tableoid = m.oid and l.xid >= s.next) as sealed
      from months m, kept k
     where m.until <= $1::timestamptz - k.days * interval '1 day'
     order by m.until`,
};

/** Partitions whose every record is older than the longest time that records are kept, at `now`. */
export async function oldPartitions(db: Db, now: Date): Promise<OldPartition[]> {
  return db.query<OldPartition>(OLD, [now]);
}

const CHECKPOINTED: Statement = {
  name: 'retention.checkpointed',
  text: `select exists (select from audit_batches where kind = 'checkpoint' and note::jsonb ->> 'dropped' = $1) as done`,
};

/** Whether a checkpoint lets this partition be gone. */
export async function isCheckpointed(db: Db, partition: string): Promise<boolean> {
  return (await db.one<{ done: boolean }>(CHECKPOINTED, [partition])).done;
}

export interface LastRecord {
  readonly table: WrittenTable;
  readonly secretId: string;
  readonly action: string;
  readonly metadata: Record<string, unknown>;
}

const LAST_RECORDS: Statement = {
  name: 'retention.last-records',
  text: `
    select s."table", s.id::text as "secretId", r.action, r.metadata
      from (${WRITTEN_TABLES.map((table) => `select '${table}' as "table", id from ${table}`).join(' union all ')}) s
      join lateral (
        select l.tableoid, l.action, l.metadata from audit_log l
         where l.metadata ->> 'secretId' = s.id::text and l.secret_key is not null and l.metadata is not null
           and l.metadata ? 'mac' and l.metadata ->> 'version' ~ '^[0-9]{1,9}$'
         order by (l.metadata ->> 'version')::int desc, (l.action = 'delete') desc, l.xid desc limit 1
      ) r on r.tableoid = to_regclass($1)::oid`,
};

/** Live secrets whose newest record lies in this partition: what it says of them must outlive it. */
export async function lastRecordsIn(db: Db, partition: string): Promise<LastRecord[]> {
  return db.query<LastRecord>(LAST_RECORDS, [partition]);
}

const KEEP: Statement = {
  name: 'retention.keep-written',
  text: `
    insert into audit_attestations (tab, row_id, columns, digest)
    select tab, id, array[version, hash, comment], ''::bytea
      from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) as kept (id, version, hash, comment, tab)`,
};

export interface KeptSecret {
  readonly table: WrittenTable;
  readonly secretId: string;
  readonly version: number;
  readonly sealedHash: string;
  readonly commentHash: string | null;
}

/** Keeps on what was written last of these secrets; the transaction's attestations are signed off after it. */
export async function keepWritten(tx: Db, secrets: readonly KeptSecret[]): Promise<void> {
  await tx.query(KEEP, [
    secrets.map(({ secretId }) => secretId),
    secrets.map(({ version }) => String(version)),
    secrets.map(({ sealedHash }) => sealedHash),
    secrets.map(({ commentHash }) => commentHash ?? ''),
    secrets.map(({ table }) => table),
  ]);
}

const DROP: Statement = {
  name: '',
  text: 'select drop_audit_partition($1)',
};

/** Drops a partition: no row is deleted, so it takes the same moment whatever was in it. */
export async function dropPartition(db: Db, partition: string): Promise<void> {
  await db.query(DROP, [partition]);
}

const FORGET_HINTS: Statement = {
  name: 'retention.forget-hints',
  text: `
    update audit_batches b
       set hints = array(select case when p = $1 then ''::bytea else h end from unnest(b.parts, b.hints) with ordinality as u (p, h, n) order by n)
     where number in (
       select number from audit_batches o, unnest(o.parts, o.hints) as u (p, h) where u.p = $1 and octet_length(u.h) > 0 limit 5000)
    returning number`,
};

/** Frees what named the rows of a dropped partition, some batches at a time. True while there are more. */
export async function forgetHints(db: Db, partition: string): Promise<boolean> {
  return (await db.query(FORGET_HINTS, [partition])).length > 0;
}
