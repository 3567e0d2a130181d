import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { takeOwnership } from '../../../server/database/embedded/ownership.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';

/** Who owns a data folder; the lock alone, on a database that runs already. */

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database?.drop());

const ENDS = `
  select pg_terminate_backend(pid, 5000) from pg_stat_activity
   where datname = current_database() and application_name = 'kms-server pid 7 port 8'`;

test("an owner's connection that ends before anybody listens ends no process, and lets the next one own", async () => {
  const thrown: unknown[] = [];
  const caught = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException').on('uncaughtException', (error) => thrown.push(error));
  const other = new pg.Client(database.uri);
  await other.connect();
  try {
    const owner = await takeOwnership(database.uri, 'data', { pid: 7, port: 8 });
    const ended = new Promise<void>((resolve) => owner.on('end', resolve));
    expect((await other.query(ENDS)).rowCount).toBe(1);
    await ended;
    const next = await takeOwnership(database.uri, 'data', { pid: 9 });
    await next.end();
  } finally {
    await other.end();
    process.removeAllListeners('uncaughtException');
    for (const listener of caught) process.on('uncaughtException', listener);
  }
  expect(thrown).toEqual([]);
});
