import { spawn } from 'node:child_process';
import { closeSync, globSync, openSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { startEmbeddedPostgres } from '../../../server/database/embedded/index.ts';
import { OwnPostgres } from '../../support/own-postgres.ts';

const SHIFTED_DATE = join(import.meta.dirname, 'shifted-date.ts');
const LIBRARY = process.platform === 'linux' ? globSync('/usr/lib/*/faketime/libfaketime.so.1')[0] : undefined;

/** Why the clock of another program cannot be set on this machine, if so. */
export const noFaketime = LIBRARY === undefined ? 'skipped: no libfaketime' : undefined;

/** The clock of one program, which jumps when it is told to. */
export class Clock {
  readonly folder: string;
  readonly #file: string;
  readonly #write: (seconds: number) => string;

  private constructor(folder: string, write: (seconds: number) => string) {
    this.folder = folder;
    this.#file = join(folder, 'clock');
    this.#write = write;
    this.jump(0);
  }

  static async ofServer(): Promise<Clock> {
    return new Clock(await mkdtemp(join(tmpdir(), 'kms-clock-')), (seconds) => String(seconds * 1000));
  }

  static async ofProgram(): Promise<Clock> {
    const folder = await mkdtemp(join(tmpdir(), 'kms-clock-'));
    await chmod(folder, 0o755);
    return new Clock(folder, (seconds) => `${seconds < 0 ? '' : '+'}${seconds}`);
  }

  /** @param seconds from the true time; negative: behind it */
  jump(seconds: number): void {
    writeFileSync(this.#file, this.#write(seconds), { mode: 0o644 });
  }

  /** What a server is started with. */
  get environment(): Record<string, string> {
    return { CLOCK_FILE: this.#file };
  }
  readonly flags = ['--disable-sigusr1', '--import', SHIFTED_DATE];

  /** What another program is started with, such as Postgres; that which measures durations is left alone, as when a system's clock is set. */
  get faketime(): Record<string, string> {
    return {
      LD_PRELOAD: LIBRARY!,
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    };
  }

  async close(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** A Postgres that goes by a clock of its own. */
export async function startPostgresBy(clock: Clock): Promise<OwnPostgres> {
  const dataDir = await mkdtemp(join(tmpdir(), 'kms-fault-'));
  await chmod(dataDir, 0o711);
  // Started as always, to see how; then once more the same way, with the clock, and taken over.
  const plain = await startEmbeddedPostgres({ dataDir });
  const proc = `/proc/${plain.pid}`;
  const program = readlinkSync(`${proc}/exe`);
  const args = readFileSync(`${proc}/cmdline`, 'utf8').split('\0').slice(1, -1);
  const { uid, gid } = statSync(proc);
  await plain.stop();
  const log = openSync(join(dataDir, 'postgres.log'), 'a');
  const env = { PATH: process.env.PATH ?? '', LC_ALL: 'C', TZ: 'UTC', ...clock.faketime };
  const child = spawn(program, args, { cwd: '/', uid, gid, env, detached: true, stdio: ['ignore', log, log] });
  closeSync(log);
  child.unref();
  const pidFile = () => readFileSync(join(dataDir, 'postgres/data/postmaster.pid'), 'utf8');
  await expect
    .poll(
      () => {
        try {
          return pidFile();
        } catch {
          return '';
        }
      },
      { timeout: 20_000 },
    )
    .toMatch(new RegExp(`^${child.pid}\\n[^]*ready`));
  return OwnPostgres.start(dataDir);
}
