import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const SETPRIV = '/usr/bin/setpriv';
const root = fileURLToPath(new URL('../../..', import.meta.url));

/** `kms-operator` in a process of its own. */
export class OperatorProcess {
  readonly #child: ChildProcess;
  /** Port of health and metrics. */
  readonly port: number;
  /** What it logged. */
  readonly lines: readonly Record<string, any>[];

  private constructor(child: ChildProcess, port: number, lines: readonly Record<string, any>[]) {
    this.#child = child;
    this.port = port;
    this.lines = lines;
  }

  static async start(variables: Record<string, string>): Promise<OperatorProcess> {
    const env = { PATH: process.env.PATH, HOME: '/nonexistent', PORT: '0', LOG_LEVEL: 'info', ...variables };
    // A run that is killed, or a hook that timed out, takes it along.
    const program = [process.execPath, 'bin/kms-operator.js'];
    const [first, ...args] = existsSync(SETPRIV) ? [SETPRIV, '--pdeathsig', 'KILL', ...program] : program;
    const child = spawn(first!, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let complaint = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text));
    const lines: Record<string, any>[] = [];
    const port = await new Promise<number>((resolve, reject) => {
      createInterface(child.stdout).on('line', (line) => {
        const entry = JSON.parse(line) as Record<string, any>;
        lines.push(entry);
        if (entry.msg === 'started') resolve(entry.port);
      });
      child.once('exit', (code, signal) => reject(new Error(`kms-operator ended (${code ?? signal}): ${complaint}`)));
    });
    return new OperatorProcess(child, port, lines);
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get isLeader(): boolean {
    const last = this.lines.findLast(({ msg }) => msg === 'leading' || msg === 'no longer leading');
    return last?.msg === 'leading';
  }

  async get(path: string): Promise<{ status: number; text: string }> {
    const response = await fetch(`http://127.0.0.1:${this.port}${path}`);
    return { status: response.status, text: await response.text() };
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill(signal);
    this.#child.kill('SIGCONT');
    await ended;
  }
}
