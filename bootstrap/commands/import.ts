import { readFile } from 'node:fs/promises';
import type { Kms } from '../../sdk/index.ts';
import { readSource, SOURCES } from '../formats/import.ts';
import type { Source } from '../formats/source.ts';
import { UserError } from '../problem.ts';
import { confirmed } from '../terminal/confirm.ts';
import { decoded, print, printJson, readStdin, say, type Terminal } from '../terminal/terminal.ts';
import { ownOf } from './exchange.ts';
import { type NamedFolder, reach } from './folder.ts';
import type { ImportOptions } from './import-options.ts';

/** What would be done: `+` makes a secret, `~` changes one, `=` is there already. */
interface Planned {
  readonly sign: '+' | '~' | '=';
  readonly name: string;
  readonly value: string;
}

/** Sets what a text has, all or nothing, after a plan that shows names only. */
export async function importSecrets(
  terminal: Terminal,
  environment: NodeJS.ProcessEnv,
  file: string,
  options: ImportOptions,
): Promise<number> {
  if (options.from === 'infisical')
    return (await import('./take-over.ts')).takeOver(terminal, environment, file, options);
  const wanted = await read(terminal, file, options);
  const { kms, at } = await reach(environment, options);
  const there = await ownOf(kms, at);
  const plan = planOf(wanted, there);
  const toFill = [...wanted.toFill].filter(([name]) => !there.has(name) && !wanted.values.has(name));
  if (!options.json) show(terminal, plan, toFill);
  const changes = plan.filter(({ sign }) => sign !== '=');
  refuseUnfit(changes, options);
  if (changes.length > 0 && !options.dryRun) {
    if (!options.yes && !(await confirmed(terminal, `Write these to ${at.projectSlug} in ${at.environment}?`))) {
      say(terminal, 'nothing was changed');
      return 1;
    }
    await write(kms, changes, at);
  }
  const counts = { created: count(plan, '+'), changed: count(plan, '~'), unchanged: count(plan, '=') };
  const names = toFill.length > 0 ? { toFill: toFill.map(([name]) => name) } : {};
  if (options.json) printJson(terminal, { ...counts, ...names, ...(options.dryRun ? { dryRun: true } : {}) });
  else if (options.dryRun) say(terminal, 'nothing was changed: --dry-run');
  else if (changes.length > 0) print(terminal, `${counts.created} created, ${counts.changed} changed.`);
  return 0;
}

async function read(terminal: Terminal, file: string, { from, service }: ImportOptions): Promise<Source> {
  const format = SOURCES.find((each) => each === (from ?? 'dotenv'));
  if (!format)
    throw new UserError(
      `there is no format ${JSON.stringify(from)}`,
      `use one of ${[...SOURCES, 'infisical'].join(', ')}`,
    );
  if (file === '-') return readSource(await readStdin(terminal), format, 'standard input', service);
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw new UserError(`${file} cannot be read: ${error.code === 'ENOENT' ? 'there is no such file' : error.code}`);
  });
  return readSource(decoded(bytes, file), format, file, service);
}

function planOf({ values }: Source, there: ReadonlyMap<string, string>): Planned[] {
  return [...values].map(([name, value]) => {
    const present = there.get(name);
    return { sign: present === undefined ? '+' : present === value ? '=' : '~', name, value };
  });
}

const count = (plan: readonly Planned[], which: Planned['sign']) => plan.filter(({ sign }) => sign === which).length;

function show(terminal: Terminal, plan: readonly Planned[], toFill: readonly (readonly [string, string])[]): void {
  for (const { sign, name } of plan) if (sign !== '=') print(terminal, `  ${sign} ${name}`);
  for (const [name, why] of toFill) print(terminal, `  ? ${name} ${why}`);
  const rest = toFill.length > 0 ? `, ${toFill.length} to set by hand (kms secrets set)` : '';
  print(
    terminal,
    `${count(plan, '+')} to create, ${count(plan, '~')} to change, ${count(plan, '=')} unchanged${rest}.`,
  );
}

function refuseUnfit(changes: readonly Planned[], { overwrite, dryRun }: ImportOptions): void {
  const others = changes.filter(({ sign }) => sign === '~').map(({ name }) => name);
  if (others.length > 0 && !overwrite && !dryRun)
    throw new UserError(
      `${others.join(', ')}: there already, with another value; nothing was changed`,
      'with --overwrite they are changed; the former values stay in the history',
    );
  if (changes.length > 1000)
    throw new UserError('more than 1000 secrets at once; nothing was changed', 'split the file, or use folders');
}

async function write(kms: Kms, changes: readonly Planned[], at: NamedFolder): Promise<void> {
  const secrets = changes.map(({ name, value }) => ({ secretKey: name, secretValue: value }));
  // What somebody else made in the meantime is a conflict, and not overwritten.
  if (count(changes, '~') === 0) await kms.secrets.createMany(secrets, at);
  else await kms.secrets.updateMany(secrets, at, 'upsert');
}
