import type { Db, Statement } from '../database/database.ts';
import type { Position } from './position.ts';

/** One row of the change log. Never a value. */
export interface ChangeRow {
  readonly xid: string;
  readonly id: string;
  readonly projectId: string;
  readonly environment: string;
  readonly path: string;
  readonly event: string;
  readonly keys: readonly string[];
  /** The folders that show this one through imports, however many lie between. */
  readonly importers: readonly Importer[] | null;
}

interface Importer {
  readonly projectId: string;
  readonly environment: string;
  readonly path: string;
}

export interface Horizon {
  readonly timeline: string;
  /** Everything below has ended: committed and to be seen, or undone for good. */
  readonly xmin: string;
  /** No transaction has begun from here on. */
  readonly xmax: string;
  /** Rows up to here were swept. */
  readonly swept: string;
}

const HORIZON: Statement = {
  name: 'events.horizon',
  text: `
    select change_log_timeline() as timeline, pg_snapshot_xmin(pg_current_snapshot())::text as xmin,
           pg_snapshot_xmax(pg_current_snapshot())::text as xmax, s.xid::text as swept
      from change_log_swept s`,
};

/** How far the log can be read at this moment. */
export async function readHorizon(db: Db): Promise<Horizon> {
  return db.one<Horizon>(HORIZON, []);
}

// One row of the answer says how far it reaches, even when nothing changed. Who imports a changed folder is looked up here,
// for listeners alone, and costs writers nothing.
const READ: Statement = {
  name: 'events.read',
  text: `
    with recursive
    horizon as (select change_log_timeline() as timeline, pg_snapshot_xmin(pg_current_snapshot()) as xmin),
    found as (
      select l.* from change_log l, horizon h
       where (l.xid, l.id) > ($1::xid8, $2::bigint) and l.xid < h.xmin
       order by l.xid, l.id
       limit $3
    ),
    reached as (
      select f.folder_id as from_id, i.folder_id
        from (select distinct folder_id from found) f join secret_imports i on i.source_folder_id = f.folder_id
       union
      select r.from_id, i.folder_id from reached r join secret_imports i on i.source_folder_id = r.folder_id
    ),
    importers as (
      select r.from_id, jsonb_agg(jsonb_build_object('projectId', f.project_id, 'environment', e.slug, 'path', f.path)) as importers
        from reached r join folders f on f.id = r.folder_id join environments e on e.id = f.environment_id
       where r.folder_id <> r.from_id
       group by r.from_id
    )
    select h.timeline, h.xmin::text as xmin, f.xid::text as xid, f.id::text as id, f.project_id as "projectId",
           f.environment, f.path, f.event, f.keys, i.importers
      from horizon h left join found f on true left join importers i on i.from_id = f.folder_id
     order by f.xid, f.id`,
};

export interface Read {
  readonly timeline: string;
  readonly xmin: string;
  readonly rows: readonly ChangeRow[];
}

/** What was committed after a position, in commit order. */
export async function readChanges(db: Db, after: Position, limit: number): Promise<Read> {
  const rows = await db.query<ChangeRow & { timeline: string; xmin: string }>(READ, [
    String(after.xid),
    String(after.id),
    limit,
  ]);
  const { timeline, xmin } = rows[0]!;
  return { timeline, xmin, rows: rows.filter(({ xid }) => xid !== null) };
}

const SWEEP: Statement = {
  name: 'events.sweep',
  text: `
    with oldest as (select xid, id from change_log order by xid, id limit 10000),
    swept as (
      delete from change_log l using oldest o
       where l.xid = o.xid and l.id = o.id and l.at < now() - $1::int * interval '1 second'
      returning l.xid
    ),
    noted as (
      update change_log_swept s set xid = greatest(s.xid, m.xid) from (select max(xid) as xid from swept) m where m.xid is not null
    )
    select count(*)::int as count from swept`,
};

/** Deletes rows that are older than this, some thousands at a time. How many it were. */
export async function sweepChanges(db: Db, olderThanSeconds: number): Promise<number> {
  const row = await db.one<{ count: number }>(SWEEP, [olderThanSeconds]);
  return row.count;
}

const FORGET_FUTURE: Statement = {
  name: 'events.forget-future',
  text: `
    with gone as (delete from change_log where xid >= pg_snapshot_xmax(pg_current_snapshot()) returning xid)
    update change_log_swept s set xid = least(s.xid, pg_snapshot_xmin(pg_current_snapshot()))
     where s.xid >= pg_snapshot_xmax(pg_current_snapshot()) or exists (select from gone)`,
};

/**
 * Deletes rows of transactions that this database has not begun: they came with a dump from another server, whose numbers
 * were ahead. They would be read only when the numbers get there, and out of order.
 */
export async function forgetFuture(db: Db): Promise<void> {
  await db.query(FORGET_FUTURE, []);
}
