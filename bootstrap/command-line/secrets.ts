import type { FolderOptions } from '../commands/folder.ts';
import { withExamples } from '../terminal/program.ts';
import { type CommandLine, inFolder, ofProject, withJson } from './options.ts';

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

  withExamples(
    withJson(inFolder(secrets.command('get <name>').description('print one value, byte for byte'))),
    'kms secrets get DATABASE_URL --project gateway --env dev',
  )
    .option('--version <number>', 'an earlier version')
    .action((name: string, options: FolderOptions) =>
      run(
        async () => (await import('../commands/secrets.ts')).getSecret(terminal, environment, name, options),
        options.json,
      ),
    );

  withExamples(
    withJson(inFolder(secrets.command('set <name>').description('set a value from standard input or a prompt'))),
    'kms secrets set OPENAI_API_KEY --project gateway --env dev',
    'kms secrets set TLS_KEY --project gateway --env prod --keep-newline < tls.key',
  )
    .option('--keep-newline', 'keep a line end at the end of standard input')
    .option('--allow-empty', 'accept an empty value')
    .action((name: string, options: FolderOptions) =>
      run(
        async () => (await import('../commands/secrets.ts')).setSecret(terminal, environment, name, options),
        options.json,
      ),
    );

  withExamples(
    withJson(inFolder(secrets.command('delete <name>').description('delete a secret; its history stays'))),
    'kms secrets delete OLD_KEY --project gateway --env dev',
  ).action((name: string, options: FolderOptions) =>
    run(
      async () => (await import('../commands/versions.ts')).deleteSecret(terminal, environment, name, options),
      options.json,
    ),
  );

  withExamples(
    withJson(
      inFolder(secrets.command('history <name>').description('who wrote which version, and when; never a value')),
    ),
    'kms secrets history DATABASE_URL --project gateway --env prod',
  ).action((name: string, options: FolderOptions) =>
    run(
      async () => (await import('../commands/versions.ts')).showHistory(terminal, environment, name, options),
      options.json,
    ),
  );

  withExamples(
    withJson(inFolder(secrets.command('rollback <name>').description('make an earlier version the next one'))),
    'kms secrets rollback DATABASE_URL --to 3 --project gateway --env prod',
  )
    .requiredOption('--to <version>', 'the version that comes back')
    .action((name: string, options: FolderOptions & { to: string }) =>
      run(
        async () => (await import('../commands/versions.ts')).rollbackSecret(terminal, environment, name, options),
        options.json,
      ),
    );

  // The same under two names: people look for it beside the others, and type it without.
  for (const parent of [secrets, program])
    withExamples(
      withJson(
        ofProject(
          parent
            .command('diff <env> <other>')
            .description('compare two environments: names, and whether values are equal'),
        ),
      ),
      'kms diff dev prod --project gateway',
      'kms diff staging prod --exit-code --json',
    )
      .option('--reveal', 'show the values')
      .option('--exit-code', 'exit with 2 when anything differs')
      .action((one: string, other: string, options: Omit<FolderOptions, 'env'>) =>
        run(
          async () =>
            (await import('../commands/exchange.ts')).diffEnvironments(terminal, environment, [one, other], options),
          options.json,
        ),
      );
}
