import { addCompletion } from './command-line/completion.ts';
import { addExchange } from './command-line/exchange.ts';
import { addPeople } from './command-line/people.ts';
import { addSecrets } from './command-line/secrets.ts';
import type { WhyOptions } from './commands/why.ts';
import { programOf, withExamples } from './terminal/program.ts';

/**
 * `kms`: secrets at the command line and for a command, and where those of a cluster come from. Each command loads what it needs when it
 * runs: `kms run` stands before every start of a service.
 */

const commandLine = programOf(
  'kms',
  'Run programs with their secrets, read and set them, and tell where those of a cluster come from.',
);
const { terminal, program, run } = commandLine;
// Options behind the command of kms run are its own.
program.enablePositionalOptions();
const environment = process.env;

addExchange(commandLine);
addSecrets(commandLine);
addPeople(commandLine);
addCompletion(commandLine);

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

await program.parseAsync().catch((error: unknown) => run(() => Promise.reject(error)));
