import type { Kms } from '../../sdk/index.ts';
import { decidesCode } from '../../sdk/loaders.ts';
import { FORMATS, type Format, format } from '../formats/export.ts';
import { UserError } from '../problem.ts';
import { say, type Terminal } from '../terminal/terminal.ts';
import { type FolderOptions, type NamedFolder, reach } from './folder.ts';
import { valuesOf } from './values.ts';

/** Secrets as they are written, or were at an instant, by name: neither imports nor personal values. */
export async function ownOf(kms: Kms, at: NamedFolder, asOf?: string): Promise<Map<string, string>> {
  const secrets = (await kms.secrets.list(at, asOf === undefined ? {} : { asOf })).filter(
    ({ type }) => type === 'shared',
  );
  const hidden = secrets.filter(({ secretValueHidden }) => secretValueHidden).map(({ secretKey }) => secretKey);
  if (hidden.length > 0)
    throw new UserError(`you may know of ${hidden.join(', ')} in ${at.environment} and not read the value`);
  return new Map(secrets.map(({ secretKey, secretValue }) => [secretKey, secretValue]));
}

/** Writes a folder's secrets out, as a program would see them: with imports, and references expanded. */
export async function exportSecrets(
  terminal: Terminal,
  environment: NodeJS.ProcessEnv,
  options: FolderOptions & {
    readonly format: string;
    readonly name?: string;
    readonly recursive?: boolean;
    readonly allowLoaders?: boolean;
  },
): Promise<number> {
  const as = FORMATS.find((each) => each === options.format);
  if (!as)
    throw new UserError(`there is no format ${JSON.stringify(options.format)}`, `use one of ${FORMATS.join(', ')}`);
  const { kms, at } = await reach(environment, options);
  const look = await kms.secrets.look(at, { recursive: options.recursive === true, personal: true });
  const secrets = look ? valuesOf(look) : new Map<string, string>();
  // What becomes an environment; the others are data.
  const isForEnvironment = (as === 'shell' || as === 'dotenv') && options.allowLoaders !== true;
  const leftOut = isForEnvironment ? [...secrets.keys()].filter(decidesCode) : [];
  for (const key of leftOut)
    say(
      terminal,
      `${terminal.program}: ${key} is left out: it decides which code runs, or where credentials go; --allow-loaders writes it`,
    );
  const sorted = new Map(
    [...secrets].filter(([key]) => !leftOut.includes(key)).toSorted(([a], [b]) => (a < b ? -1 : 1)),
  );
  terminal.stdout.write(await format(sorted, as satisfies Format, options.name ?? `${at.projectSlug}-secrets`));
  return 0;
}
