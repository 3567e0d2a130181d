import type { ChangeEventName } from '../../contracts/index.ts';
import type { Db } from '../database/database.ts';
import type { Job, Jobs } from '../metrics/job.ts';
import { isAfter, type Position } from './position.ts';
import { type ChangeRow, forgetFuture, readChanges, readHorizon, sweepChanges } from './store.ts';

/** Some names changed in one folder, in one transaction. */
export interface Change {
  readonly position: Position;
  readonly projectId: string;
  readonly environment: string;
  readonly path: string;
  readonly event: ChangeEventName;
  readonly keys: readonly string[];
}

export interface Listener {
  /** Everything up to `reached` that was committed since the last call, in commit order. */
  heard(changes: readonly Change[], reached: Position): void;
  /** Nobody can say what was missed: everything may have changed. */
  missed(reached: Position): void;
}

export interface FeedOptions {
  readonly db: Db;
  /** Pause between two looks. @default 250 */
  readonly everyMs?: number | undefined;
}

const EVERY_MS = 250;
const ROWS_AT_ONCE = 500;
/** Of what was missed while away, this many rows are read again; who missed more looks at everything. */
const BACKLOG_ROWS = 5_000;
const KEEP_SECONDS = 3_600;
const SWEEP_EVERY_MS = 60_000;
const SWEPT_AT_ONCE = 10_000;

/**
 * The change log as one stream for all who listen in this process, read a few times a second while anybody does.
 * It is read up to the oldest transaction that is still under way, so no commit is skipped, and every replica sees the
 * same order. While the database is away the position stands still, and nothing is lost.
 */
export class ChangeFeed {
  readonly #db: Db;
  readonly #everyMs: number;
  readonly #listeners = new Set<Listener>();
  #position: Position | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopSweeping: (() => void) | undefined;
  #reading: Job | undefined;
  #look: Promise<void> | undefined;

  constructor({ db, everyMs = EVERY_MS }: FeedOptions) {
    this.#db = db;
    this.#everyMs = everyMs;
  }

  /** Starts keeping the log short. */
  async start(jobs: Jobs): Promise<void> {
    await forgetFuture(this.#db);
    this.#reading = jobs.job('events-read');
    this.#stopSweeping = jobs.job('events-sweep').every(SWEEP_EVERY_MS, () => this.#sweep());
  }

  stop(): void {
    this.#stopSweeping?.();
    clearTimeout(this.#timer);
    this.#listeners.clear();
  }

  /** How many listen here. */
  get listeners(): number {
    return this.#listeners.size;
  }

  /** Hears of everything that commits from now on. Returns where the stream stands. */
  async attach(listener: Listener): Promise<Position> {
    // Only what was committed before this reading may be left out.
    const { timeline, xmin } = await readHorizon(this.#db);
    if (this.#listeners.size === 0 || this.#position?.timeline !== timeline) {
      const now = { timeline, xid: BigInt(xmin) - 1n, id: MOST_ID };
      if (this.#position === undefined || this.#position.timeline !== timeline || isAfter(now, this.#position)) {
        if (this.#listeners.size > 0) for (const other of this.#listeners) other.missed(now);
        this.#position = now;
      }
    }
    this.#listeners.add(listener);
    this.#schedule(0);
    return this.#position!;
  }

  detach(listener: Listener): void {
    this.#listeners.delete(listener);
    if (this.#listeners.size === 0) clearTimeout(this.#timer);
  }

  /**
   * What was committed after one position and up to another, or nothing when that cannot be told any more: it was swept,
   * it belongs to another life of the database, or it is too much.
   */
  async between(after: Position, upTo: Position): Promise<Change[] | undefined> {
    const horizon = await readHorizon(this.#db);
    const known =
      after.timeline === upTo.timeline &&
      after.timeline === horizon.timeline &&
      isKept(after, horizon.swept) &&
      !isAfter(after, upTo);
    if (!known) return undefined;
    const changes: Change[] = [];
    for (let from = after; ; ) {
      const { rows } = await readChanges(this.#db, from, ROWS_AT_ONCE);
      const read = rows.flatMap((row) => toChanges(upTo.timeline, row));
      changes.push(...read.filter(({ position }) => !isAfter(position, upTo)));
      if (changes.length > BACKLOG_ROWS) return undefined;
      const last = read.at(-1)?.position;
      if (last === undefined || rows.length < ROWS_AT_ONCE || isAfter(last, upTo)) break;
      from = last;
    }
    // A sweep may have come between; what it took is then not among what was read.
    return isKept(after, (await readHorizon(this.#db)).swept) ? changes : undefined;
  }

  #schedule(ms: number): void {
    clearTimeout(this.#timer);
    if (this.#look) return;
    this.#timer = setTimeout(() => {
      this.#look = (this.#reading?.run(() => this.#read()) ?? this.#read())
        .catch(() => undefined)
        .finally(() => {
          this.#look = undefined;
          if (this.#listeners.size > 0) this.#schedule(this.#everyMs);
        });
    }, ms).unref();
  }

  async #read(): Promise<void> {
    for (let full = true; full && this.#listeners.size > 0; ) {
      const after = this.#position!;
      const { timeline, xmin, rows } = await readChanges(this.#db, after, ROWS_AT_ONCE);
      if (after !== this.#position) continue;
      if (timeline !== after.timeline) {
        this.#position = { timeline, xid: BigInt(xmin) - 1n, id: MOST_ID };
        for (const listener of this.#listeners) listener.missed(this.#position);
        return;
      }
      full = rows.length === ROWS_AT_ONCE;
      const changes = rows.flatMap((row) => toChanges(timeline, row));
      const ended = { timeline, xid: BigInt(xmin) - 1n, id: MOST_ID };
      const reached = full ? changes.at(-1)!.position : isAfter(ended, after) ? ended : after;
      this.#position = reached;
      for (const listener of this.#listeners) listener.heard(changes, reached);
    }
  }

  async #sweep(): Promise<void> {
    while ((await sweepChanges(this.#db, KEEP_SECONDS)) === SWEPT_AT_ONCE);
  }
}

/** Beyond every row of its transaction. */
const MOST_ID = 2n ** 63n - 1n;

/** Whether everything after a position is still there. */
function isKept(after: Position, swept: string): boolean {
  return after.xid > BigInt(swept) || (after.xid === BigInt(swept) && after.id === MOST_ID);
}

/** A row, and the imports through which it is seen elsewhere. All have the row's position: they are heard of together. */
function toChanges(timeline: string, row: ChangeRow): Change[] {
  const { projectId, environment, path, keys } = row;
  const position = { timeline, xid: BigInt(row.xid), id: BigInt(row.id) };
  const event = row.event as ChangeEventName;
  const through = (row.importers ?? []).map(
    (importer): Change => ({ position, ...importer, event: 'secret:import-mutation', keys: [] }),
  );
  return [{ position, projectId, environment, path, event, keys }, ...through];
}
