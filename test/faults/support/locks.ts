import pg from 'pg';
import { expect } from 'vitest';

/** A lock on a table, which stops the server at a place of the test's choosing. */
export class TableLock {
  readonly #holder: pg.Client;
  /** Apart from the holder: a transaction sees who waits as it was at its first look. */
  readonly #watcher: pg.Client;

  private constructor(holder: pg.Client, watcher: pg.Client) {
    this.#holder = holder;
    this.#watcher = watcher;
  }

  static async take(uri: string, table: string, mode = 'exclusive'): Promise<TableLock> {
    const [holder, watcher] = [new pg.Client(uri), new pg.Client(uri)];
    await Promise.all([holder.connect(), watcher.connect()]);
    await holder.query('begin');
    await holder.query(`lock table ${table} in ${mode} mode`);
    return new TableLock(holder, watcher);
  }

  /** Resolves when so many connections wait for a lock. */
  async awaited(connections = 1): Promise<void> {
    const waiting = async () => {
      const { rows } = await this.#watcher.query(
        `select count(*)::int as waiting from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock'`,
      );
      return rows[0].waiting;
    };
    await expect.poll(waiting, { timeout: 20_000, interval: 10 }).toBeGreaterThanOrEqual(connections);
  }

  async release(): Promise<void> {
    await this.#holder.query('commit');
    await Promise.all([this.#holder.end(), this.#watcher.end()]);
  }
}
