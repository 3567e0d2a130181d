import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { killLeftovers } from '../server/process/server-process.ts';
import { OwnPostgres } from '../support/own-postgres.ts';
import { Instance } from './support/instance.ts';
import { Random } from './support/seeds.ts';

const DISK = '192m';

/** Why no small disk can be had on this machine, if so. */
const noDisk: string | undefined = (() => {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'skipped: a small disk takes root on Linux';
  const folder = mkdtempSync(join(tmpdir(), 'kms-mount-'));
  try {
    mount(folder, '1m');
    execFileSync('umount', [folder], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'skipped: nothing can be mounted here';
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
})();

function mount(folder: string, size: string): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=0711`, 'kms-small-disk', folder], { stdio: 'ignore' });
}

describe.skipIf(noDisk)(`a full disk${noDisk ? ` (${noDisk})` : ''}`, () => {
  let disk: string;
  let postgres: OwnPostgres;
  let instance: Instance;

  beforeAll(async () => {
    disk = await mkdtemp(join(tmpdir(), 'kms-small-disk-'));
    mount(disk, DISK);
    await chmod(disk, 0o711);
    postgres = await OwnPostgres.start(disk, { max_wal_size: '64MB', min_wal_size: '32MB' });
    instance = new Instance(() => postgres.uri);
  });
  afterEach(killLeftovers);
  afterAll(async () => {
    await postgres?.close();
    execFileSync('umount', [disk]);
    await rm(disk, { recursive: true });
  });

  test('a full disk refuses with 503 and loses nothing; with room again all goes on', async () => {
    const random = new Random('the disk is full');
    const server = instance.replica();
    const address = await server.ready();
    await instance.setUp(address);
    const load = await instance.load(() => address, random);
    await load.start();
    await load.served(random.between(20, 60));
    const ballast = join(disk, 'ballast');
    const before = fullMessages(await readFile(join(disk, 'postgres.log'), 'utf8'));
    fill(ballast);
    // Rows still fit into pages that there are; then tables and the log of Postgres would grow, and cannot.
    await load.failed(10);
    rmSync(ballast);
    // A Postgres that could not write its log ends. Whoever runs it starts it again.
    if (!postgres.isAlive) await postgres.restart();
    await load.served(40);
    await load.stop();
    // The failures came of the disk and of nothing else.
    expect(fullMessages(await readFile(join(disk, 'postgres.log'), 'utf8'))).toBeGreaterThan(before);
    load.expectOnly(200, 503);
    await load.settle(postgres.uri);
    server.signal('SIGTERM');
    expect(await server.ended()).toMatchObject({ code: 0 });
  });
});

const fullMessages = (log: string) => log.match(/No space left on device/g)?.length ?? 0;

/** Takes the last free block of the disk. */
function fill(file: string): void {
  const descriptor = openSync(file, 'w');
  try {
    for (let size = 1 << 20; size >= 4096; ) {
      try {
        writeSync(descriptor, Buffer.alloc(size));
      } catch (error) {
        expect((error as NodeJS.ErrnoException).code).toBe('ENOSPC');
        size /= 2;
      }
    }
  } finally {
    closeSync(descriptor);
  }
}
