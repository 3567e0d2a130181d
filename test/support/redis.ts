import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../tools/cluster/free-ports.ts';

/** Why tests with a real Redis are skipped on this machine, if so. */
export const noRedis: string | undefined = (() => {
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'skipped: no redis-server';
  }
})();

/** A Redis of its own, on a free port, with nothing on the disk; it can be killed, frozen and started again. */
export class TestRedis {
  readonly port: number;
  readonly url: string;
  readonly #folder: string;
  readonly #more: readonly string[];
  #child: ChildProcess | undefined;

  private constructor(port: number, folder: string, more: readonly string[]) {
    this.port = port;
    this.url = `redis://127.0.0.1:${port}`;
    this.#folder = folder;
    this.#more = more;
  }

  /** @param more options, as `redis-server` takes them; a later one of the same name counts */
  static async start(more: (port: number) => readonly string[] = () => []): Promise<TestRedis> {
    const port = await freePort();
    const redis = new TestRedis(port, await mkdtemp(join(tmpdir(), 'kms-redis-')), more(port));
    await redis.start();
    return redis;
  }

  async start(): Promise<void> {
    const options = [
      '--port',
      String(this.port),
      '--bind',
      '127.0.0.1',
      '--save',
      '',
      '--appendonly',
      'no',
      '--dir',
      this.#folder,
      ...this.#more,
    ];
    const child = spawn('redis-server', options, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#child = child;
    let said = '';
    for await (const text of child.stdout!.setEncoding('utf8')) {
      said += text;
      if (said.includes('Ready to accept connections')) break;
    }
  }

  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  /** It keeps its connections, and answers nothing. */
  freeze(): void {
    this.#child!.kill('SIGSTOP');
  }

  thaw(): void {
    this.#child!.kill('SIGCONT');
  }

  async close(): Promise<void> {
    await this.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
