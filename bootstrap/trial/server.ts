import { type ChildProcess, spawn } from 'node:child_process';
import { open, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { UserError } from '../problem.ts';
import type { TrialSettings } from './settings.ts';

/** How long a first start may take: it unpacks and starts a Postgres. */
const READY_WITHIN_MS = 90_000;
/** The server ends by itself within 25 seconds of being told. */
const STOP_WITHIN_MS = 30_000;

/** The trial's server, a child of this process. */
export interface TrialServer {
  readonly url: string;
  /** Resolves when the server is gone, with the last thing it said. */
  readonly ended: Promise<string>;
  /** Tells it to stop, and waits until it is gone. */
  stop(): Promise<void>;
}

/**
 * Starts the server and waits until it answers. It has a process group of its own, so that Ctrl-C reaches this process
 * alone, which then stops it in order; and a channel to this process, so that it stops by itself when this process is
 * killed. What it says goes to a file and not through a pipe: a pipe whose reader was killed would kill the server in
 * the middle of stopping, and leave its Postgres behind.
 */
export async function startServer(
  settings: TrialSettings,
  secrets: Readonly<Record<string, string>>,
): Promise<TrialServer> {
  const entry = fileURLToPath(new URL('../../server/main.ts', import.meta.url));
  const log = await open(settings.serverLog, 'a', 0o600);
  const { size } = await log.stat();
  const child = spawn(process.execPath, ['--disable-sigusr1', entry], {
    env: serverEnvironment(settings, secrets),
    stdio: ['ignore', log.fd, log.fd, 'ipc'],
    detached: true,
  });
  await log.close();
  const said = () => linesSaid(settings.serverLog, size);
  // Who was killed has said nothing of it, and its last line is about something else.
  const ended = endOf(child).then(async (how) =>
    how.startsWith('SIG') ? `it was killed (${how})` : (lastOf(await said()) ?? `it ended with ${how}`),
  );
  const url = await Promise.race([ready(child, said), ended.then((last) => Promise.reject(explain(last, settings)))]);
  return { url, ended, stop: () => stop(child, ended) };
}

function serverEnvironment(settings: TrialSettings, secrets: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  return {
    ...process.env,
    // The trial has a database of its own, whatever the shell it is started from is set up for.
    DB_CONNECTION_URI: '',
    REDIS_URL: '',
    KMS_ALLOW_UNPROVEN_BOOTSTRAP: '',
    KMS_DRAIN_SECONDS: '0',
    HOST: '127.0.0.1',
    ...secrets,
    PORT: String(settings.port),
    KMS_DATA_DIR: settings.folder,
  };
}

/** Not the event `close`: it never comes once the channel was closed from here. */
function endOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('exit', (code, signal) => resolve(String(signal ?? code)));
  });
}

function ready(child: ChildProcess, said: () => Promise<string[]>): Promise<string> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => {
      reject(new UserError(`the server was not ready within ${READY_WITHIN_MS / 1000} s`));
      child.kill('SIGTERM');
      setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS).unref();
    }, READY_WITHIN_MS);
    // A server that could not start has said why, and ends once nothing holds it: the channel to us would.
    const looking = setInterval(async () => {
      const failed = (await said()).some((line) => line.includes(ERROR));
      if (failed && child.connected) child.disconnect();
    }, 200);
    const done = () => {
      clearTimeout(late);
      clearInterval(looking);
    };
    child.on('exit', done);
    child.on('message', (message: { ready?: string }) => {
      if (typeof message.ready !== 'string') return;
      done();
      resolve(message.ready);
    });
  });
}

const PREFIX = 'kms-server: ';
const ERROR = 'kms-server: error: ';

/** What the server has said to people since this start; the rest of its log is JSON. */
async function linesSaid(file: string, from: number): Promise<string[]> {
  const text = (await readFile(file)).subarray(from).toString('utf8');
  return text.split('\n').filter((line) => line.startsWith(PREFIX));
}

function lastOf(lines: readonly string[]): string | undefined {
  const line = lines.findLast((said) => said.startsWith(ERROR)) ?? lines.at(-1);
  return line?.replace(ERROR, '').replace(PREFIX, '');
}

function explain(last: string, { port, folder }: TrialSettings): UserError {
  if (/port \d+ is taken/.test(last))
    return new UserError(last.replace(/; set PORT.*/, ''), `PORT=${port + 1} npm start`);
  if (/root key|ROOT_ENCRYPTION_KEY/.test(last)) {
    return new UserError(
      last,
      `${folder}/kms.env does not belong to the data beside it; restore it, or remove ${folder} to begin anew`,
    );
  }
  return new UserError(`the server did not start: ${last}`);
}

async function stop(child: ChildProcess, ended: Promise<string>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  const killer = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS);
  await ended;
  clearTimeout(killer);
}
