import { type ChildProcess, spawn } from 'node:child_process';
import { open } from 'node:fs/promises';
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
 * Starts the server and waits until it answers. Its log goes to a file; what it says to people is kept for errors. It
 * has a process group of its own, so that Ctrl-C reaches this process alone, which then stops it in order; and a channel
 * to this process, so that it stops by itself when this process is killed.
 */
export async function startServer(
  settings: TrialSettings,
  secrets: Readonly<Record<string, string>>,
): Promise<TrialServer> {
  const entry = fileURLToPath(new URL(`../../server/main${settings.ending}`, import.meta.url));
  const log = await open(settings.serverLog, 'a', 0o600);
  const child = spawn(process.execPath, ['--disable-sigusr1', entry], {
    env: serverEnvironment(settings, secrets),
    stdio: ['ignore', log.fd, 'pipe', 'ipc'],
    detached: true,
  });
  await log.close();
  const said = lastLines(child);
  const ended = endOf(child).then((how) => said() || `it ended with ${how}`);
  const url = await Promise.race([ready(child), ended.then((last) => Promise.reject(explain(last, settings)))]);
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
async function endOf(child: ChildProcess): Promise<string> {
  const how = await new Promise<string>((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('exit', (code, signal) => resolve(String(signal ?? code)));
  });
  // What it said last may still be in the pipe.
  await new Promise<void>((resolve) => {
    if (child.stderr?.readableEnded !== false) return resolve();
    child.stderr.on('end', resolve);
    setTimeout(resolve, 500).unref();
  });
  return how;
}

function ready(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => {
      reject(new UserError(`the server was not ready within ${READY_WITHIN_MS / 1000} s`));
      child.kill('SIGTERM');
      setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS).unref();
    }, READY_WITHIN_MS);
    child.on('exit', () => clearTimeout(late));
    child.on('message', (message: { ready?: string }) => {
      if (typeof message.ready !== 'string') return;
      clearTimeout(late);
      resolve(message.ready);
    });
    // A server that could not start has said why, and ends once nothing holds it: the channel to us would.
    child.stderr?.on('data', (text: string) => {
      if (text.includes(': error: ') && child.connected) child.disconnect();
    });
  });
}

/** The last line that the server said, for when it is the last ever. */
function lastLines(child: ChildProcess): () => string {
  let tail = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    tail = (tail + text).slice(-8192);
  });
  return () => {
    const lines = tail.split('\n').filter((line) => line.trim() !== '');
    const errors = lines.filter((line) => line.includes(': error: '));
    return (errors.at(-1) ?? lines.at(-1) ?? '').replace(/^kms-server: (error: )?/, '');
  };
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
