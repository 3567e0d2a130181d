import { setTimeout } from 'node:timers/promises';
import pg from 'pg';
import { conflict, Refusal, shuttingDown, unavailable } from '../refusal.ts';
import { isTlsFault } from '../tls-fault.ts';
import { FOREIGN_KEY_VIOLATION, isOutage, isTransient, sqlState } from './sqlstate.ts';

/** A statement that is prepared once a connection, and found by its name in the database's logs. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

/** What a store needs: one statement in, rows out. Both the pool and a transaction are one. */
export interface Db {
  query<Row extends object>(statement: Statement, values: readonly unknown[]): Promise<Row[]>;
  /** The first row; nothing where there is none. */
  first<Row extends object>(statement: Statement, values: readonly unknown[]): Promise<Row | undefined>;
  /** The row of a statement that always has one, as an insert that nothing stands in the way of. Throws where there is none. */
  one<Row extends object>(statement: Statement, values: readonly unknown[]): Promise<Row>;
}

/** Everything a store needs, from the one way to run a statement. */
abstract class Rows implements Db {
  abstract query<Row extends object>(statement: Statement, values: readonly unknown[]): Promise<Row[]>;

  async first<Row extends object>(statement: Statement, values: readonly unknown[]): Promise<Row | undefined> {
    return (await this.query<Row>(statement, values))[0];
  }

  async one<Row extends object>(statement: Statement, values: readonly unknown[]): Promise<Row> {
    const row = await this.first<Row>(statement, values);
    if (!row) throw new Error(`the statement ${statement.name} has no row`);
    return row;
  }
}

/** Follows statements while they run, for traces. */
export interface StatementFollower {
  /** Settles as `work` does, which is under way. */
  follow<Result>(statement: string, work: Promise<Result>): Promise<Result>;
}

/** Looks at transactions before they commit. */
export interface CommitGuard {
  /** Whether a transaction with this statement is to be looked at. Asked at each statement, so it must be cheap. */
  guards(statement: Statement): boolean;
  /** Runs as the last thing of such a transaction; what it throws rolls all of it back. */
  beforeCommit(tx: Db): Promise<void>;
}

/** One pool of connections. */
export interface DatabaseOptions {
  /** `postgresql://…`; with `?pgbouncer=true` behind a pooler. */
  readonly uri: string;
  /** Connections at most. @default 10 */
  readonly connections?: number;
  /** What the database's own views call these connections. @default 'kms-server' */
  readonly applicationName?: string;
  /** Settings of Postgres for each connection. @default {} */
  readonly settings?: Readonly<Record<string, string>>;
  /**
   * Sends what a transaction asks at once without waiting in between, its beginning among it: a round trip each would be
   * most of what a change costs. For transactions that only read at first, since a beginning that fails is noticed after the
   * first statement was sent. A pooler is sent one statement after another. @default false
   */
  readonly pipelined?: boolean;
}

/**
 * For a pool whose statements all look up a few rows by their keys, again and again: one plan for all of them, made once
 * (planning anew costs several times the run), and by index, whatever the planner thinks of a table that it last saw empty.
 */
export const POINT_LOOKUPS = {
  plan_cache_mode: 'force_generic_plan',
  enable_seqscan: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
  jit: 'off',
};

/** How long a statement may run, wait for a lock, or leave a transaction idle, in milliseconds. */
const TIMEOUTS = { statement_timeout: 15_000, lock_timeout: 5_000, idle_in_transaction_session_timeout: 15_000 };
const RETRIES = 3;
const PAUSE_MS = 50;

/**
 * Whether a pooler stands before the database that lends its connections for a transaction (`?pgbouncer=true` in the URI).
 * Nothing may then depend on the connection: it takes no settings at its start, and knows no statement by name.
 */
export const isPooled = (uri: string) => URL.parse(uri)?.searchParams.get('pgbouncer') === 'true';

export const startOptions = (settings: Readonly<Record<string, string>>) =>
  Object.entries(settings)
    .map(([name, value]) => `-c ${name}=${value}`)
    .join(' ');

/** The database, through one pool. Every fault of its own becomes a 503 at the edge, never a 500 (see http/errors.ts). */
export class Database extends Rows {
  readonly #pool: pg.Pool;
  readonly #pooled: boolean;
  readonly #pipelined: boolean;
  #guard: CommitGuard | undefined;
  #follower: StatementFollower | undefined;

