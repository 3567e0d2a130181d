import { UserError } from '../problem.ts';
import { printTable } from '../terminal/table.ts';
import { printJson, say, type Terminal } from '../terminal/terminal.ts';
import { type FolderOptions, reach } from './folder.ts';

/** A command about one secret. */
export type SecretCommand<Options extends FolderOptions = FolderOptions> = (
  terminal: Terminal,
  environment: NodeJS.ProcessEnv,
  name: string,
  options: Options,
) => Promise<number>;

/** A version as people write it. @throws UserError when it is none */
export function versionOf(text: string): number {
  const version = Number(text);
  if (Number.isInteger(version) && version > 0) return version;
  throw new UserError(`${JSON.stringify(text)}: a version is a number from 1 on`);
}

/** A secret by its id, without its value. */
async function find(environment: NodeJS.ProcessEnv, name: string, options: FolderOptions) {
  const { kms, at } = await reach(environment, options);
  const { id } = await kms.secrets.get(name, at, { values: false });
  return { kms, id };
}

/** Deletes a secret; its history stays. */
export const deleteSecret: SecretCommand = async (terminal, environment, name, options) => {
  const { kms, at } = await reach(environment, options);
  const { id, version } = await kms.secrets.delete(name, at);
  if (options.json) printJson(terminal, { name, id, version });
  else say(terminal, `${name} of ${at.projectSlug} in ${at.environment} is deleted (it was version ${version})`);
  return 0;
};

/** Versions of a secret, the latest first; never a value. */
export const showHistory: SecretCommand = async (terminal, environment, name, options) => {
  const { kms, id } = await find(environment, name, options);
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
};

/** Makes an earlier version of a secret its next one. */
export const rollbackSecret: SecretCommand<FolderOptions & { readonly to: string }> = async (
  terminal,
  environment,
  name,
  options,
) => {
  const to = versionOf(options.to);
  const { kms, id } = await find(environment, name, options);
  const { version } = await kms.history.rollback(id, to);
  if (options.json) printJson(terminal, { name, from: to, version });
  else say(terminal, `${name} is again what version ${to} was (version ${version})`);
  return 0;
};
