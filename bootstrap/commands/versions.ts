import { UserError } from '../problem.ts';
import { printTable } from '../terminal/table.ts';
import { printJson, say, type Terminal } from '../terminal/terminal.ts';
import { type FolderOptions, reach } from './folder.ts';

/** Deletes a secret; its history stays. */
export async function deleteSecret(
  terminal: Terminal,
  environment: NodeJS.ProcessEnv,
  name: string,
  options: FolderOptions,
): Promise<number> {
  const { kms, at } = await reach(environment, options);
  const { id, version } = await kms.secrets.delete(name, at);
  if (options.json) printJson(terminal, { name, id, version });
  else say(terminal, `${name} of ${at.projectSlug} in ${at.environment} is deleted (it was version ${version})`);
  return 0;
}

/** Versions of a secret, the latest first; never a value. */
export async function showHistory(
  terminal: Terminal,
  environment: NodeJS.ProcessEnv,
  name: string,
  options: FolderOptions,
): Promise<number> {
  const { kms, at } = await reach(environment, options);
  const { id } = await kms.secrets.get(name, at, { values: false });
  const versions = (await kms.history.versions(id, { limit: 100 })).map(({ version, createdAt, actor, secretKey }) => ({
    version,
    name: secretKey,
    at: createdAt,
    by: actor?.name ?? null,
  }));
  if (options.json) printJson(terminal, versions);
  else
    printTable(
      terminal,
      ['VERSION', 'WRITTEN', 'BY', 'NAME'],
      versions.map((each) => [String(each.version), each.at, each.by ?? '', each.name]),
    );
  return 0;
}

/** Makes an earlier version of a secret its next one. */
export async function rollbackSecret(
  terminal: Terminal,
  environment: NodeJS.ProcessEnv,
  name: string,
  options: FolderOptions & { readonly to: string },
): Promise<number> {
  const to = Number(options.to);
  if (!(Number.isInteger(to) && to > 0)) throw new UserError('--to: a version is a number from 1 on');
  const { kms, at } = await reach(environment, options);
  const { id } = await kms.secrets.get(name, at, { values: false });
  const { version } = await kms.history.rollback(id, to);
  if (options.json) printJson(terminal, { name, from: to, version });
  else say(terminal, `${name} is again what version ${to} was (version ${version})`);
  return 0;
}
