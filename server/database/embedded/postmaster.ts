import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readFile, rename, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { runAs } from './account.ts';
import type { Cluster } from './cluster.ts';

/** A Postgres that runs on a cluster's data. */
export interface Postmaster {
  readonly pid: number;
  readonly port: number;
  /** It ran already: an earlier process was killed, or another one is alive and owns it. */
  readonly tookOver: boolean;
}

/** How long a start may take, in milliseconds. Recovery after a crash with a full log is what takes so long. */
const START_DEADLINE = 300_000;
const STOP_DEADLINE = 30_000;
const LOG_LIMIT = 10 * 1024 * 1024;

const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '100',
  // What the audit says happened must still be said after a power cut.
  fsync: 'on',
  synchronous_commit: 'on',
  timezone: 'UTC',
  log_timezone: 'UTC',
  // Without the DETAIL lines, which quote rows.
  log_error_verbosity: 'terse',
};

/** Reasons for which a start failed that the next attempt, a moment later, does not meet. */
const PASSING =
  /lock file "postmaster\.pid" already exists|is still in use|could not create any TCP\/IP sockets|Address already in use/;

/**
 * Starts Postgres, or finds it running: never two on the same data. A server that is still recovering, or still stopping,
 * is waited for.
 *
 * @throws Error with the last FATAL line of the log when Postgres does not start
 */
export async function ensurePostmaster(
  cluster: Cluster,
  settings: Readonly<Record<string, string>>,
  log: (message: string) => void,
): Promise<Postmaster> {
  const deadline = Date.now() + START_DEADLINE;
  let told = false;
  while (Date.now() < deadline) {
    const file = await readPidFile(cluster);
    if (file && (await isPostmaster(file.pid, cluster))) {
      if (file.ready) return { pid: file.pid, port: file.port, tookOver: true };
      if (!told) log(`waiting for the Postgres that runs on ${cluster.dataDir} (pid ${file.pid})`);
      told = true;
      await pause(50);
      continue;
    }
    if (file) await disarm(cluster, file.pid);
    const attempt = await launch(cluster, settings, deadline);
    if (typeof attempt !== 'string') return attempt;
    if (!PASSING.test(attempt))
      throw new Error(`Postgres did not start on ${cluster.dataDir}: ${attempt} (see ${cluster.log})`);
    await pause(200);
  }
  throw new Error(`Postgres on ${cluster.dataDir} is not ready after ${START_DEADLINE / 1000} s; see ${cluster.log}`);
}

/** Fast shutdown: transactions are rolled back, the data is flushed. What does not end by then is killed. */
export async function stopPostmaster(cluster: Cluster, pid: number): Promise<void> {
  const start = Date.now();
  const signals: [after: number, signal: NodeJS.Signals][] = [
    [0, 'SIGINT'],
    // Immediate shutdown first: the postmaster takes its children along, which a SIGKILL would leave to themselves.
    [STOP_DEADLINE - 5_000, 'SIGQUIT'],
    [STOP_DEADLINE, 'SIGKILL'],
  ];
  while (await isPostmaster(pid, cluster)) {
    if (signals[0] && Date.now() - start >= signals[0][0]) {
      try {
        process.kill(pid, signals.shift()![1]);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
    }
    await pause(20);
  }
}

interface PidFile {
  readonly pid: number;
  readonly port: number;
  readonly ready: boolean;
}

/** Lines of postmaster.pid: pid, data folder, start time, port, socket folder, address, shared memory key, state. */
async function readPidFile(cluster: Cluster): Promise<PidFile | undefined> {
  const text = await readFile(join(cluster.data, 'postmaster.pid'), 'utf8').catch(() => undefined);
  const lines = text?.split('\n') ?? [];
  const pid = Number(lines[0]);
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  return { pid, port: Number(lines[3]), ready: lines[7]?.trim() === 'ready' };
}

/** Whether a process is the Postgres of this data: numbers come again, after a reboot or in a new container at once. */
export async function isPostmaster(pid: number, cluster: Pick<Cluster, 'data'>): Promise<boolean> {
  if (process.platform === 'linux') {
    const program = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '');
    if (program.trim() !== 'postgres') return false;
    const [itsFolder, data] = await Promise.all([stat(`/proc/${pid}/cwd`), stat(cluster.data)]).catch(() => []);
    return itsFolder !== undefined && itsFolder.ino === data?.ino && itsFolder.dev === data.dev;
  }
  const command = await promisify(execFile)('ps', ['-p', String(pid), '-o', 'args=']).catch(() => ({ stdout: '' }));
  return command.stdout.includes('postgres') && command.stdout.includes(cluster.data);
}

/**
 * Makes a pid file harmless whose number now belongs to another process: Postgres takes any process of the same user for
 * itself and refuses to start. The file is not removed, because its shared memory key still guards against children that
 * outlived their postmaster.
 */
async function disarm(cluster: Cluster, pid: number): Promise<void> {
  try {
    process.kill(pid, 0);
  } catch {
    return;
  }
  const path = join(cluster.data, 'postmaster.pid');
  const lines = (await readFile(path, 'utf8').catch(() => '')).split('\n');
  if (Number(lines[0]) !== pid) return;
  const nobody = 2 ** 31 - 2; // above every pid_max
  await writeFile(path, [nobody, ...lines.slice(1)].join('\n'));
}

async function launch(
  cluster: Cluster,
  settings: Readonly<Record<string, string>>,
  deadline: number,
): Promise<Postmaster | string> {
  const port = await freePort();
  const written = await rollLog(cluster.log);
  const out = openSync(cluster.log, 'a', 0o600);
  const options = Object.entries({ ...SETTINGS, ...settings }).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const child = spawn(cluster.binaries.postgres, ['-D', cluster.data, '-p', String(port), ...options], {
    ...runAs(cluster.account),
    // A group of its own: Ctrl-C reaches us, and we stop Postgres when the last audit row is in.
    detached: true,
    stdio: ['ignore', out, out],
  });
  closeSync(out);
  child.unref();
  const ended = new AbortController();
  child.once('exit', () => ended.abort());
  try {
    await once(child, 'spawn');
  } catch (error) {
    return (error as Error).message;
  }
  while (Date.now() < deadline && !ended.signal.aborted) {
    const file = await readPidFile(cluster);
    if (file?.pid === child.pid && file?.ready) return { pid: file!.pid, port: file!.port, tookOver: false };
    await pause(20, undefined, { signal: ended.signal }).catch(() => undefined);
  }
  const lines = (await readFile(cluster.log)).subarray(written).toString('utf8').split('\n');
  return (
    lines.findLast((line) => /\b(FATAL|PANIC)\b/.test(line))?.replace(/^.*(FATAL|PANIC):\s+/, '') ?? 'it ended at once'
  );
}

/** @returns how much the log holds before this start */
async function rollLog(path: string): Promise<number> {
  const size = (await stat(path).catch(() => undefined))?.size ?? 0;
  if (size < LOG_LIMIT) return size;
  await rename(path, `${path}.1`);
  return 0;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}
