import { writeFile } from 'node:fs/promises';
import { schemaOf, typesOf } from '../formats/types.ts';
import { UserError } from '../problem.ts';
import { say, type Terminal } from '../terminal/terminal.ts';
import { type FolderOptions, reach } from './folder.ts';

/** Writes a zod schema and types of the names that a folder has and imports. It asks for no value. */
export async function writeTypes(
  terminal: Terminal,
  environment: NodeJS.ProcessEnv,
  options: FolderOptions & { readonly out: string; readonly recursive?: boolean; readonly schemaOnly?: boolean },
): Promise<number> {
  const { kms, at } = await reach(environment, options);
  const { secrets, imports } = await kms.secrets.describe(at, { recursive: options.recursive === true });
  const all = [...secrets, ...imports.flatMap((through) => through.secrets)];
  // What zod leaves out of every object, so that no schema could check it.
  const names = [...new Set(all.map(({ secretKey }) => secretKey))].filter((name) => name !== '__proto__').toSorted();
  const out = options.out.replace(/(\.js|(\.d)?\.ts)$/, '');
  try {
    await writeFile(`${out}.js`, schemaOf(names, options.schemaOnly));
    await writeFile(`${out}.d.ts`, typesOf(names, options.schemaOnly));
  } catch (error) {
    throw new UserError(`${out}.js and ${out}.d.ts cannot be written: ${(error as NodeJS.ErrnoException).code}`);
  }
  say(terminal, `wrote ${out}.js and ${out}.d.ts: ${names.length} names`);
  return 0;
}
