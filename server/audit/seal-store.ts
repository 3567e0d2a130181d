import type { Db, Statement } from '../database/database.ts';
import { leafSql, NAMED_BY, nameSql, type SealedTable } from './encoding.ts';
import type { SignedHead } from './head.ts';

export interface SealerState {
  readonly number: number;
  readonly hash: Buffer;
  readonly next: string;
  readonly exported: number;
  /** Transactions before this one have all ended. */
  readonly horizon: string;
  /** Whether anything waits to be sealed. */
  readonly waiting: boolean;
  /** Whether another process has sealed within its lease. */
  readonly leased: boolean;
  /** The newest version of the key that signs; whoever does not hold it must not sign. */
  readonly keyVersion: number;
}

const EXISTS = (table: SealedTable) => `exists (select from ${table} where xid >= s.next and xid < audit_horizon())`;
const STATE = `
  s.number::float8 as number, s.hash, s.next::text, s.exported::float8 as exported, audit_horizon()::text as horizon,
  ${EXISTS('audit_log')} or ${EXISTS('audit_manifests')} or ${EXISTS('audit_attestations')} as waiting,
  s.holder is not null and s.holder <> $1 and s.lease_until > now() as leased,
  (select max(version) from instance_keys where purpose = 'audit-signing') as "keyVersion"`;

const LOOK: Statement = { name: 'audit.sealer-look', text: `select ${STATE} from audit_sealer s` };

/** Where sealing stands, as `replica` sees it. */
export async function lookAtSealer(db: Db, replica: string): Promise<SealerState> {
  return db.one<SealerState>(LOOK, [replica]);
}

const NEXT: Statement = {
  name: 'audit.next-transaction',
  text: 'select pg_snapshot_xmax(pg_current_snapshot())::text as next',
};

/** Every transaction that has begun and written comes before this one. */
export async function nextTransaction(db: Db): Promise<string> {
  return (await db.one<{ next: string }>(NEXT, [])).next;
}

const OPEN_BEFORE = (table: SealedTable) => `exists (select from ${table} where xid >= s.next and xid < $2::xid8)`;
const OPEN: Statement = {
  name: 'audit.is-open',
  text: `
    select (${OPEN_BEFORE('audit_log')} or ${OPEN_BEFORE('audit_manifests')} or ${OPEN_BEFORE('audit_attestations')})
           and not (s.holder is not null and s.holder <> $1 and s.lease_until > now()) as open
      from audit_sealer s`,
};

/** Whether anything of the transactions before `goal` is not sealed, and `replica` is to seal it. */
export async function isOpen(db: Db, replica: string, goal: string): Promise<boolean> {
  return (await db.one<{ open: boolean }>(OPEN, [replica, goal])).open;
}

const TAKE: Statement = {
  name: 'audit.sealer-take',
  text: `select ${STATE} from audit_sealer s for update of s skip locked`,
};

/** As `lookAtSealer`, and keeps others from sealing until the transaction ends. Nothing while another does. */
export async function takeSealer(tx: Db, replica: string): Promise<SealerState | undefined> {
  return tx.first<SealerState>(TAKE, [replica]);
}

const BOUND: Statement = {
  name: 'audit.seal-bound',
  text: `
    select xid::text from audit_log where xid >= $1::xid8 and xid < $2::xid8 order by xid offset $3 limit 1`,
};

/** The transaction that row number `size` from `first` on belongs to; nothing when there are fewer rows. */
export async function transactionAt(tx: Db, first: string, horizon: string, size: number): Promise<string | undefined> {
  return (await tx.first<{ xid: string }>(BOUND, [first, horizon, size]))?.xid;
}

export interface Leaves {
  readonly name: string;
  readonly rows: number;
  /** 32 bytes a row. */
  readonly leaves: Buffer;
  /** 8 bytes of the row's name and 4 of its leaf. */
  readonly hints: Buffer;
}

const leavesOf = (table: SealedTable) => `
  select c.relname::text as name, count(*)::int as rows,
         string_agg(leaf, ''::bytea order by r.xid, r.named) as leaves,
         string_agg(short || substring(leaf from 1 for 4), ''::bytea order by r.xid, r.named) as hints
    from (select tableoid, xid, ${NAMED_BY[table]} as named, ${nameSql(table)} as short, ${leafSql(table)} as leaf
            from ${table} where xid >= $1::xid8 and xid < $2::xid8) r
    join pg_class c on c.oid = r.tableoid
   group by c.relname`;

