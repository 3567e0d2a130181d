import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';

const MAIN = join(import.meta.dirname, '../../../server/main.ts');

/** kms-secrets for one instance. */
export function newSecrets(): { ROOT_ENCRYPTION_KEY: string; AUTH_SECRET: string } {
  return {
    ROOT_ENCRYPTION_KEY: randomBytes(32).toString('hex'),
    AUTH_SECRET: randomBytes(32).toString('base64'),
  };
}

const children = new Set<ChildProcess>();

/** A `kms-server` that runs as in production: a process of its own, told by its environment and by signals alone. */
export class ServerProcess {
  readonly child: ChildProcess;
  stdout = '';
  stderr = '';
  readonly #ended: Promise<{ code: number | null; signal: string | null }>;

  /** @param main of another version, say @default - this version's */
  constructor(
    environment: Record<string, string>,
    args: readonly string[] = [],
    flags = ['--disable-sigusr1'],
    main = MAIN,
  ) {
    this.child = spawn(process.execPath, [...flags, main, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env.PATH ?? '', PORT: '0', LOG_LEVEL: 'warn', ...environment },
    });
    children.add(this.child);
    this.child.stdout!.setEncoding('utf8').on('data', (text) => {
      this.stdout += text;
    });
    this.child.stderr!.setEncoding('utf8').on('data', (text) => {
      this.stderr += text;
    });
    this.#ended = once(this.child, 'close').then(([code, signal]) => {
      children.delete(this.child);
      return { code, signal };
    });
  }

  /** Where it serves, as soon as it says so. */
  async ready(): Promise<string> {
    for (;;) {
      const address = /ready on (https?:\S+)/.exec(this.stderr)?.[1];
      if (address !== undefined) return address;
      const over = await Promise.race([
        this.#ended.then(() => true),
        once(this.child.stderr!, 'data').then(() => false),
      ]);
      if (over) throw new Error(`the server ended instead of serving:\n${this.stdout}${this.stderr}`);
    }
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  /** How it ended, and everything it wrote. */
  async ended(): Promise<{ code: number | null; signal: string | null; output: string }> {
    const how = await this.#ended;
    return { ...how, output: this.stdout + this.stderr };
  }
}

/** Ends what a failed test left. */
export function killLeftovers(): void {
  for (const child of children) child.kill('SIGKILL');
}
