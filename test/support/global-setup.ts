import { chmod, mkdtemp, readdir, readFile, rm, stat, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, relative } from 'node:path';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { startEmbeddedPostgres } from '../../server/database/embedded/index.ts';
import { migrate } from '../../server/database/migrate.ts';

const PREFIX = 'kms-test-run-';
/** How long the databases of failed tests are kept, in milliseconds. */
const KEEP = 24 * 3_600_000;

/** One Postgres for the whole run, outside of the repository, with a migrated template that every test file clones. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await sweep();
  const dataDir = await mkdtemp(join(await parent(), `${PREFIX}${process.pid}-`));
  await chmod(dataDir, 0o711);
  const postgres = await startEmbeddedPostgres({
    dataDir,
    extraSettings: {
      max_connections: '200',
      shared_preload_libraries: 'pg_stat_statements',
      'pg_stat_statements.track': 'all',
    },
  });
  // A broken migration fails the tests that want a database, and no others.
  const broken = await makeTemplate(postgres.adminUri, postgres.uri).catch((error: Error) => error.message);
  project.provide('postgres', { adminUri: postgres.adminUri, uri: postgres.uri, dataDir, broken: broken ?? undefined });

  return async () => {
    await postgres.stop();
    const kept = await readFile(join(dataDir, 'kept'), 'utf8').catch(() => '');
    if (kept === '') return rm(dataDir, { recursive: true, force: true });
    const opener = relative(process.cwd(), join(import.meta.dirname, 'open-kept.ts'));
    console.log(`databases of failed tests, kept for a day:\n  ${kept.trim().replaceAll('\n', '\n  ')}`);
    console.log(`open them with: npx node ${opener} ${dataDir}`);
  };
}

/** As the role `kms`, so that the migrations are known to need no superuser. */
async function makeTemplate(adminUri: string, uri: string): Promise<undefined> {
  const template = (of: string) => Object.assign(new URL(of), { pathname: '/kms_template' }).href;
  await run(
    adminUri,
    'create database kms_template owner kms',
    'grant pg_read_all_stats to kms',
    // So that tests write the views' names alone; the schema stays apart from the product's.
    `alter role kms set search_path = public, stats`,
  );
  await run(
    template(adminUri),
    'create schema stats',
    'create extension pg_stat_statements schema stats',
    'grant usage on schema stats to kms',
    'grant execute on all functions in schema stats to kms',
  );
  await migrate(template(uri));
}

/** Where Linux keeps files in memory. */
const MEMORY = '/dev/shm';
const ENOUGH_BYTES = 4 * 2 ** 30;

/**
 * Memory, if it has room: a run makes some hundreds of databases, and each is a hundred milliseconds of a disk's time.
 * What a disk must keep is tried by the tests of the embedded Postgres and of faults, each on a Postgres of its own.
 */
async function parent(): Promise<string> {
  const room = await statfs(MEMORY).catch(() => undefined);
  return room && room.bavail * room.bsize >= ENOUGH_BYTES ? MEMORY : tmpdir();
}

async function run(uri: string, ...statements: string[]): Promise<void> {
  const client = new pg.Client(uri);
  await client.connect();
  try {
    for (const sql of statements) await client.query(sql);
  } finally {
    await client.end();
  }
}

/** What a killed run left: its Postgres is taken over to stop it. Folders of a run that is alive are in use and stay. */
async function sweep(): Promise<void> {
  const folders = [tmpdir(), MEMORY].map(async (folder) =>
    (await readdir(folder).catch(() => [])).filter((name) => name.startsWith(PREFIX)).map((name) => join(folder, name)),
  );
  for (const dataDir of (await Promise.all(folders)).flat()) {
    const maker = Number.parseInt(basename(dataDir).slice(PREFIX.length), 10);
    if (Number.isNaN(maker) || isAlive(maker)) continue;
    const kept = await stat(join(dataDir, 'kept')).catch(() => undefined);
    if (kept && Date.now() - kept.mtimeMs < KEEP) continue;
    try {
      await (await startEmbeddedPostgres({ dataDir })).stop();
      await rm(dataDir, { recursive: true, force: true });
    } catch {
      // Another user's, or in use after all.
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
