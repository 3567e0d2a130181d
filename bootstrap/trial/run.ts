import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Listr, ListrLogger, type ListrTask, ProcessOutput } from 'listr2';
import type { Inventory } from '../../contracts/inventory.ts';
import { type AuthSecret, parseAuthSecret } from '../../keys/index.ts';
import type { Kms } from '../../sdk/index.ts';
import { applyPlan } from '../apply/apply.ts';
import { mintCredentials } from '../apply/credentials.ts';
import { readEnvFile } from '../commands/connection.ts';
import { readIfThere, writeDurably } from '../durable-file.ts';
import type { FirstRun } from '../first-run/first-run.ts';
import { formatEnvFile } from '../init/env-file.ts';
import { makeKmsSecrets } from '../init/kms-secrets.ts';
import { loadInventory } from '../inventory/load.ts';
import { type Live, readLive } from '../live/read.ts';
import { lineOf, planSummary } from '../plan/lines.ts';
import { makePlan } from '../plan/plan.ts';
import { totals, weightOf } from '../plan/steps.ts';
import { paint, print, say, type Terminal } from '../terminal/terminal.ts';
import { dropStaleCredentials } from './credentials.ts';
import { enter, keepAdminFile } from './enter.ts';
import { fillPlaceholders } from './placeholders.ts';
import { startServer, type TrialServer } from './server.ts';
import type { TrialSettings } from './settings.ts';
import { manifestsLine, nextCommands, summaryLines } from './summary.ts';
import { type Manifests, synthesize } from './synth.ts';

/** What the tasks hand on to each other. */
interface Trial {
  secrets: Record<string, string>;
  inventory: Inventory;
  server: TrialServer;
  authSecret: AuthSecret;
  entered: FirstRun & { email: string };
  live: Live;
  manifests: Manifests;
  changed: boolean;
  unchanged: number;
  stopRefreshing: () => void;
}

/** A trial that is up: its server runs, its inventory is applied. */
export interface RunningTrial {
  readonly server: TrialServer;
  stop(): Promise<void>;
}

/**
 * The whole way from an empty folder to a server that holds the inventory. Every task can be repeated: a run that was
 * killed anywhere is taken up by the next one, and a run after a whole one changes nothing.
 */
export async function startTrial(terminal: Terminal, settings: TrialSettings): Promise<RunningTrial> {
  const trial = { changed: false } as Trial;
  const stop = async () => {
    trial.stopRefreshing?.();
    await trial.server?.stop();
  };
  try {
    await tasks(terminal, settings).run(trial);
  } catch (error) {
    await stop();
    throw error;
  }
  report(terminal, settings, trial);
  return { server: trial.server, stop };
}

function tasks(terminal: Terminal, settings: TrialSettings) {
  const list: ListrTask<Trial>[] = [
    {
      title: 'Keys',
      task: async (trial, task) => {
        const made = await ensureKmsEnv(settings.kmsEnv);
        trial.secrets = await readEnvFile(settings.kmsEnv);
        trial.authSecret = parseAuthSecret(trial.secrets.AUTH_SECRET ?? '');
        trial.inventory = await loadInventory(settings.inventory);
        task.title = made ? `Keys: made ${settings.kmsEnv}` : `Keys: ${settings.kmsEnv}`;
      },
    },
    {
      title: 'Server: starting, with a Postgres of its own',
      task: async (trial, task) => {
        trial.server = await startServer(settings, trial.secrets);
        task.title = `Server: ${trial.server.url}`;
      },
    },
    {
      title: 'Inventory',
      task: async (trial, task) => applyInventory(settings, trial, (title) => (task.title = title)),
    },
    {
      title: 'Credentials',
      task: async (trial, task) => {
        const { kms } = trial.entered;
        await dropStaleCredentials(kms, trial.live.ids, trial.inventory, settings.credentials);
        const minted = await mintCredentials(kms, trial.live.ids, trial.inventory, settings.credentials);
        trial.changed ||= minted.length > 0;
        await trial.entered.finish();
        const access = {
          connection: { url: trial.server.url },
          state: settings.folder,
          authSecret: trial.authSecret,
        };
        trial.stopRefreshing = await keepAdminFile(access, trial.entered.email);
        task.title =
          minted.length > 0
            ? `Credentials: ${minted.length} made in ${settings.credentials}/`
            : 'Credentials: all there';
      },
    },
    {
      title: 'Manifests',
      task: async (trial, task) => {
        trial.manifests = await synthesize(settings.root);
        task.title = `Manifests: ${trial.manifests.files.length} files in ${trial.manifests.folder}/`;
      },
    },
  ];
  return new Listr<Trial, 'default', 'silent'>(
    list.map((one) => (terminal.stderr.isTTY ? one : inLines(terminal, one))),
    {
      fallbackRenderer: 'silent',
      fallbackRendererCondition: () => !terminal.stderr.isTTY,
      // Ctrl-C is ours: the server has to be stopped first.
      registerSignalListeners: false,
      rendererOptions: { logger: talkLogger(terminal), showErrorMessage: false },
    },
  );
}

