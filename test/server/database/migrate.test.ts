import { randomBytes } from 'node:crypto';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import pg from 'pg';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { parseAuthSecret, parseRootKey } from '../../../keys/index.ts';
import { createApp } from '../../../server/app.ts';
import { migrate, SchemaMismatch } from '../../../server/database/migrate.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';

let database: TestDatabase;
let sql: pg.Client;

beforeEach(async () => {
  database = await createDatabase({ empty: true });
  sql = new pg.Client(database.uri);
  await sql.connect();
});
afterEach(async () => {
  await sql.end();
  await database.drop();
});

const versions = async () =>
  (await sql.query('select version from schema_migrations order by version')).rows.map(({ version }) => version);

test.each([1, 2, 3])('replicas migrate one empty database at once, round %i', async () => {
  const replicas = 2 + (randomBytes(1)[0]! % 3);
  const results = await Promise.all(Array.from({ length: replicas }, () => migrate(database.uri)));
  expect(results.filter(({ applied }) => applied.length > 0)).toHaveLength(1);
  expect(new Set(await versions()).size).toBe((await versions()).length);
});

test.each([1, 2, 3])('replicas start on one empty database at once, round %i', async () => {
  const options = {
    databaseUri: database.uri,
    rootKey: parseRootKey(randomBytes(32).toString('hex')),
    authSecret: parseAuthSecret(randomBytes(32).toString('base64')),
  };
  const start = async () => {
    await migrate(database.uri);
    return createApp(options);
  };
  const apps = await Promise.all([start(), start()]);
  try {
    for (const app of apps) expect((await app.inject('/api/status')).statusCode).toBe(200);
    const { rows } = await sql.query('select purpose, count(*)::int as count from instance_keys group by purpose');
    for (const row of rows) expect(row).toMatchObject({ count: 1 });
    expect(rows.length).toBeGreaterThan(1);
  } finally {
    await Promise.all(apps.map((app) => app.close()));
  }
});

test('a second migration finds nothing to do', async () => {
  expect((await migrate(database.uri)).applied.length).toBeGreaterThan(0);
  expect(await migrate(database.uri)).toEqual({ applied: [] });
});

const addNewer = (oldestServer: number) =>
  sql.query(
    `insert into schema_migrations (version, name, checksum, oldest_server) values (9001, 'of-a-newer-server', 'x', $1)`,
    [oldestServer],
  );

test('an older server runs on a newer database that allows it', async () => {
  await migrate(database.uri);
  await addNewer(Math.max(...(await versions())));
  expect(await migrate(database.uri)).toEqual({ applied: [] });
});

test('an older server refuses a database that is too new', async () => {
  await migrate(database.uri);
  const newest = Math.max(...(await versions()));
  await addNewer(9001);
  const error = await migrate(database.uri).catch((fault) => fault);
  expect(error).toBeInstanceOf(SchemaMismatch);
  expect(error.message).toBe(
    `this server knows the database up to migration ${newest}, and the database needs a server that knows 9001; start a newer version`,
  );
});

test('a migration that was edited afterwards is refused', async () => {
  await migrate(database.uri);
  await sql.query(`update schema_migrations set checksum = 'another' where version = 1`);
  await expect(migrate(database.uri)).rejects.toThrow(
    'migration 1 (foundation) ran on this database in another wording; restore the released file',
  );
});

test('a migration that fails leaves nothing behind', async () => {
  // The name that the first migration wants is taken.
  await sql.query('create table access_tokens (id int)');
  await expect(migrate(database.uri)).rejects.toThrow('"access_tokens" already exists');
  const { rows } = await sql.query(
    `select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'`,
  );
  expect(rows).toEqual([{ relname: 'access_tokens' }]);
});

test('a migration waits for one that is under way', async () => {
  await sql.query('begin');
  await sql.query('select pg_advisory_xact_lock(4205114027)');
  let done = false;
  const waiting = migrate(database.uri).then(() => {
    done = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(done).toBe(false);
  await sql.query('commit');
  await waiting;
});

/** This program's migrations, and one after them. */
async function withOneMore(statements: string): Promise<URL> {
  const folder = await mkdtemp(join(tmpdir(), 'kms-migrations-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  await cp(new URL('../../../server/database/migrations', import.meta.url), folder, { recursive: true });
  await writeFile(join(folder, '9000-one-more.sql'), `-- oldest-server: 1\n${statements};\n`);
  return pathToFileURL(`${folder}/`);
}

test('a migration gives way to a server that it meets, which notices nothing, and begins again', async () => {
  await migrate(database.uri);
  // Two tables, which a transaction of a server uses in the other order.
  await sql.query(`create table early (id int); create table late (id int)`);
  const server = new pg.Client(database.adminUri);
  await server.connect();
  // Postgres ends the statement that looks first for a deadlock: let that be the server's.
  await server.query(`set deadlock_timeout = '600ms'`);
  await server.query('begin');
  await server.query('select * from late');
  const other = new pg.Client(database.uri);
  await other.connect();
  const migrating = migrate(
    database.uri,
    await withOneMore('alter table early add column a int; alter table late add column a int'),
  );
  // It holds the one and waits for the other: what the server asks for now would close the circle.
  const waits = async () =>
    (await other.query(`select 1 from pg_locks where relation = 'late'::regclass and not granted`)).rowCount;
  while ((await waits()) === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  expect((await server.query('select * from early')).rows).toEqual([]);
  await server.query('commit');
  expect(await migrating).toEqual({ applied: ['one-more'] });
  await Promise.all([server.end(), other.end()]);
});
