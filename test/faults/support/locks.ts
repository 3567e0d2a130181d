import pg from 'pg';
import { expect } from 'vitest';

/** A lock on a table, which stops the server at a place of the test's choosing. */
export class TableLock {
  readonly #client: pg.Client;

  private constructor(client: pg.Client) {
    this.#client = client;
  }

  static async take(uri: string, table: string, mode = 'exclusive'): Promise<TableLock> {
    const client = new pg.Client(uri);
    await client.connect();
    await client.query('begin');
    await client.query(`lock table ${table} in ${mode} mode`);
    return new TableLock(client);
  }

  /** Resolves when so many connections wait for a lock. */
  async awaited(connections = 1): Promise<void> {
    const waiting = async () => {
      const { rows } = await this.#client.query(
        `select count(*)::int as waiting from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock'`,
      );
      return rows[0].waiting;
    };
    await expect.poll(waiting, { timeout: 20_000, interval: 10 }).toBeGreaterThanOrEqual(connections);
  }

  async release(): Promise<void> {
    await this.#client.query('commit');
    await this.#client.end();
  }
}
