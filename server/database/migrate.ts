import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import pg from 'pg';
import { isPooled, startOptions } from './database.ts';
import { isTransient, LOCK_NOT_AVAILABLE, sqlState } from './sqlstate.ts';

/** Any number, as long as every version of this program takes the same one: migrations wait for each other under it. */
const MIGRATION_LOCK = 4_205_114_027;

/**
 * Longest wait for a table that servers are using, in milliseconds. Postgres looks for deadlocks after a second, and may then end a
 * statement of a server that serves: whoever migrates gives way before that, and begins again.
 */
const LOCK_WAIT_MS = 400;
const PAUSE_MS = 200;
/** How long it is begun again, in milliseconds. */
const PATIENCE_MS = 120_000;

/** The tables were in use, or two met. */
const isBusy = (error: unknown) => isTransient(error) || sqlState(error) === LOCK_NOT_AVAILABLE;

const FOLDER = new URL('./migrations/', import.meta.url);
const FILE_NAME = /^(\d{4})-([a-z0-9-]+)\.sql$/;

interface Migration {
  readonly version: number;
  readonly name: string;
  readonly sql: string;
  readonly checksum: string;
  /** The oldest server, by the number of its newest migration, that can still run on the result. */
  readonly oldestServer: number;
}

/** The database and this program do not fit together; the message says what to do. */
export class SchemaMismatch extends Error {
  override readonly name = 'SchemaMismatch';
}

async function readMigrations(folder: URL): Promise<Migration[]> {
  const files = (await readdir(folder)).filter((file) => FILE_NAME.test(file)).sort();
  return Promise.all(
    files.map(async (file) => {
      const [, version, name] = FILE_NAME.exec(file)!;
      const sql = await readFile(new URL(file, folder), 'utf8');
      const oldest = /^-- oldest-server: (\d+)$/m.exec(sql)?.[1];
      if (oldest === undefined) throw new Error(`${file} does not name its oldest server`);
      const checksum = createHash('sha256').update(sql).digest('hex');
      return { version: Number(version), name: name!, sql, checksum, oldestServer: Number(oldest) };
    }),
  );
}

/**
 * Brings a database to this program's schema. Two replicas may start at once on an empty database: the second waits for
 * the first, then finds nothing to do. The lock belongs to the transaction, since a session's lock does not survive a
 * transaction pooler. A database ahead of this program is left alone when its migrations allow that.
 *
 * @param folder of the migrations. @default this program's own
 * @throws SchemaMismatch when this program is too old for the database, or a migration that ran has been edited since
 */
export async function migrate(uri: string, folder: URL = FOLDER): Promise<{ applied: string[] }> {
  const migrations = await readMigrations(folder);
  const client = new pg.Client({
    connectionString: uri,
    application_name: 'kms-server migrate',
    ...(isPooled(uri) ? {} : { options: startOptions({ timezone: 'UTC' }) }),
  });
  // What breaks the connection fails the statement under way; without a listener it would end the process besides.
  client.on('error', () => undefined);
  await client.connect();
  try {
    for (const deadline = performance.now() + PATIENCE_MS; ; ) {
      try {
        return { applied: await inOneTransaction(client, migrations) };
      } catch (error) {
        if (!isBusy(error) || performance.now() > deadline) throw error;
        await setTimeout(PAUSE_MS * (0.5 + Math.random()));
      }
    }
  } finally {
    await client.end();
  }
}

async function inOneTransaction(client: pg.Client, migrations: readonly Migration[]): Promise<string[]> {
  try {
    await client.query('begin');
    await client.query('select pg_advisory_xact_lock($1)', [MIGRATION_LOCK]);
    await client.query(`create table if not exists schema_migrations (
      version integer primary key, name text not null, checksum text not null,
      oldest_server integer not null, applied_at timestamptz not null default now())`);
    // After the wait for another migration, which may take its time.
    await client.query(`set local lock_timeout = ${LOCK_WAIT_MS}`);
    const applied = await applyPending(client, migrations);
    await client.query('commit');
    return applied;
  } catch (error) {
    await client.query('rollback').catch(() => undefined);
    throw error;
  }
}

async function applyPending(client: pg.Client, migrations: readonly Migration[]): Promise<string[]> {
  const { rows } = await client.query<{ version: number; checksum: string; oldestServer: number }>(
    'select version, checksum, oldest_server as "oldestServer" from schema_migrations',
  );
  const ours = migrations.at(-1)?.version ?? 0;
  const oldest = Math.max(0, ...rows.map((row) => row.oldestServer));
  if (oldest > ours) {
    throw new SchemaMismatch(
      `this server knows the database up to migration ${ours}, and the database needs a server that knows ${oldest}; start a newer version`,
    );
  }
  const done = new Map(rows.map((row) => [row.version, row.checksum]));
  const pending = migrations.filter(({ version }) => !done.has(version));
  for (const { version, name, checksum } of migrations) {
    if (done.has(version) && done.get(version) !== checksum) {
      throw new SchemaMismatch(
        `migration ${version} (${name}) ran on this database in another wording; restore the released file`,
      );
    }
  }
  for (const migration of pending) {
    await client.query(migration.sql);
    await client.query(
      'insert into schema_migrations (version, name, checksum, oldest_server) values ($1, $2, $3, $4)',
      [migration.version, migration.name, migration.checksum, migration.oldestServer],
    );
  }
  return pending.map(({ name }) => name);
}
