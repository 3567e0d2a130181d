import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { UserError } from '../problem.ts';

/** How a child ended: with a code, or by a signal. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Starts a command in this process group and on this terminal, so that Ctrl-C, Ctrl-Z and colours are the child's own. */
export function startChild(
  [file = '', ...args]: readonly string[],
  env: NodeJS.ProcessEnv,
): { process: ChildProcess; ended: Promise<Ended> } {
  let child: ChildProcess;
  try {
    child = spawn(file, args, { env, stdio: 'inherit' });
  } catch (error) {
    throw notStarted(file, error as NodeJS.ErrnoException);
  }
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      if (child.pid === undefined) reject(notStarted(file, error));
    });
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  return { process: child, ended };
}

/** As env(1) has it: 127 is not found, 126 found and not to be run. */
function notStarted(file: string, error: NodeJS.ErrnoException): UserError {
  if (error.code === 'ENOENT') return new UserError(`${file}: no such command`, 'is it on the PATH?', undefined, 127);
  if (error.code === 'E2BIG')
    return new UserError(
      'all secrets together are too long for an environment',
      'name a folder with fewer of them by --path, or let the program read them itself',
      undefined,
      125,
    );
  return new UserError(`${file} cannot be run: ${error.code}`, undefined, undefined, 126);
}

const PASSED_ON: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'];

/**
 * Hands each signal that reaches this process to `receive`, until the answer is called. What a terminal sends, it sends to the child as well:
 * that is only kept from ending this process, since a second Ctrl-C means "at once" to many programs.
 */
export function passSignals(receive: (signal: NodeJS.Signals) => void): () => void {
  const listeners = PASSED_ON.map((signal) => {
    const listener = () => {
      const fromTerminal = (signal === 'SIGINT' || signal === 'SIGQUIT') && ownsTerminal();
      if (!fromTerminal) receive(signal);
    };
    process.on(signal, listener);
    return () => process.removeListener(signal, listener);
  });
  return () => {
    for (const stop of listeners) stop();
  };
}

/** Whether this process group is the one that a terminal sends Ctrl-C to. */
function ownsTerminal(): boolean {
  try {
    // proc(5): after the name in parentheses come state, parent, process group, session, terminal and the terminal's foreground group.
    const stat = readFileSync('/proc/self/stat', 'utf8');
    const [, , group, , , foreground] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return group === foreground;
  } catch {
    return process.stdin.isTTY === true;
  }
}

/** Those after which a shell must see that a signal ended the command, or its own loop would go on after Ctrl-C. */
const TOLD: readonly (NodeJS.Signals | null)[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** The exit code that tells the same; a signal that ended the child ends this process too. */
export async function exitLike({ code, signal }: Ended): Promise<number> {
  if (signal === null) return code ?? 1;
  if (TOLD.includes(signal)) {
    process.kill(process.pid, signal);
    // As process 1 of a container nothing ends it but an exit.
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return 128 + constants.signals[signal];
}
