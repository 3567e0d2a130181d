import * as prompts from '@clack/prompts';
import type { Inventory } from '../../contracts/inventory.ts';
import { Kms } from '../../sdk/index.ts';
import { applyPlan } from '../apply/apply.ts';
import { identitiesOf, mintCredentials } from '../apply/credentials.ts';
import { type FirstRun, type FirstRunOptions, firstAdmin, recover, resume, takeOver } from '../first-run/first-run.ts';
import { firstCallFile, readFirstCall } from '../first-run/state.ts';
import { loadInventory } from '../inventory/load.ts';
import { Ids } from '../live/ids.ts';
import { type Live, readLive } from '../live/read.ts';
import { findReach, type Reach } from '../logins/reach.ts';
import { formatLines, lineOf, missingLines, planSummary } from '../plan/lines.ts';
import { makePlan } from '../plan/plan.ts';
import { isCreation, type Plan, type Step, totals } from '../plan/steps.ts';
import { UserError } from '../problem.ts';
import { paint, print, printJson, say, type Terminal } from '../terminal/terminal.ts';
import { clientOf, findAuthSecret } from './connection.ts';

interface ReconcileOptions {
  readonly file: string;
  readonly state: string;
  readonly kmsSecrets?: string;
  readonly recover?: string;
  readonly adminEmail?: string;
  readonly json?: boolean;
}

/** Options of `kms-bootstrap plan`. */
export interface PlanOptions extends ReconcileOptions {
  /** Exit with 2 when there is something to do. */
  readonly detailedExitcode?: boolean;
}

/** Options of `kms-bootstrap apply`. */
export interface ApplyOptions extends ReconcileOptions {
  /** Do it without asking. */
  readonly yes?: boolean;
  /** Folder in which identities get their credentials. @default - none are made */
  readonly credentials?: string;
}

/** Checks the file alone; no server is asked. */
export async function validate(terminal: Terminal, { file, json }: { file: string; json?: boolean }): Promise<number> {
  const inventory = await loadInventory(file);
  const { steps, missing } = makePlan(inventory, { organizations: new Map() });
  if (json) printJson(terminal, { valid: true });
  else print(terminal, `${file} is valid: ${totals(steps).created + missing.length} things declared`);
  return 0;
}

/** Shows what apply would do, and does nothing. */
export async function plan(terminal: Terminal, environment: NodeJS.ProcessEnv, options: PlanOptions): Promise<number> {
  const inventory = await loadInventory(options.file);
  const reach = await findReach(environment, options.state);
  const situation = await look(reach, environment, options);
  const plan = makePlan(inventory, (await liveOf(situation, inventory)).world);
  if (situation.fresh)
    say(
      terminal,
      `${reach.connection.url} has no admin yet: apply makes ${firstAdmin(inventory, options.adminEmail).email} the first`,
    );
  showPlan(terminal, plan, options.json === true);
  return options.detailedExitcode && plan.steps.length > 0 ? 2 : 0;
}

/** Shows the plan, asks, carries it out. */
export async function apply(
  terminal: Terminal,
  environment: NodeJS.ProcessEnv,
  options: ApplyOptions,
): Promise<number> {
  const inventory = await loadInventory(options.file);
  if (options.credentials !== undefined) identitiesOf(inventory);
  if (options.json && !options.yes) throw new UserError('--json is for programs, which cannot be asked', 'add --yes');
  const reach = await findReach(environment, options.state);
  const situation = await look(reach, environment, options);
  const who = situation.fresh ? firstAdmin(inventory, options.adminEmail) : undefined;
  const shown = makePlan(inventory, (await liveOf(situation, inventory)).world);
  if (shown.steps.length > 0 && !options.json) showPlan(terminal, shown, false);
  if (who) say(terminal, `${reach.connection.url} has no admin yet: ${who.email} becomes the first`);
  if (shown.steps.length > 0 && !options.yes && !(await confirmed(terminal, shown))) {
    say(terminal, 'nothing was changed');
    return 1;
  }
  const firstRun = who && situation.fresh ? await takeOver(situation.fresh, who) : situation.firstRun;
  const minted = await carryOut(terminal, { situation, firstRun, inventory, shown }, options);
  await firstRun?.finish();
  showOutcome(terminal, { plan: shown, minted, json: options.json === true });
  if (minted.length > 0) say(terminal, `wrote ${minted.length} credentials into ${options.credentials} (mode 0600)`);
  return 0;
}

/** The steps that were shown, those first that the first run has done already; then credentials. */
async function carryOut(
  terminal: Terminal,
  {
    situation,
    firstRun,
    inventory,
    shown,
  }: { situation: Situation; firstRun: FirstRun | undefined; inventory: Inventory; shown: Plan },
  { json, credentials }: ApplyOptions,
): Promise<string[]> {
  const kms = firstRun?.kms ?? (situation.kms as Kms);
  const { plan, live } = situation.fresh
    ? await planAgain(kms, inventory, shown)
    : { plan: shown, live: await liveOf(situation, inventory) };
  const lines = appliedLines(shown);
  const report = (step: Step) => {
    const line = lines.get(JSON.stringify(step));
    if (line !== undefined && !json) print(terminal, ...colored(terminal, [line]));
  };
  shown.steps.filter((step) => !plan.steps.some((left) => sameStep(left, step))).forEach(report);
  await applyPlan(kms, live, plan, report);
  return credentials === undefined ? [] : mintCredentials(kms, live.ids, inventory, credentials);
}

