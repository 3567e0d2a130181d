import type { DiffOptions } from '../commands/compare.ts';
import type { FolderOptions } from '../commands/folder.ts';
import type { SecretCommand } from '../commands/versions.ts';
import { withExamples } from '../terminal/program.ts';
import { type CommandLine, inFolder, withJson } from './options.ts';

/** `kms secrets …`: one secret, or those of a folder. */
export function addSecrets({ terminal, program, run }: CommandLine): void {
  const environment = process.env;
  const secrets = program.command('secrets').description('the secrets of a folder');

  withExamples(
    withJson(inFolder(secrets.command('list').description('names and versions; values only with --reveal'))),
    'kms secrets list --project gateway --env prod',
    'kms secrets list --project gateway --env dev --recursive --json',
  )
    .option('--recursive', 'with the folders below')
    .option('--reveal', 'show the values')
    .action((options: FolderOptions) =>
      run(
        async () => (await import('../commands/secrets.ts')).listSecrets(terminal, environment, options),
        options.json,
      ),
    );

  /** A command about one secret; what it loads is loaded when it runs. */
  const ofSecret = (
    name: string,
    description: string,
    examples: readonly string[],
    load: () => Promise<SecretCommand>,
  ) =>
    withExamples(withJson(inFolder(secrets.command(`${name} <name>`).description(description))), ...examples).action(
      (secret: string, options: FolderOptions) =>
        run(async () => (await load())(terminal, environment, secret, options), options.json),
    );

  ofSecret(
    'get',
    'print one value, byte for byte',
    ['kms secrets get DATABASE_URL --project gateway --env dev'],
    async () => (await import('../commands/secrets.ts')).getSecret,
  ).option('--version <number>', 'an earlier version');

  ofSecret(
    'set',
    'set a value from standard input or a prompt',
    [
      'kms secrets set OPENAI_API_KEY --project gateway --env dev',
      'kms secrets set TLS_KEY --project gateway --env prod --keep-newline < tls.key',
    ],
    async () => (await import('../commands/secrets.ts')).setSecret,
  )
    .option('--keep-newline', 'keep a line end at the end of standard input')
    .option('--allow-empty', 'accept an empty value');

  ofSecret(
    'delete',
    'delete a secret; its history stays',
    ['kms secrets delete OLD_KEY --project gateway --env dev'],
    async () => (await import('../commands/versions.ts')).deleteSecret,
  );

  ofSecret(
    'history',
    'who wrote which version, and when; never a value',
    ['kms secrets history DATABASE_URL --project gateway --env prod'],
    async () => (await import('../commands/versions.ts')).showHistory,
  );

  ofSecret(
    'rollback',
    'make an earlier version the next one',
    ['kms secrets rollback DATABASE_URL --to 3 --project gateway --env prod'],
    // --to is required, so it is there.
    async () => (await import('../commands/versions.ts')).rollbackSecret as SecretCommand,
  ).requiredOption('--to <version>', 'the version that comes back');

  // The same under two names: people look for it beside the others, and type it without.
  for (const parent of [secrets, program])
    withExamples(
      withJson(
        inFolder(
          parent
            .command('diff <one> <other>')
            .description('compare two environments, or with --key two versions: names, and whether values are equal'),
        ),
      ),
      'kms diff dev prod --project gateway',
      'kms diff prod@2026-01-31 prod --project gateway',
      'kms diff 3 4 --key DATABASE_URL --env prod --project gateway',
      'kms diff staging prod --exit-code --json',
    )
      .option('--key <name>', 'one secret, of which two versions are compared')
      .option('--reveal', 'show the values')
      .option('--exit-code', 'exit with 2 when anything differs')
      .action((one: string, other: string, options: DiffOptions) =>
        run(
          async () => (await import('../commands/compare.ts')).diff(terminal, environment, [one, other], options),
          options.json,
        ),
      );
}
