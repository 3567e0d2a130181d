import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, readFileSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A server in a process of its own. */
export interface Target {
  readonly name: string;
  readonly address: string;
  readonly pid: number;
  /** From the start of the process until it said that it is ready, in milliseconds. */
  readonly readyMs: number;
  /** Resident memory now, and the most it ever was, in MB. */
  memory(): { readonly now: number; readonly peak: number };
  stop(): Promise<void>;
}

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Installs the package as npm would, into a folder. */
export function install(folder: string): void {
  for (const part of ['bin', 'lib', 'package.json'])
    cpSync(file(`../${part}`), join(folder, part), { recursive: true });
  symlinkSync(file('../node_modules'), join(folder, 'node_modules'));
}

/** The server as it is installed in a folder: compiled, configured by its environment. */
export async function startOurs(
  folder: string,
  databaseUri: string,
  keys: { rootKey: string; authSecret: string },
): Promise<Target> {
  const env = {
    ...process.env,
    PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
    DB_CONNECTION_URI: databaseUri,
    ROOT_ENCRYPTION_KEY: keys.rootKey,
    AUTH_SECRET: keys.authSecret,
    PORT: '0',
    LOG_LEVEL: 'warn',
  };
  // As a shell starts it: by its first line, which says how Node is to run.
  const program = join(folder, 'bin/kms-server.js');
  return start('ours', spawn(program, ['serve'], { env, stdio: ['ignore', 'inherit', 'ignore', 'ipc'] }));
}

/** A baseline of baseline.ts. */
export async function startBaseline(name: 'bare' | 'naive', settings: object): Promise<Target> {
  const child = fork(file('baseline.ts'), [name], { stdio: 'inherit' });
  // By message: the bodies are too long for an argument.
  child.send(settings);
  return start(name, child);
}

async function start(name: string, child: ChildProcess): Promise<Target> {
  const since = performance.now();
  const [{ ready }] = (await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code]) => Promise.reject(new Error(`${name} ended with exit code ${code}`))),
  ])) as [{ ready: string }];
  const readyMs = performance.now() - since;
  return { name, address: ready, pid: child.pid!, readyMs, memory: () => memoryOf(child.pid!), stop: () => end(child) };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.disconnect();
  await gone;
}

function memoryOf(pid: number) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const megabytes = (field: string) =>
    Math.round(Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)![1]) / 1024);
  return { now: megabytes('VmRSS'), peak: megabytes('VmHWM') };
}
