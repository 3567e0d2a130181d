import { randomBytes } from 'node:crypto';
import { appendFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import pg from 'pg';
import { expect, inject } from 'vitest';

declare module 'vitest' {
  interface ProvidedContext {
    /** The Postgres of this run, its data folder, and why its template could not be migrated, if so. */
    postgres: { adminUri: string; uri: string; dataDir: string; broken: string | undefined };
  }
}

export interface TestDatabase {
  /** As the role `kms`, which owns the database and is no superuser. `stats.pg_stat_statements` counts its statements. */
  readonly uri: string;
  /** The same database as the superuser. */
  readonly adminUri: string;
  readonly name: string;
  /** Drops the database, connections and all; keeps it and prints its name when a test of this file failed. */
  drop(): Promise<void>;
}

/** The test files with a failed test. One process runs many files, so each is noted by its path. */
const failed = new Set<string>();

/** Told by the set-up file: from now on the databases of this test file are kept. */
export function noteFailure(): void {
  failed.add(testPath());
}

const testPath = () => expect.getState().testPath ?? 'unknown';

/**
 * A migrated database for this test file alone, cloned from the run's template in about 50 ms.
 *
 * @param options.empty without any migration
 * @example
 * const database = await createDatabase();
 * afterAll(database.drop);
 */
export async function createDatabase(options: { empty?: boolean } = {}): Promise<TestDatabase> {
  const { adminUri, uri, dataDir, broken } = inject('postgres');
  if (broken && !options.empty) throw new Error(`the migrations do not run: ${broken}`);
  const path = testPath();
  const file = relative(join(import.meta.dirname, '..'), path);
  const name = `${file
    .replace(/\.test\.ts$/, '')
    .replace(/[^a-z0-9]+/gi, '_')
    .slice(0, 48)}_${randomBytes(4).toString('hex')}`;
  await asAdmin(
    adminUri,
    `create database "${name}" template ${options.empty ? 'template0' : 'kms_template'} owner kms`,
  );
  return {
    uri: replaceDatabase(uri, name),
    adminUri: replaceDatabase(adminUri, name),
    name,
    drop: async () => {
      if (!failed.has(path)) return asAdmin(adminUri, `drop database if exists "${name}" with (force)`);
      await appendFile(join(dataDir, 'kept'), `${name} (test/${file})\n`);
    },
  };
}

async function asAdmin(uri: string, sql: string): Promise<void> {
  const client = new pg.Client(uri);
  await client.connect();
  await client.query(sql).finally(() => client.end());
}

function replaceDatabase(uri: string, name: string): string {
  const url = new URL(uri);
  url.pathname = `/${name}`;
  return url.href;
}
