import { type Look, lookAt } from '../../sdk/look.ts';
import { UserError } from '../problem.ts';
import { type Ended, exitLike, passSignals, startChild } from '../run/child.ts';
import { environmentOf, type Merging } from '../run/environment.ts';
import { say, type Terminal } from '../terminal/terminal.ts';
import { type FolderOptions, findFolder } from './folder.ts';
import { valuesOf } from './values.ts';

/** Options of `kms run`. */
export interface RunOptions extends FolderOptions, Merging {
  /** With the folders below. */
  readonly recursive?: boolean;
  /** With what the folder imports. */
  readonly includeImports: boolean;
  /** Start the command again when a secret changes. */
  readonly watch?: boolean;
}

/** How long a command may take to end before it is started again, in milliseconds. */
const GRACE_MS = 10_000;

/**
 * Runs a command with the secrets of a folder in its environment, and nowhere else: nothing is written, and no argument holds a value.
 *
 * @returns the exit code of the command; 128 and the signal's number when one ended it
 */
export async function runCommand(
  terminal: Terminal,
  environment: NodeJS.ProcessEnv,
  command: readonly string[],
  options: RunOptions,
): Promise<number> {
  const { session, at } = await findFolder(environment, options);
  const look = (etag?: string, signal?: AbortSignal) =>
    lookAt(session, at, {
      recursive: options.recursive === true,
      imports: options.includeImports,
      personal: true,
      etag,
      ...(signal ? { signal } : {}),
    });
  const first = await look();
  if (!first) throw new UserError('KMS answered that nothing has changed, though nothing was known yet');
  const note = (text: string) => say(terminal, `${terminal.program}: ${text}`);
  let secrets = valuesOf(first);
  const prepared = () => {
    const { env, leftOut } = environmentOf(environment, secrets, options);
    for (const { name, why } of leftOut) note(`${name} is left out: ${why}`);
    return env;
  };

  let child = startChild(command, prepared());
  let isEnding = false;
  const stopPassing = passSignals((signal) => {
    if (signal === 'SIGTERM' || signal === 'SIGINT') isEnding = true;
    child.process.kill(signal);
  });
  try {
    const projectId = projectOf(first);
    if (!options.watch || projectId === undefined) {
      if (options.watch) note('this server does not tell which project it is: changes are not watched');
      return await finish(await child.ended, stopPassing);
    }
    // Loaded here: without --watch nothing waits for them.
    const [{ Events }, { watchFolder }, { failureOf }] = await Promise.all([
      import('../../sdk/events.ts'),
      import('../../sdk/watch.ts'),
      import('../terminal/failure.ts'),
    ]);
    const watching = new AbortController();
    let isRestarting = false;
    const restart = async () => {
      const old = child;
      const timer = setTimeout(() => old.process.kill('SIGKILL'), GRACE_MS);
      old.process.kill('SIGTERM');
      await old.ended;
      clearTimeout(timer);
      isRestarting = false;
      if (!isEnding) child = startChild(command, prepared());
    };
    let restarted: Promise<void> = Promise.resolve();
    void watchFolder(
      {
        kms: { events: new Events(session) },
        projectId,
        look,
        signal: watching.signal,
        troubled: (error) => note(`changes cannot be watched for now: ${failureOf(error).errors.join('; ')}`),
        changed: (found) => {
          const present = valuesOf(found);
          const names = differing(secrets, present);
          // Its exit is on its way: nothing may start after it.
          if (names.length === 0 || isEnding || hasEnded(child.process)) return;
          // What cannot be passed on is told, and the command goes on with what it has.
          environmentOf(environment, present, options);
          secrets = present;
          note(`${names.join(', ')} changed: starting again`);
          if (isRestarting) return;
          isRestarting = true;
          restarted = restart();
          restarted.catch(() => {});
        },
      },
      first.etag,
    );
    for (;;) {
      const current = child;
      const ended = await current.ended;
      if (isRestarting) await restarted;
      if (child !== current) continue;
      watching.abort();
      return await finish(ended, stopPassing);
    }
  } finally {
    stopPassing();
  }
}

async function finish(ended: Ended, stopPassing: () => void): Promise<number> {
  stopPassing();
  return exitLike(ended);
}

const hasEnded = (child: { exitCode: number | null; signalCode: NodeJS.Signals | null }) =>
  child.exitCode !== null || child.signalCode !== null;

const projectOf = ({ folder, secrets }: Look) => folder?.projectId ?? secrets[0]?.workspace;

function differing(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string[] {
  const names = new Set([...before.keys(), ...after.keys()]);
  return [...names].filter((name) => before.get(name) !== after.get(name)).toSorted();
}