/** Where no terminal is, a line when a task begins and one when it is done. */
function inLines(terminal: Terminal, one: ListrTask<Trial>): ListrTask<Trial> {
  return {
    ...one,
    task: async (trial, task) => {
      say(terminal, `... ${task.title}`);
      await one.task?.(trial, task);
      say(terminal, `ok  ${task.title}`);
    },
  };
}

/** Progress is talk: it goes to standard error, so that standard output holds the result alone. */
const talkLogger = (terminal: Terminal) =>
  new ListrLogger({ useIcons: true, toStderr: [], processOutput: new ProcessOutput(terminal.stderr, terminal.stderr) });

async function ensureKmsEnv(file: string): Promise<boolean> {
  if ((await readIfThere(file)) !== undefined) return false;
  // Others may pass through the folder and see nothing of it: run as root, the Postgres in it has a user of its own.
  await mkdir(dirname(file), { recursive: true, mode: 0o711 });
  await writeDurably(file, formatEnvFile({ ...makeKmsSecrets({}) }), { exclusive: true });
  return true;
}

async function applyInventory(settings: TrialSettings, trial: Trial, show: (title: string) => void): Promise<void> {
  const connection = { url: trial.server.url, userAgent: 'kms-trial' };
  trial.entered = await enter({ connection, state: settings.folder, authSecret: trial.authSecret }, trial.inventory);
  const kms: Kms = trial.entered.kms;
  const live = await readLive(kms, trial.inventory);
  const plan = makePlan(trial.inventory, live.world);
  const { created, changed } = totals(plan.steps);
  const all = created + changed;
  let done = 0;
  await applyPlan(kms, live, plan, (step) => {
    done += weightOf(step);
    show(`Inventory: ${done} of ${all}, ${lineOf(step).noun} ${lineOf(step).name}`);
  });
  if (plan.missing.length > 0) {
    show(`Inventory: placeholders for ${plan.missing.length} secrets that nobody can generate`);
    await fillPlaceholders(kms, live.ids, plan.missing);
  }
  trial.changed ||= all + plan.missing.length > 0;
  trial.live = trial.changed ? await readLive(kms, trial.inventory) : live;
  trial.unchanged = plan.unchanged;
  const filled = plan.missing.length > 0 ? `, ${plan.missing.length} placeholders` : '';
  show(`Inventory: ${all > 0 ? `${created} created, ${changed} changed${filled}` : `${planSummary(plan)}${filled}`}`);
}

function report(
  terminal: Terminal,
  settings: TrialSettings,
  { inventory, live, server, manifests, changed, unchanged }: Trial,
): void {
  const gatewayId = live.ids.project.get('hanzo\ngateway');
  const strong = (text: string) => paint(terminal.stdout, 'bold', text);
  print(
    terminal,
    '',
    ...summaryLines(inventory, live.world).map((line, index) => (index === 0 ? strong(line) : line)),
    '',
  );
  if (!changed) print(terminal, strong(`nothing to change, ${unchanged} unchanged`));
  print(
    terminal,
    'Secrets that only people know hold placeholders: placeholder-<KEY>-replace-me.',
    manifestsLine(manifests),
    '',
  );
  const commands = nextCommands({ url: server.url, folder: settings.folder, gatewayId });
  print(
    terminal,
    strong('Next, ready to paste:'),
    ...commands.map((line) => (line.startsWith('#') ? paint(terminal.stdout, 'gray', line) : line)),
    '',
  );
}