const LEAVES: Statement = {
  name: 'audit.seal-leaves',
  text: `
    ${leavesOf('audit_log')} union all ${leavesOf('audit_manifests')} union all ${leavesOf('audit_attestations')} order by name`,
};

/** The leaves of all rows of these transactions, by table and partition. */
export async function readLeaves(tx: Db, first: string, until: string): Promise<Leaves[]> {
  return tx.query<Leaves>(LEAVES, [first, until]);
}

const INSERT: Statement = {
  name: 'audit.insert-batch',
  text: `
    insert into audit_batches (number, kind, first, until, sealed_at, replica, parts, counts, roots, hints, note, key_version,
                               previous, hash, signature)
    values ($1, $2, $3::xid8, $4::xid8, $5, $6, $7::text[], $8::int[], $9::bytea[], $10::bytea[], $11, $12, $13, $14, $15)`,
};

const ADVANCE: Statement = {
  name: 'audit.sealer-advance',
  text: `
    update audit_sealer set number = $1, hash = $2, next = $3::xid8, holder = $4, lease_until = now() + interval '5 seconds'`,
};

/** Stores a signed head and makes it the last one. */
export async function insertBatch(tx: Db, head: SignedHead, hints: readonly Buffer[]): Promise<void> {
  await tx.query(INSERT, [
    head.number,
    head.kind,
    head.first,
    head.until,
    head.sealedAt,
    head.replica,
    head.parts.map(({ name }) => name),
    head.parts.map(({ rows }) => rows),
    head.parts.map(({ root }) => root),
    hints,
    head.note,
    head.keyVersion,
    head.previous,
    head.hash,
    head.signature,
  ]);
  await tx.query(ADVANCE, [head.number, head.hash, head.until, head.replica]);
}

export type BatchRow = Omit<SignedHead, 'instanceId' | 'keyFingerprint' | 'parts'> & {
  readonly names: string[];
  readonly counts: number[];
  readonly roots: Buffer[];
  readonly hints: Buffer[];
};

/** Every column of a batch but its hints, as a BatchRow has them. */
export const BATCH_COLUMNS = `
  number::float8 as number, kind, first::text, until::text, sealed_at as "sealedAt", replica, parts as names, counts, roots,
  note, key_version as "keyVersion", previous, hash, signature`;

const READ: Statement = {
  name: 'audit.read-batches',
  text: `
    select ${BATCH_COLUMNS}, case when $3 then hints else '{}' end as hints
      from audit_batches where number > $1 order by number limit $2`,
};

/** The batches after a number, in order. */
export async function readBatches(db: Db, after: number, limit: number, withHints = false): Promise<BatchRow[]> {
  return db.query<BatchRow>(READ, [after, limit, withHints]);
}

const REBASE: Statement = {
  name: 'audit.rebase',
  text: `
    do $do$
    declare
      shift numeric := (select greatest(0, next::text::numeric - pg_current_xact_id()::text::numeric + 1) from audit_sealer);
    begin
      execute format('create or replace function audit_position() returns xid8 language sql stable as %L',
        format('select (pg_current_xact_id()::text::numeric + %s)::text::xid8', shift));
      execute format('create or replace function audit_horizon() returns xid8 language sql stable as %L',
        format('select (pg_snapshot_xmin(pg_current_snapshot())::text::numeric + %s)::text::xid8', shift));
    end $do$`,
};

/**
 * For a database that was brought here as a dump, whose transactions are numbered lower than those of its records: from
 * now on what is written here comes after what was sealed there.
 */
export async function rebase(tx: Db): Promise<void> {
  await tx.query(REBASE, []);
}

const EXPORTED: Statement = {
  name: 'audit.sealer-exported',
  text: 'update audit_sealer set exported = greatest(exported, $1)',
};

/** Notes that the sink has all heads up to this number. */
export async function setExported(db: Db, number: number): Promise<void> {
  await db.query(EXPORTED, [number]);
}
