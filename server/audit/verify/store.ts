import type { Db, Statement } from '../../database/database.ts';
import { ADOPTED, rowIdSql } from '../attest-store.ts';
import { ATTESTED, type AttestedTable } from '../attested.ts';
import { COLUMNS, NAMED_BY, type SealedTable } from '../encoding.ts';
import { BATCH_COLUMNS } from '../seal-store.ts';
import type { WrittenTable } from '../written.ts';

const ONE_MOMENT: Statement = { name: '', text: 'set transaction isolation level repeatable read, read only' };

/** All that follows in the transaction is of one moment, however long it takes. */
export async function holdMoment(tx: Db): Promise<void> {
  await tx.query(ONE_MOMENT, []);
}

const PAGE = 2_000;

/** Rows of a statement, a page at a time. The statement has no parameters; `name` is the cursor's. */
export async function* stream<Row extends object>(tx: Db, name: string, text: string): AsyncGenerator<Row> {
  await tx.query({ name: '', text: `declare ${name} no scroll cursor for ${text}` }, []);
  for (;;) {
    const rows = await tx.query<Row>({ name: '', text: `fetch ${PAGE} from ${name}` }, []);
    yield* rows;
    if (rows.length < PAGE) break;
  }
  await tx.query({ name: '', text: `close ${name}` }, []);
}

/** A row of a sealed table: the table or partition it lies in (by its oid), and its columns as text, by their place in COLUMNS. */
export interface SealedRow {
  readonly part: string;
  readonly xid: string;
  readonly named: string;
  readonly columns: (string | null)[];
}

/** All rows of a sealed table in the order of the seals. */
export const sealedRows = (table: SealedTable): string => `
  select t.tableoid::text as part, t.xid::text as xid, t.${NAMED_BY[table]}::text as named,
         array[${COLUMNS[table].map((column) => `t.${column}::text`).join(', ')}] as columns
    from ${table} t
   order by t.xid, t.${NAMED_BY[table]}`;

const PARTS: Statement = {
  name: 'verify.parts',
  text: `
    select oid::text, relname::text as name from pg_class
     where oid in ('audit_manifests'::regclass, 'audit_attestations'::regclass)
        or oid in (select relid from pg_partition_tree('audit_log'))`,
};

/** The names of the tables and partitions that hold sealed rows, by their oids. */
export async function partNames(tx: Db): Promise<Map<string, string>> {
  return new Map((await tx.query<{ oid: string; name: string }>(PARTS, [])).map(({ oid, name }) => [oid, name]));
}

const ROWS_OF: Record<SealedTable, Statement> = {
  audit_log: rowsOf('audit_log'),
  audit_manifests: rowsOf('audit_manifests'),
  audit_attestations: rowsOf('audit_attestations'),
};

function rowsOf(table: SealedTable): Statement {
  const text = sealedRows(table).replace(/order by/, 'where t.xid >= $1::xid8 and t.xid < $2::xid8 order by');
  return { name: `verify.rows-${table}`, text };
}

/** The rows of one batch again, to name those that are not as they were. */
export async function readRows(tx: Db, table: SealedTable, first: string, until: string): Promise<SealedRow[]> {
  return tx.query<SealedRow>(ROWS_OF[table], [first, until]);
}

export const BATCHES = `
  select ${BATCH_COLUMNS}, hints
    from audit_batches order by number`;

const EDGE: Statement = {
  name: 'verify.edge',
  text: `
    select (pg_snapshot_xmax(pg_current_snapshot())::text::numeric
            + (audit_horizon()::text::numeric - pg_snapshot_xmin(pg_current_snapshot())::text::numeric))::text as ahead`,
};

/** No row that is seen can be of this transaction or a later one. */
export async function edgeOfTime(tx: Db): Promise<string> {
  return (await tx.one<{ ahead: string }>(EDGE, [])).ahead;
}

export interface LiveGrant {
  readonly rowId: string;
  readonly about: Record<string, unknown> | null;
  readonly n: string | null;
  readonly xid: string;
  readonly columns: string[];
  readonly digest: Buffer | null;
  readonly mac: Buffer | null;
  readonly live: Buffer | null;
}

/** What tells a person which grant it is. Never a hash or a setting that somebody could try values on. */
const TELLING = [
  'role',
  'actor_id',
  'identity_id',
  'user_id',
  'membership_id',
  'project_id',
  'organization_id',
  'instance_admin',
  'slug',
  'path',
];

/** Picks rows of an attested table by their names, as `$1`. */
const NAMED = (table: AttestedTable): string =>
  table.key.length === 1
    ? `where t.${table.key[0]} = any($1::uuid[])`
    : `where ${rowIdSql('to_jsonb(t)', table)} = any($1::text[])`;

const GRANTS_OF = new Map(
  ATTESTED.map((table) => [
    table.name,
    { name: `verify.grants-of-${table.name}`, text: liveGrants(table, NAMED(table)) },
  ]),
);

/** As liveGrants, of these rows alone. */
export async function grantsOf(db: Db, { name }: AttestedTable, rowIds: readonly string[]): Promise<LiveGrant[]> {
  return db.query<LiveGrant>(GRANTS_OF.get(name)!, [rowIds]);
}

