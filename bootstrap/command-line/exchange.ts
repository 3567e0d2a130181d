import type { FolderOptions } from '../commands/folder.ts';
import type { ImportOptions } from '../commands/import-options.ts';
import type { RunOptions } from '../commands/run.ts';
import { withExamples } from '../terminal/program.ts';
import { type CommandLine, inFolder, withJson } from './options.ts';

/** Secrets on their way to programs and files, and from files. */
export function addExchange({ terminal, program, run }: CommandLine): void {
  const environment = process.env;

  withExamples(
    inFolder(program.command('run').description('run a command with the secrets of a folder in its environment alone')),
    'kms run --project gateway --env dev -- npm start',
    'kms run --env dev --watch -- node server.js',
  )
    .argument('<command...>', 'what to run; write "--" before it')
    .passThroughOptions()
    .option('--recursive', 'with the folders below')
    .option('--include-imports', 'with what the folder imports', true)
    .option('--no-include-imports', 'without it')
    .option('--watch', 'start the command again when a secret changes')
    .option('--keep-env', 'leave variables that are set already as they are')
    .option('--allow-loaders', 'take PATH, LD_PRELOAD, NODE_OPTIONS and their like from KMS too')
    .addHelpText(
      'after',
      `
Exit codes:  that of the command; 128 and its number when a signal ended it
             125  kms could not get the secrets, or hand them over
             126  the command cannot be run, 127  there is no such command`,
    )
    .action((command: string[], options: RunOptions) =>
      run(
        async () => (await import('../commands/run.ts')).runCommand(terminal, environment, command, options),
        false,
        125,
      ),
    );

  withExamples(
    inFolder(
      program.command('export').description('write the secrets of a folder to standard output, for a program to read'),
    ),
    'kms export --project gateway --env dev --format dotenv > .env',
    'kms export --env prod --format k8s --name gateway-secrets | kubectl apply -f -',
  )
    .option('--format <format>', 'dotenv, json, yaml, shell or k8s', 'dotenv')
    .option('--name <name>', 'of the Kubernetes Secret (default: the project and "-secrets")')
    .option('--recursive', 'with the folders below')
    .option('--allow-loaders', 'in shell and dotenv, too: PATH, LD_PRELOAD, NODE_OPTIONS and their like')
    .action((options: FolderOptions & { format: string; name?: string; allowLoaders?: boolean }) =>
      run(async () => (await import('../commands/exchange.ts')).exportSecrets(terminal, environment, options)),
    );

  withExamples(
    withJson(
      inFolder(
        program
          .command('import <file>')
          .description('take secrets over from a file, all or nothing; "-" is standard input. Shows names only'),
      ),
    ),
    'kms import .env --project gateway --env dev',
    'kubectl get secret gateway-secrets -o json | kms import --from k8s - --env prod --yes',
    'kms import https://app.infisical.com --from infisical --project gateway --dry-run',
    'kms import compose.yaml --from compose --service gateway --env dev --dry-run',
  )
    .option('--from <format>', 'dotenv, json, yaml, compose, k8s, vault, github or infisical', 'dotenv')
    .option('--service <name>', 'of a compose file, the environment of this service alone')
    .option('--dry-run', 'show what would be done, and change nothing')
    .option('--overwrite', 'change what is there already with another value; an error otherwise')
    .option('--yes', 'do not ask')
    .action((file: string, options: ImportOptions) =>
      run(
        async () => (await import('../commands/import.ts')).importSecrets(terminal, environment, file, options),
        options.json,
      ),
    );

  withExamples(
    inFolder(
      program
        .command('types')
        .description(
          'write a zod schema and types of the names of a folder, so that a misspelt or missing one is found',
        ),
    ),
    'kms types --project gateway --env dev --out src/kms-env',
  )
    .option('--out <file>', 'writes <file>.js and <file>.d.ts', 'kms-env')
    .option('--schema-only', 'without the check at start, for a program that loads its secrets itself')
    .option('--recursive', 'with the folders below')
    .action((options: FolderOptions & { out: string }) =>
      run(async () => (await import('../commands/types.ts')).writeTypes(terminal, environment, options)),
    );
}
