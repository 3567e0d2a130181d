import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { parse } from 'yaml';

/** A step of a workflow or of a composite action, as far as ours go. */
export interface Step {
  readonly id?: string;
  readonly name?: string;
  readonly run?: string;
  readonly shell?: string;
  readonly uses?: string;
  readonly with?: Record<string, unknown>;
  readonly env?: Record<string, string>;
}

export interface JobOptions {
  readonly secrets?: Record<string, string>;
  /** Variables that the runner gives to each step. */
  readonly env?: Record<string, string>;
  /** Folders of actions by what `uses` says before "@". */
  readonly actions?: Record<string, string>;
  /** What stands in scripts and inputs for what: the server's address for the one that is written there. */
  readonly instead?: Record<string, string>;
}

type Context = Record<string, unknown>;

/**
 * One job of GitHub Actions: its steps' shell is run, with the runner's files, commands and expressions as GitHub documents them.
 * Programs that are called are noted with their arguments.
 */
export class Job {
  /** What the steps have put into GITHUB_ENV. */
  readonly variables = new Map<string, string>();
  readonly outputs = new Map<string, Map<string, string>>();
  readonly masks = new Set<string>();
  /** What everybody who may see the run can read. */
  log = '';
  /** Where the steps run. */
  readonly folder: string;
  readonly #options: JobOptions;
  #files = 0;

  private constructor(folder: string, options: JobOptions) {
    this.folder = folder;
    this.#options = options;
  }

  static async start(options: JobOptions): Promise<Job> {
    const folder = await mkdtemp(join(tmpdir(), 'kms-job-'));
    await noteCalls(folder, ['curl', 'jq', 'node']);
    return new Job(folder, options);
  }

  /** Runs steps one after the other, until one fails. @returns the exit code of the last */
  async run(steps: readonly Step[], contexts: Context = {}, env: Record<string, string> = {}): Promise<number> {
    for (const step of steps) {
      const code = await this.#step(step, contexts, env);
      if (code !== 0) return code;
    }
    return 0;
  }

  /** Every command line of a noted program. */
  async calls(): Promise<string> {
    return readFile(join(this.folder, 'calls'), 'utf8').catch(() => '');
  }

  async end(): Promise<void> {
    await rm(this.folder, { recursive: true });
  }

  async #step(step: Step, contexts: Context, env: Record<string, string>): Promise<number> {
    const fill = (text: unknown) => this.#filled(String(text), contexts);
    const filled = (map: Record<string, unknown> = {}) =>
      Object.fromEntries(Object.entries(map).map(([name, text]) => [name, fill(text)]));
    if (step.uses !== undefined) return this.#action(step, filled(step.with));
    const files = { GITHUB_ENV: await this.#file(), GITHUB_OUTPUT: await this.#file() };
    const script = join(this.folder, `script-${this.#files}.sh`);
    await writeFile(script, fill(step.run));
    const flags = step.shell === 'bash' ? ['--noprofile', '--norc', '-eo', 'pipefail'] : ['-e'];
    const code = await this.#bash([...flags, script], { ...env, ...filled(step.env), ...files });
    for (const [name, value] of await entriesOf(files.GITHUB_ENV)) {
      if (name === 'NODE_OPTIONS') throw new Error('the runner takes no NODE_OPTIONS');
      this.variables.set(name, value);
    }
    if (step.id) this.outputs.set(step.id, await entriesOf(files.GITHUB_OUTPUT));
    return code;
  }

  async #action(step: Step, given: Record<string, string>): Promise<number> {
    const folder = this.#options.actions?.[step.uses!.split('@')[0]!];
    if (folder === undefined) throw new Error(`no action ${step.uses}`);
    const { inputs, outputs, runs } = parse(await readFile(join(folder, 'action.yaml'), 'utf8'));
    const unknown = Object.keys(given).filter((name) => !(name in inputs));
    const lacking = Object.keys(inputs).filter((name) => inputs[name].required && given[name] === undefined);
    if (unknown.length + lacking.length > 0) throw new Error(`inputs: ${[...unknown, ...lacking].join(', ')}`);
    const defaults = Object.fromEntries(Object.keys(inputs).map((name) => [name, inputs[name].default ?? '']));
    const contexts = { inputs: { ...defaults, ...given } };
    const code = await this.run(runs.steps, contexts, { GITHUB_ACTION_PATH: folder });
    const shown = Object.entries(outputs as Record<string, { value: string }>).map(
      ([name, { value }]) => [name, this.#filled(value, contexts)] as const,
    );
    if (step.id) this.outputs.set(step.id, new Map(shown));
    return code;
  }

