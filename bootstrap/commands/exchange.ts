import { readFile } from 'node:fs/promises';
import type { Kms } from '../../sdk/index.ts';
import { FORMATS, type Format, format } from '../formats/export.ts';
import { readSource, SOURCES } from '../formats/import.ts';
import { UserError } from '../problem.ts';
import { confirmed } from '../terminal/confirm.ts';
import { printTable } from '../terminal/table.ts';
import { decoded, print, printJson, readStdin, say, type Terminal } from '../terminal/terminal.ts';
import { type FolderOptions, type NamedFolder, reach } from './folder.ts';
import type { ImportOptions } from './import-options.ts';
import { valuesOf } from './values.ts';

/** Secrets as they are written, by name: neither imports nor personal values. */
async function ownOf(kms: Kms, at: NamedFolder): Promise<Map<string, string>> {
  const secrets = (await kms.secrets.list(at)).filter(({ type }) => type === 'shared');
  const hidden = secrets.filter(({ secretValueHidden }) => secretValueHidden).map(({ secretKey }) => secretKey);
  if (hidden.length > 0)
    throw new UserError(`you may know of ${hidden.join(', ')} in ${at.environment} and not read the value`);
  return new Map(secrets.map(({ secretKey, secretValue }) => [secretKey, secretValue]));
}

/** Writes a folder's secrets out, as a program would see them: with imports, and references expanded. */
export async function exportSecrets(
  terminal: Terminal,
  environment: NodeJS.ProcessEnv,
  options: FolderOptions & { readonly format: string; readonly name?: string; readonly recursive?: boolean },
): Promise<number> {
  const as = FORMATS.find((each) => each === options.format);
  if (!as)
    throw new UserError(`there is no format ${JSON.stringify(options.format)}`, `use one of ${FORMATS.join(', ')}`);
  const { kms, at } = await reach(environment, options);
  const look = await kms.secrets.look(at, { recursive: options.recursive === true, personal: true });
  const secrets = look ? valuesOf(look) : new Map<string, string>();
  const sorted = new Map([...secrets].toSorted(([a], [b]) => (a < b ? -1 : 1)));
  terminal.stdout.write(await format(sorted, as satisfies Format, options.name ?? `${at.projectSlug}-secrets`));
  return 0;
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
  const from = SOURCES.find((each) => each === (options.from ?? 'dotenv'));
  if (!from)
    throw new UserError(
      `there is no format ${JSON.stringify(options.from)}`,
      `use one of ${[...SOURCES, 'infisical'].join(', ')}`,
    );
  const named = file === '-' ? 'standard input' : file;
  const wanted = await readSource(await textOf(terminal, file), from, named, options.service);
  const { kms, at } = await reach(environment, options);
  const there = await ownOf(kms, at);
  const plan = [...wanted.values].map(([name, value]) => ({ name, sign: signOf(there.get(name), value), value }));
  const changes = plan.filter(({ sign }) => sign !== '=');
  const toFill = [...wanted.toFill].filter(([name]) => !there.has(name) && !wanted.values.has(name));
  const count = (sign: string) => plan.filter((each) => each.sign === sign).length;
  if (!options.json) {
    for (const { sign, name } of changes) print(terminal, `  ${sign} ${name}`);
    for (const [name, why] of toFill) print(terminal, `  ? ${name} ${why}`);
    const rest = toFill.length > 0 ? `, ${toFill.length} to set by hand (kms secrets set)` : '';
    print(terminal, `${count('+')} to create, ${count('~')} to change, ${count('=')} unchanged${rest}.`);
  }
  refuseUnfit(changes, options);
  if (changes.length > 0 && !options.dryRun) {
    if (!options.yes && !(await confirmed(terminal, `Write these to ${at.projectSlug} in ${at.environment}?`))) {
      say(terminal, 'nothing was changed');
      return 1;
    }
    const secrets = changes.map(({ name, value }) => ({ secretKey: name, secretValue: value }));
    // What somebody else made in the meantime is a conflict, and not overwritten.
    if (count('~') === 0) await kms.secrets.createMany(secrets, at);
    else await kms.secrets.updateMany(secrets, at, 'upsert');
  }
  const names = toFill.map(([name]) => name);
  const counts = { created: count('+'), changed: count('~'), unchanged: count('=') };
  if (options.json)
    printJson(terminal, {
      ...counts,
      ...(names.length > 0 ? { toFill: names } : {}),
      ...(options.dryRun ? { dryRun: true } : {}),
    });
  else if (options.dryRun) say(terminal, 'nothing was changed: --dry-run');
  else if (changes.length > 0) print(terminal, `${count('+')} created, ${count('~')} changed.`);
  return 0;
}

async function textOf(terminal: Terminal, file: string): Promise<string> {
  if (file === '-') return readStdin(terminal);
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw new UserError(`${file} cannot be read: ${error.code === 'ENOENT' ? 'there is no such file' : error.code}`);
  });
  return decoded(bytes, file);
}

function refuseUnfit(changes: readonly { readonly name: string; readonly sign: string }[], options: ImportOptions) {
  const others = changes.filter(({ sign }) => sign === '~').map(({ name }) => name);
  if (others.length > 0 && !options.overwrite && !options.dryRun)
    throw new UserError(
      `${others.join(', ')}: there already, with another value; nothing was changed`,
      'with --overwrite they are changed; the former values stay in the history',
    );
  if (changes.length > 1000)
    throw new UserError('more than 1000 secrets at once; nothing was changed', 'split the file, or use folders');
}

const signOf = (present: string | undefined, wanted: string) =>
  present === undefined ? '+' : present === wanted ? '=' : '~';

/** Compares a folder of two environments: names, and whether the values are equal. Values are shown only when asked for. */
export async function diffEnvironments(
  terminal: Terminal,
  environment: NodeJS.ProcessEnv,
  [one, other]: readonly [string, string],
  options: Omit<FolderOptions, 'env'> & { readonly reveal?: boolean; readonly exitCode?: boolean },
): Promise<number> {
  const { kms, at } = await reach(environment, { ...options, env: one });
  const [left, right] = await Promise.all([
    ownOf(kms, at),
    reach(environment, { ...options, env: other }).then((second) => ownOf(kms, second.at)),
  ]);
  const rows = [...new Set([...left.keys(), ...right.keys()])].toSorted().map((name) => {
    const [a, b] = [left.get(name), right.get(name)];
    const state =
      a === undefined ? `only in ${other}` : b === undefined ? `only in ${one}` : a === b ? 'equal' : 'differs';
    return { name, state, ...(options.reveal ? { values: { [one]: a ?? null, [other]: b ?? null } } : {}) };
  });
  if (options.json) printJson(terminal, rows);
  else {
    const heads = ['NAME', 'STATE', ...(options.reveal ? [one.toUpperCase(), other.toUpperCase()] : [])];
    const shown = (value: string | null | undefined) =>
      value === null || value === undefined ? '' : JSON.stringify(value);
    const cells = rows.map(({ name, state, values }) => [
      name,
      state,
      ...(values ? [shown(values[one]), shown(values[other])] : []),
    ]);
    printTable(terminal, heads, cells);
  }
  return options.exitCode && rows.some(({ state }) => state !== 'equal') ? 2 : 0;
}