const LOCK_GRANTS = new Map(
  ATTESTED.map((table) => [
    table.name,
    { name: `verify.lock-${table.name}`, text: `select from ${table.name} t ${NAMED(table)} for no key update` },
  ]),
);

/** Keeps others from changing these rows until the transaction ends. */
export async function lockGrants(tx: Db, { name }: AttestedTable, rowIds: readonly string[]): Promise<void> {
  await tx.query(LOCK_GRANTS.get(name)!, [rowIds]);
}

/** Every row of an attested table with the newest attestation of it. */
export function liveGrants(table: AttestedTable, which = ''): string {
  return `
  select w.id as "rowId", a.n::text, a.xid::text, a.columns, a.digest, a.mac,
         (select jsonb_object_agg(k, v) from jsonb_each(w.whole) as e (k, v)
           where k in (${TELLING.map((name) => `'${name}'`).join(', ')})) as about,
         sha256(convert_to((select jsonb_object_agg(k, v) from jsonb_each(w.whole) as e (k, v) where k = any (a.columns))::text, 'UTF8')) as live
    from (select ${rowIdSql('to_jsonb(t)', table)} as id, to_jsonb(t) as whole from ${table.name} t ${which}) w
    left join lateral (
      select * from audit_attestations where tab = '${table.name}' and row_id = w.id order by n desc limit 1
    ) a on true`;
}

const TRIGGERS: Statement = {
  name: 'verify.triggers',
  text: `
    select c.relname::text as name
      from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_proc p on p.oid = t.tgfoid
     where t.tgname = 'attested' and t.tgenabled = 'O' and p.proname = 'note_attested_change'`,
};

/** The attested tables that have no working trigger. */
export async function missingTriggers(tx: Db): Promise<string[]> {
  const there = new Set((await tx.query<{ name: string }>(TRIGGERS, [])).map(({ name }) => name));
  return ATTESTED.map(({ name }) => name).filter((name) => !there.has(name));
}

const ADOPTED_TWICE: Statement = {
  name: 'verify.adopted-twice',
  text: `
    select m.row_id as name from audit_attestations m
     where m.tab = '${ADOPTED}'
     group by m.row_id
    having count(*) > 1`,
};

/** Tables whose rows were taken as they are more than once. */
export async function adoptedTwice(tx: Db): Promise<string[]> {
  return (await tx.query<{ name: string }>(ADOPTED_TWICE, [])).map(({ name }) => name);
}

export interface LiveSecret {
  readonly id: string;
  readonly key: string;
  readonly projectId: string;
  /** Of a person's own value. */
  readonly ownerId: string | null;
  readonly version: number;
  readonly sealedHash: string;
  readonly commentHash: string | null;
  readonly recordId: string | null;
  readonly action: string | null;
  readonly metadata: Record<string, unknown> | null;
  /** What a dropped partition said of it, kept on: n, xid, and version, hash of the value, hash of the comment. */
  readonly keptN: string | null;
  readonly keptXid: string | null;
  readonly keptColumns: string[] | null;
  readonly keptDigest: Buffer | null;
  readonly keptMac: Buffer | null;
}

const hashOf = (column: string) => `encode(sha256(${column}), 'hex')`;

const WHAT: Readonly<Record<WrittenTable, string>> = {
  secrets: 's.key, null::uuid as "ownerId" from secrets s',
  personal_secrets:
    '(select o.key from secrets o where o.id = s.secret_id) as key, s.owner_id as "ownerId" from personal_secrets s',
};

/** Every secret of a table with the newest record of it: of the highest version, and of that one the latest. */
export const liveSecrets = (table: WrittenTable): string => `
  select s.id, s.project_id as "projectId", s.version,
         ${hashOf('s.sealed_value')} as "sealedHash", ${hashOf('s.sealed_comment')} as "commentHash",
         r.id as "recordId", r.action, r.metadata,
         a.n::text as "keptN", a.xid::text as "keptXid", a.columns as "keptColumns", a.digest as "keptDigest", a.mac as "keptMac",
         ${WHAT[table]}
    left join lateral (
      select l.id, l.action, l.metadata from audit_log l
       where l.metadata ->> 'secretId' = s.id::text and l.secret_key is not null and l.metadata is not null
         and l.metadata ? 'mac' and l.metadata ->> 'version' ~ '^[0-9]{1,9}$'
       order by (l.metadata ->> 'version')::int desc, (l.action = 'delete') desc, l.xid desc limit 1
    ) r on true
    left join lateral (
      select * from audit_attestations where tab = '${table}' and row_id = s.id::text order by n desc limit 1
    ) a on true`;

const SECRETS_OF: Record<WrittenTable, Statement> = {
  secrets: { name: 'verify.secrets-of-secrets', text: `${liveSecrets('secrets')} where s.id = any($1::uuid[])` },
  personal_secrets: {
    name: 'verify.secrets-of-personal',
    text: `${liveSecrets('personal_secrets')} where s.id = any($1::uuid[])`,
  },
};

/** As liveSecrets, of these alone. */
export async function secretsOf(db: Db, table: WrittenTable, ids: readonly string[]): Promise<LiveSecret[]> {
  return db.query<LiveSecret>(SECRETS_OF[table], [ids]);
}