  /** Expressions, and the addresses that stand for others. */
  #filled(text: string, contexts: Context): string {
    const steps = Object.fromEntries(
      [...this.outputs].map(([id, outputs]) => [id, { outputs: Object.fromEntries(outputs) }]),
    );
    const all = { secrets: this.#options.secrets ?? {}, env: Object.fromEntries(this.variables), steps, ...contexts };
    const filled = text.replaceAll(/\$\{\{(.*?)\}\}/g, (_, expression: string) => evaluated(expression.trim(), all));
    return Object.entries(this.#options.instead ?? {}).reduce((now, [from, to]) => now.replaceAll(from, to), filled);
  }

  async #file(): Promise<string> {
    const file = join(this.folder, `file-${++this.#files}`);
    await writeFile(file, '');
    return file;
  }

  async #bash(args: readonly string[], env: Record<string, string>): Promise<number> {
    const path = [this.folder, process.env.PATH].join(delimiter);
    const child = spawn('bash', args, {
      cwd: this.folder,
      env: { ...this.#options.env, ...Object.fromEntries(this.variables), ...env, PATH: path },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let text = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (more: string) => {
        text += more;
      });
    const code = await new Promise<number>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (ended) => resolve(ended ?? 1));
    });
    for (const line of text.split(/\r?\n|\r/)) this.#read(line);
    return code;
  }

  #read(line: string): void {
    const [, name, data = ''] = /^\s*::([a-z-]+)(?: [^:]*)?::(.*)$/s.exec(line) ?? [];
    const meant = data.replaceAll('%0D', '\r').replaceAll('%0A', '\n').replaceAll('%25', '%');
    if (name !== 'add-mask') this.log += `${this.masked(line)}\n`;
    else if (meant.trim() !== '') for (const mask of [meant, ...meant.split(/[\r\n]+/)]) this.masks.add(mask);
  }

  /** A text as a log shows it. */
  masked(line: string): string {
    const longest = [...this.masks].filter(Boolean).toSorted((a, b) => b.length - a.length);
    return longest.reduce((text, mask) => text.replaceAll(mask, '***'), line);
  }
}

/** Where a program lies that a shell would find; undefined where there is none. */
export const programAt = (name: string): string | undefined =>
  (process.env.PATH ?? '').split(delimiter).find((folder) => existsSync(join(folder, name)));

/** Puts programs before the real ones that note how they were called. */
export async function noteCalls(folder: string, programs: readonly string[]): Promise<void> {
  for (const program of programs) {
    const real = program === 'node' ? process.execPath : join(programAt(program) ?? '/nowhere', program);
    const script = `#!/bin/sh\nprintf '%s\\n' "${program} $*" >> '${folder}/calls'\nexec '${real}' "$@"\n`;
    await writeFile(join(folder, program), script, { mode: 0o755 });
  }
}

/** A dotted path into the contexts, or `fromJSON` of one and a name of it. */
function evaluated(expression: string, contexts: Context): string {
  const [, json, more] = /^fromJSON\((.*)\)\.([\w-]+)$/.exec(expression) ?? [];
  if (json !== undefined) return String(JSON.parse(evaluated(json, contexts))[more!] ?? '');
  const whole = /^toJSON\((.*)\)$/.exec(expression)?.[1];
  const found = (whole ?? expression)
    .split('.')
    .reduce<unknown>((at, name) => (at as Context | undefined)?.[name], contexts);
  return whole === undefined ? String(found ?? '') : JSON.stringify(found, null, 2);
}

/** What a file of the runner says: `NAME=value`, or `NAME<<delimiter`, lines, and the delimiter. */
async function entriesOf(file: string): Promise<Map<string, string>> {
  const entries = new Map<string, string>();
  const lines = (await readFile(file, 'utf8')).split('\n');
  while (lines.length > 0) {
    const line = lines.shift()!;
    if (line === '') continue;
    const [, name, sign, rest] = /^(.*?)(=|<<)(.*)$/s.exec(line) ?? [];
    if (!name) throw new Error('Invalid format: a line of the file is no assignment');
    if (sign === '=') entries.set(name, rest!);
    else {
      const end = lines.indexOf(rest!);
      if (end < 0) throw new Error(`Matching delimiter not found: ${name}`);
      entries.set(
        name,
        lines
          .splice(0, end + 1)
          .slice(0, -1)
          .join('\n'),
      );
    }
  }
  return entries;
}