/** How the instance is met: fresh, in the middle of its first run, or with somebody's credentials. */
interface Situation {
  readonly fresh?: FirstRunOptions;
  readonly firstRun?: FirstRun;
  readonly kms?: Kms;
  /** Once read, so that plan and apply see one moment. */
  live?: Live;
}

async function look(reach: Reach, environment: NodeJS.ProcessEnv, options: ReconcileOptions): Promise<Situation> {
  const { connection } = reach;
  const authSecret = await findAuthSecret(environment, options.kmsSecrets);
  const first = authSecret && { connection, state: options.state, authSecret };
  const initialized = await new Kms(connection).admin.initialized();
  if (!initialized) {
    if (first) return { fresh: first };
    throw new UserError(
      `${connection.url} has no admin yet, and the first one needs proof of kms-secrets`,
      'name its env file with --kms-secrets, or set AUTH_SECRET',
    );
  }
  const begun = await readFirstCall(options.state);
  if (begun && begun.url === connection.url) {
    if (first) return { firstRun: await resume(first, begun) };
    throw new UserError(
      `a first run is unfinished (${firstCallFile(options.state)}), and going on needs proof of kms-secrets`,
      'name its env file with --kms-secrets, or set AUTH_SECRET',
    );
  }
  if (options.recover !== undefined) {
    if (!first)
      throw new UserError(
        '--recover needs proof of kms-secrets',
        'name its env file with --kms-secrets, or set AUTH_SECRET',
      );
    return { kms: await recover(first, options.recover) };
  }
  return { kms: clientOf(reach) };
}

async function liveOf(situation: Situation, inventory: Inventory): Promise<Live> {
  if (situation.fresh) return { world: { organizations: new Map() }, ids: new Ids() };
  const kms = situation.firstRun?.kms ?? (situation.kms as Kms);
  situation.live ??= await readLive(kms, inventory);
  return situation.live;
}

/** The first call has made the first organization and its admin: what is left must be part of what was shown. */
async function planAgain(kms: Kms, inventory: Inventory, shown: Plan): Promise<{ plan: Plan; live: Live }> {
  const live = await readLive(kms, inventory);
  const plan = makePlan(inventory, live.world);
  const surprise = plan.steps.find((step) => !shown.steps.some((one) => sameStep(one, step)));
  if (surprise) {
    const [line = ''] = formatLines([lineOf(surprise)]);
    throw new UserError(
      `after the first call something is left that was not shown: ${line.trim()}`,
      'run the same command again',
    );
  }
  return { plan, live };
}

const sameStep = (a: Step, b: Step) => JSON.stringify(a) === JSON.stringify(b);

async function confirmed(terminal: Terminal, plan: Plan): Promise<boolean> {
  if (!terminal.stdin.isTTY || !terminal.stderr.isTTY) {
    throw new UserError(
      'there is no terminal to ask on, so nothing was changed',
      'read the plan, then run apply with --yes',
    );
  }
  const { created, changed } = totals(plan.steps);
  const message = `Create ${created} and change ${changed}?`;
  const answer = await prompts.confirm({ message, initialValue: false, output: terminal.stderr });
  return answer === true;
}

function showPlan(terminal: Terminal, plan: Plan, json: boolean): void {
  if (json) {
    printJson(terminal, planJson(plan));
    return;
  }
  print(
    terminal,
    ...colored(terminal, formatLines(plan.steps.map(lineOf))),
    ...missingLines(plan.missing),
    planSummary(plan),
  );
}

/** The plan's table once more, with what was done in place of what it is about; by step. */
function appliedLines(plan: Plan): ReadonlyMap<string, string> {
  const lines = formatLines(
    plan.steps.map((step) => ({ ...lineOf(step), detail: isCreation(step) ? 'created' : 'changed' })),
  );
  return new Map(plan.steps.map((step, index) => [JSON.stringify(step), lines[index] ?? '']));
}

function showOutcome(
  terminal: Terminal,
  { plan, minted, json }: { plan: Plan; minted: string[]; json: boolean },
): void {
  const { created, changed } = totals(plan.steps);
  if (json) {
    const { missing, unchanged } = plan;
    printJson(terminal, { created, changed, deleted: 0, unchanged, needsValue: missing, credentials: minted });
    return;
  }
  const summary =
    plan.steps.length === 0
      ? planSummary(plan)
      : `${created} created, ${changed} changed, 0 deleted, ${plan.unchanged} unchanged.`;
  print(terminal, ...missingLines(plan.missing), summary);
}

function planJson(plan: Plan) {
  const { created, changed } = totals(plan.steps);
  return {
    create: created,
    change: changed,
    delete: 0,
    unchanged: plan.unchanged,
    steps: plan.steps,
    needsValue: plan.missing,
  };
}

function colored(terminal: Terminal, lines: readonly string[]): string[] {
  return lines.map((line) => paint(terminal.stdout, line.trimStart().startsWith('+') ? 'green' : 'yellow', line));
}
