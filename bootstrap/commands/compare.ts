import { UserError } from '../problem.ts';
import { printTable } from '../terminal/table.ts';
import { printJson, type Terminal } from '../terminal/terminal.ts';
import { ownOf } from './exchange.ts';
import { type FolderOptions, reach } from './folder.ts';
import { versionOf } from './versions.ts';

/** Options of `kms diff`. */
export interface DiffOptions extends FolderOptions {
  /** Show the values too. */
  readonly reveal?: boolean;
  /** Exit with 2 when anything differs. */
  readonly exitCode?: boolean;
  /** One secret, of which two versions are compared. */
  readonly key?: string;
}

interface Compared {
  readonly name: string;
  readonly one: string | undefined;
  readonly other: string | undefined;
}

/**
 * Compares a folder of two environments, each as it is or, as `dev@2026-01-31`, as it was; or two versions of a secret. Names, and whether the values are
 * equal: values are shown only when asked for.
 */
export async function diff(
  terminal: Terminal,
  environment: NodeJS.ProcessEnv,
  sides: readonly [string, string],
  options: DiffOptions,
): Promise<number> {
  const compared =
    options.key === undefined
      ? await ofEnvironments(environment, sides, options)
      : await ofVersions(environment, sides, options.key, options);
  const [one, other] = sides;
  const rows = compared.map(({ name, one: a, other: b }) => {
    const state =
      a === undefined ? `only in ${other}` : b === undefined ? `only in ${one}` : a === b ? 'equal' : 'differs';
    return { name, state, ...(options.reveal ? { values: { [one]: a ?? null, [other]: b ?? null } } : {}) };
  });
  if (options.json) printJson(terminal, rows);
  else {
    const heads = ['NAME', 'STATE', ...(options.reveal ? [one.toUpperCase(), other.toUpperCase()] : [])];
    const shown = (value: string | null | undefined) => (value == null ? '' : JSON.stringify(value));
    const cells = rows.map(({ name, state, values }) => [
      name,
      state,
      ...(values ? [shown(values[one]), shown(values[other])] : []),
    ]);
    printTable(terminal, heads, cells);
  }
  return options.exitCode && rows.some(({ state }) => state !== 'equal') ? 2 : 0;
}

async function ofEnvironments(
  environment: NodeJS.ProcessEnv,
  sides: readonly [string, string],
  options: DiffOptions,
): Promise<Compared[]> {
  const [left, right] = await Promise.all(
    sides.map(async (side) => {
      const [env = '', ...when] = side.split('@');
      const asOf = when.length === 0 ? undefined : instantOf(when.join('@'));
      const { kms, at } = await reach(environment, { ...options, env });
      return ownOf(kms, at, asOf);
    }) as [Promise<Map<string, string>>, Promise<Map<string, string>>],
  );
  const names = [...new Set([...left.keys(), ...right.keys()])].toSorted();
  return names.map((name) => ({ name, one: left.get(name), other: right.get(name) }));
}

async function ofVersions(
  environment: NodeJS.ProcessEnv,
  sides: readonly [string, string],
  name: string,
  options: DiffOptions,
): Promise<Compared[]> {
  const [left, right] = sides.map((side) => versionOf(side)) as [number, number];
  const { kms, at } = await reach(environment, options);
  const value = async (version: number) => {
    const { secretValue, secretValueHidden } = await kms.secrets.get(name, at, { version });
    if (secretValueHidden) throw new UserError(`you may know of ${name} and not read the value`);
    return secretValue;
  };
  const [one, other] = await Promise.all([value(left), value(right)]);
  return [{ name, one, other }];
}

function instantOf(text: string): string {
  const time = Date.parse(text);
  if (Number.isFinite(time)) return new Date(time).toISOString();
  throw new UserError(`"${text}" is no instant`, 'write one such as dev@2026-01-31 or dev@2026-01-31T12:00:00Z');
}
