import pg from 'pg';
import { Refusal, unavailable } from '../refusal.ts';
import { isOutage, isTransient } from './sqlstate.ts';

/** A statement that is prepared once a connection, and found by its name in the database's logs. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

/** What a store needs: one statement in, rows out. Both the pool and a transaction are one. */
export interface Db {
  query<Row extends object>(statement: Statement, values: readonly unknown[]): Promise<Row[]>;
}

export interface DatabaseOptions {
  readonly uri: string;
  /** Connections at most. @default 10 */
  readonly connections?: number;
  readonly applicationName?: string;
}

/** How long a statement may run, wait for a lock, or leave a transaction idle, in milliseconds. */
const TIMEOUTS = { statement_timeout: 15_000, lock_timeout: 5_000, idle_in_transaction_session_timeout: 15_000 };
const RETRIES = 3;

/** The database, through one pool. Every fault of its own becomes a 503 at the edge, never a 500 (see http/errors.ts). */
export class Database implements Db {
  readonly #pool: pg.Pool;

  constructor(options: DatabaseOptions) {
    this.#pool = new pg.Pool({
      connectionString: options.uri,
      max: options.connections ?? 10,
      connectionTimeoutMillis: 5_000,
      application_name: options.applicationName ?? 'kms-server',
      options: '-c timezone=UTC',
      ...TIMEOUTS,
    });
    // An idle connection that the server closes must not end the process: the next query opens another.
    this.#pool.on('error', () => undefined);
  }

  async query<Row extends object>(statement: Statement, values: readonly unknown[]): Promise<Row[]> {
    const { rows } = await this.#pool.query<Row>({ ...statement, values: values as unknown[] });
    return rows;
  }

  /**
   * Runs `work` in one transaction: all of it, or nothing. Runs it again when two transactions met (deadlock,
   * serialization), so `work` keeps no state outside of the database.
   */
  async transaction<Result>(work: (tx: Db) => Promise<Result>): Promise<Result> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#once(work);
      } catch (error) {
        if (isTransient(error) && attempt < RETRIES) continue;
        throw error;
      }
    }
  }

  async #once<Result>(work: (tx: Db) => Promise<Result>): Promise<Result> {
    const client = await this.#pool.connect();
    let broken: Error | undefined;
    try {
      await client.query('begin');
      const result = await work({
        query: async <Row extends object>(statement: Statement, values: readonly unknown[]) =>
          (await client.query<Row>({ ...statement, values: values as unknown[] })).rows,
      });
      await client.query('commit');
      return result;
    } catch (error) {
      // A connection that cannot even roll back is thrown away with its transaction.
      await client.query('rollback').catch((fault: Error) => {
        broken = fault;
      });
      throw error;
    } finally {
      client.release(broken);
    }
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }
}

/** An error of the database as the caller should see it: an outage is a 503, and everything else stays what it is. */
export function asRefusal(error: unknown): unknown {
  if (error instanceof Refusal) return error;
  const fromDatabase = error instanceof pg.DatabaseError || (error as { syscall?: unknown })?.syscall !== undefined;
  const lostConnection =
    error instanceof Error && /^(Connection terminated|timeout exceeded when|Client has)/.test(error.message);
  if (lostConnection || (fromDatabase && isOutage(error))) return unavailable('the database is not available', error);
  return error;
}
