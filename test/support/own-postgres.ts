import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../server/database/embedded/index.ts';

/** A Postgres of one test file's own, to be harmed: killed as a power cut ends it, and started again on its data and port. */
export class OwnPostgres {
  readonly dataDir: string;
  readonly #ownsFolder: boolean;
  readonly #settings: Readonly<Record<string, string>>;
  #running: EmbeddedPostgres;

  private constructor(
    dataDir: string,
    ownsFolder: boolean,
    settings: Readonly<Record<string, string>>,
    running: EmbeddedPostgres,
  ) {
    this.dataDir = dataDir;
    this.#ownsFolder = ownsFolder;
    this.#settings = settings;
    this.#running = running;
  }

  /** @param dataDir @default a new temporary folder */
  static async start(dataDir?: string, settings: Readonly<Record<string, string>> = {}): Promise<OwnPostgres> {
    const folder = dataDir ?? (await mkdtemp(join(tmpdir(), 'kms-fault-')));
    await chmod(folder, 0o711);
    const running = await startEmbeddedPostgres({ dataDir: folder, extraSettings: settings });
    return new OwnPostgres(folder, dataDir === undefined, settings, running);
  }

  get uri(): string {
    return this.#running.uri;
  }

  get adminUri(): string {
    return this.#running.adminUri;
  }

  /** The postmaster and every process of it, with no word to any of them. */
  async kill(): Promise<void> {
    const { pid } = this.#running;
    const children = `/proc/${pid}/task/${pid}/children`;
    const pids = existsSync(children)
      ? readFileSync(children, 'utf8').trim().split(' ').filter(Boolean).map(Number)
      : [];
    for (const each of [pid, ...pids]) {
      try {
        process.kill(each, 'SIGKILL');
      } catch {
        // Gone with its parent.
      }
    }
    await expect.poll(() => isAlive(pid), { interval: 5, timeout: 10_000 }).toBe(false);
  }

  get isAlive(): boolean {
    return isAlive(this.#running.pid);
  }

  /** On the same data and port, so that a server's own connections find it again. */
  async restart(): Promise<void> {
    const { port } = new URL(this.uri);
    this.#running = await startEmbeddedPostgres({ dataDir: this.dataDir, extraSettings: { ...this.#settings, port } });
    expect(new URL(this.uri).port).toBe(port);
  }

  async close(): Promise<void> {
    await this.#running.stop();
    if (this.#ownsFolder) await rm(this.dataDir, { recursive: true, force: true, maxRetries: 5 });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A zombie has ended; its parent only has not looked yet.
    return !existsSync(`/proc/${pid}/stat`) || !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
