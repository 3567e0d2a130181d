const HEAD =
  '// Written by `kms types`; names alone, so that it can be committed. Run it again when a name comes or goes.\n';

/**
 * A module that checks at start that each name is in the environment.
 *
 * @param alone without that check: for a program that loads its secrets itself, after it has loaded this
 */
export function schemaOf(names: readonly string[], alone = false): string {
  const keys = names.map((name) => `  ${JSON.stringify(name)}: z.string(),\n`).join('');
  return `${HEAD}import { z } from 'zod';\n\nexport const Env = z.object({\n${keys}});\n${alone ? '' : '\nexport const env = Env.parse(process.env);\n'}`;
}

/** The types of that module, with which a misspelt name does not compile. */
export function typesOf(names: readonly string[], alone = false): string {
  const keys = names.map((name) => `  readonly ${JSON.stringify(name)}: string;\n`).join('');
  return `${HEAD}import type { z } from 'zod';\n\nexport interface Environment {\n${keys}}\n\nexport declare const Env: z.ZodType<Environment>;\n${alone ? '' : 'export declare const env: Environment;\n'}`;
}
