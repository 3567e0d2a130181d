import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, existsSync, readFileSync } from 'node:fs';

/** A program that runs beside others until it is stopped, with its output in a file. Tests harm it and start it again. */
export class Daemon {
  readonly name: string;
  readonly #program: string;
  readonly #args: readonly string[];
  readonly #log: string;
  #child: ChildProcess | undefined;

  /**
   * @param program path of the program
   * @param log file that its output is added to
   */
  constructor(name: string, program: string, args: readonly string[], log: string) {
    this.name = name;
    this.#program = program;
    this.#args = args;
    this.#log = log;
  }

  start(): void {
    const output = createWriteStream(this.#log, { flags: 'a' });
    // A run that is killed takes its programs along: the kernel tells them, as nobody else could.
    const [program, ...args] = existsSync(SETPRIV)
      ? [SETPRIV, '--pdeathsig', 'KILL', this.#program, ...this.#args]
      : [this.#program, ...this.#args];
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: process.env.PATH } });
    child.stdout.pipe(output, { end: false });
    child.stderr.pipe(output, { end: false });
    child.once('close', () => output.end());
    this.#child = child;
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Asks it to end, and makes it after ten seconds. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#child;
    if (!child || !this.isRunning) return;
    const ended = once(child, 'close');
    child.kill(signal);
    // What is paused hears nothing else than these two.
    child.kill('SIGCONT');
    const patience = setTimeout(() => child.kill('SIGKILL'), 10_000);
    await ended;
    clearTimeout(patience);
  }

  /** It keeps its connections and answers nothing, as on a machine that hangs. */
  pause(): void {
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  /** The last lines of what it wrote, for messages. */
  complaint(): string {
    return existsSync(this.#log) ? readFileSync(this.#log, 'utf8').slice(-3000) : '';
  }
}

const SETPRIV = '/usr/bin/setpriv';
