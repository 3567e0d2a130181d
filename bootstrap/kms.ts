import type { Command } from 'commander';
import type { FolderOptions } from './commands/folder.ts';
import type { RunOptions } from './commands/run.ts';
import type { WhyOptions } from './commands/why.ts';
import { programOf, withExamples } from './terminal/program.ts';

/**
 * `kms`: secrets at the command line and for a command, and where those of a cluster come from. Each command loads what it needs when it
 * runs: `kms run` stands before every start of a service.
 */

const { terminal, program, run } = programOf(
  'kms',
  'Run programs with their secrets, read and set them, and tell where those of a cluster come from.',
);
// Options behind the command of kms run are its own.
program.enablePositionalOptions();
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
      async () => (await import('./commands/run.ts')).runCommand(terminal, environment, command, options),
      false,
      125,
    ),
  );

const secrets = program.command('secrets').description('the secrets of a folder');

withExamples(
  withJson(inFolder(secrets.command('list').description('names and versions; values only with --reveal'))),
  'kms secrets list --project gateway --env prod',
  'kms secrets list --project gateway --env dev --recursive --json',
)
  .option('--recursive', 'with the folders below')
  .option('--reveal', 'show the values')
  .action((options: FolderOptions) =>
    run(async () => (await import('./commands/secrets.ts')).listSecrets(terminal, environment, options), options.json),
  );

withExamples(
  withJson(inFolder(secrets.command('get <name>').description('print one value, byte for byte'))),
  'kms secrets get DATABASE_URL --project gateway --env dev',
)
  .option('--version <number>', 'an earlier version')
  .action((name: string, options: FolderOptions) =>
    run(
      async () => (await import('./commands/secrets.ts')).getSecret(terminal, environment, name, options),
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
      async () => (await import('./commands/secrets.ts')).setSecret(terminal, environment, name, options),
      options.json,
    ),
  );

withExamples(
  program.command('why <secret>').description('why a Kubernetes Secret holds what it holds; never a value'),
  'kms why hanzo/gateway-secrets',
  'kms why hanzo/gateway-secrets --key DATABASE_URL --context production',
  "kms why hanzo/gateway-secrets --json | jq '.workloads[] | select(.oldPods > 0)'",
)
  .option('--key <name>', 'one key of the Secret')
  .option('--kubeconfig <file>', 'in place of KUBECONFIG and ~/.kube/config')
  .option('--context <name>', 'a context of the kubeconfig')
  .option('--org <slug>', 'the organization, where several have a project of this name')
  .option('--state <folder>', 'folder of the local trial', '.kms')
  .option('--json', 'answer in JSON (kms-why/v1)')
  .option('--debug', 'tell each request on standard error')
  .addHelpText(
    'after',
    `
It needs a right to list KMSSecrets; what any other right would tell is named when it is missing.

Exit codes:  0  it was told, as far as you may know
             1  it cannot be told: no such Secret, the cluster or KMS cannot be asked
             2  the Secret is there, and no KMSSecret keeps it`,
  )
  .action((secret: string, options: WhyOptions) =>
    run(async () => {
      // Loaded here: no other command needs what it brings along.
      const { why } = await import('./commands/why.ts');
      return why(terminal, environment, secret, options);
    }, options.json),
  );

program.addHelpText(
  'after',
  `
Where KMS is:  KMS_URL, with KMS_TOKEN, with KMS_CLIENT_ID and KMS_CLIENT_SECRET, or with a login there.
               Without KMS_URL: what .kms.yaml names, the local trial (npm start), or the last login.

Examples:
  kms secrets list --project gateway --env prod
  pass show openai | kms secrets set OPENAI_API_KEY --project gateway --env prod`,
);

function inFolder(command: Command): Command {
  return command
    .option('-p, --project <slug>', 'the project; .kms.yaml says it otherwise')
    .option('-e, --env <slug>', 'the environment; production means prod')
    .option('--path <folder>', 'the folder (default: that of .kms.yaml, or "/")')
    .option('--org <slug>', 'the organization, where several have a project of this name')
    .option('--state <folder>', 'folder of the local trial', '.kms');
}

function withJson(command: Command): Command {
  return command.option('--json', 'answer in JSON');
}

await program.parseAsync().catch((error: unknown) => run(() => Promise.reject(error)));