  constructor(options: DatabaseOptions) {
    super();
    this.#pooled = isPooled(options.uri);
    this.#pipelined = !this.#pooled && (options.pipelined ?? false);
    this.#pool = new pg.Pool({
      pipeline: this.#pipelined,
      connectionString: options.uri,
      max: options.connections ?? 10,
      connectionTimeoutMillis: 5_000,
      application_name: options.applicationName ?? 'kms-server',
      ...(this.#pooled ? {} : { options: startOptions({ timezone: 'UTC', ...options.settings }), ...TIMEOUTS }),
    });
    // An idle connection that the server closes must not end the process: the next query opens another.
    this.#pool.on('error', () => undefined);
  }

  #asked({ name, text }: Statement, values: readonly unknown[]): pg.QueryConfig {
    return this.#pooled ? { text, values: values as unknown[] } : { name, text, values: values as unknown[] };
  }

  /** Connections by what they do, and how many callers wait for one. */
  get connections(): { readonly busy: number; readonly idle: number; readonly waiting: number } {
    const { totalCount, idleCount, waitingCount } = this.#pool;
    return { busy: totalCount - idleCount, idle: idleCount, waiting: waitingCount };
  }

  /** From now on `guard` sees every transaction that it asks for; a guarded statement gets a transaction of its own. */
  guardCommits(guard: CommitGuard): void {
    this.#guard = guard;
  }

  /** From now on `follower` sees every statement. */
  followStatements(follower: StatementFollower): void {
    this.#follower = follower;
  }

  async #ask<Row extends object>(
    on: pg.Pool | pg.ClientBase,
    statement: Statement,
    values: readonly unknown[],
  ): Promise<Row[]> {
    const work = on.query<Row>(this.#asked(statement, values));
    return (await (this.#follower ? this.#follower.follow(statement.name, work) : work)).rows;
  }

  async query<Row extends object>(statement: Statement, values: readonly unknown[]): Promise<Row[]> {
    if (this.#guard?.guards(statement)) return this.transaction((tx) => tx.query<Row>(statement, values));
    return repeated(() => this.#ask<Row>(this.#pool, statement, values));
  }

  /**
   * Runs `work` in one transaction: all of it, or nothing. Runs it again when two transactions met (deadlock,
   * serialization), so `work` keeps no state outside of the database.
   */
  async transaction<Result>(work: (tx: Db) => Promise<Result>): Promise<Result> {
    return repeated(() => this.#once(work));
  }

  async #once<Result>(work: (tx: Db) => Promise<Result>): Promise<Result> {
    const client = await this.#pool.connect();
    let broken: Error | undefined;
    // While a connection is lent out nobody else listens: one that breaks would end the process.
    const onError = (error: Error) => {
      broken = error;
    };
    client.on('error', onError);
    try {
      let guarded = false;
      let before: Promise<unknown> = client.query('begin');
      // Whoever asks for something waits for it; a transaction that asks for nothing does so below.
      before.catch(() => undefined);
      const tx = new Transaction((statement, values) => {
        guarded ||= this.#guard?.guards(statement) ?? false;
        const ask = () => this.#ask<object>(client, statement, values);
        const asked = this.#pipelined ? Promise.all([ask(), before]).then(([rows]) => rows) : before.then(ask);
        before = asked;
        return asked;
      });
      const result = await work(tx);
      await before;
      if (guarded) await this.#guard!.beforeCommit(tx);
      await client.query('commit');
      return result;
    } catch (error) {
      // A connection that cannot even roll back is thrown away with its transaction.
      await client.query('rollback').catch((fault: Error) => {
        broken = fault;
      });
      throw error;
    } finally {
      client.off('error', onError);
      client.release(broken);
    }
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }
}

/** Once more what was undone because two met, a few times. Even a read can be the one that is ended, by a migration that it met. */
async function repeated<Result>(work: () => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (!isTransient(error) || attempt >= RETRIES) throw error;
      // Two that met and were both turned down would meet again at once, if neither waited longer than the other.
      await setTimeout(Math.random() * PAUSE_MS * attempt);
    }
  }
}

/** A connection that is lent to one piece of work. */
class Transaction extends Rows {
  readonly #ask: (statement: Statement, values: readonly unknown[]) => Promise<object[]>;

  constructor(ask: (statement: Statement, values: readonly unknown[]) => Promise<object[]>) {
    super();
    this.#ask = ask;
  }

  async query<Row extends object>(statement: Statement, values: readonly unknown[]): Promise<Row[]> {
    return (await this.#ask(statement, values)) as Row[];
  }
}

/** What pg says of a broken connection; such errors carry no code. */
const LOST_CONNECTION =
  /^(Connection terminated|timeout exceeded when|timeout expired|Client has|The server does not support SSL|There was an error establishing an SSL)/;
/** What pg says once the pool was closed: this server ends, and its database has nothing to do with it. */
const CLOSED_BY_US = /^Cannot use a pool after calling end/;
/** Of the system, such as ECONNREFUSED. A host with several addresses gives an AggregateError that has nothing but the code. */
const SYSTEM_CODE = /^E[A-Z]{3,}/;
/** A right or a table that is missing, a trigger that refuses: of no request's making, since values never become SQL. */
const DATABASE_REFUSES = /^(42|P0)/;

/**
 * An error of the database as the caller should see it: when it is not there, or does not let this server work (its audit
 * cannot be written, say), that is a 503; everything else stays what it is.
 */
export function asRefusal(error: unknown): unknown {
  if (error instanceof Refusal || !(error instanceof Error)) return error;
  const state = sqlState(error);
  if (state !== undefined && DATABASE_REFUSES.test(state)) {
    return unavailable('the database does not let this server do its work; its log has this reqId', error);
  }
  // A project made while its organization is deleted, say. Whoever came second is told, and may look again.
  if (state === FOREIGN_KEY_VIOLATION) return conflict('what this belongs to was deleted at the same moment');
  if (isTransient(error)) return unavailable('this met other changes again and again; send it once more', error);
  if (CLOSED_BY_US.test(error.message)) return shuttingDown(error);
  const code = String((error as { code?: unknown }).code ?? '');
  const fromDatabase = error instanceof pg.DatabaseError || SYSTEM_CODE.test(code) || isTlsFault(code);
  if (LOST_CONNECTION.test(error.message) || (fromDatabase && isOutage(error))) {
    return unavailable('the database is not available', error);
  }
  return error;
}
