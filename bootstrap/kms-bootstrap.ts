import type { Command } from 'commander';
import { type InitOptions, init } from './commands/init.ts';
import { type ApplyOptions, apply, type PlanOptions, plan, validate } from './commands/reconcile.ts';
import { programOf, withExamples } from './terminal/program.ts';

/** `kms-bootstrap`: the life of an instance as code. */

const { terminal, program, run } = programOf(
  'kms-bootstrap',
  'Make and keep a KMS instance as its inventory file says.',
);
const environment = process.env;

withExamples(
  program.command('init'),
  'kms-bootstrap init | kubectl apply -f -            with DB_CONNECTION_URI and REDIS_URL in the environment',
  'kms-bootstrap init --namespace kms > kms-secrets.yaml',
  'kms-bootstrap init --write-env kms.env             for a server without a cluster',
)
  .description('make kms-secrets, the keys that KMS itself needs: a manifest on standard output, or an env file')
  .option('--write-env <path>', 'write an env file (mode 0600) in place of the manifest; an existing one is refused')
  .option('-n, --namespace <name>', 'namespace of the manifest', 'hanzo')
  .option(
    '--addresses-from-stdin',
    'read DB_CONNECTION_URI=… and REDIS_URL=… from standard input, not from the environment',
  )
  .option('--no-immutable', 'leave the Secret changeable: a second init would then replace the root key')
  .action((options: InitOptions) => run(() => init(terminal, environment, options)));

withExamples(program.command('validate'), 'kms-bootstrap validate -f kms.yaml')
  .description('check the inventory file, without a server')
  .requiredOption('-f, --file <kms.yaml>', 'the inventory')
  .option('--json', 'answer in JSON')
  .action((options: { file: string; json?: boolean }) => run(() => validate(terminal, options), options.json));

withExamples(
  reconciling(program.command('plan').description('show what apply would do, and change nothing')),
  'kms-bootstrap plan -f kms.yaml',
  'kms-bootstrap plan -f kms.yaml --detailed-exitcode --json > plan.json',
)
  .option('--detailed-exitcode', 'exit with 2 when something would change')
  .action((options: PlanOptions) => run(() => plan(terminal, environment, options), options.json));

withExamples(
  reconciling(program.command('apply').description('show what is to do, ask, and do it; a second run changes nothing')),
  'kms-bootstrap apply -f kms.yaml',
  'kms-bootstrap apply -f kms.yaml --yes --kms-secrets kms.env          the very first run',
  'kms-bootstrap apply -f kms.yaml --yes --credentials ./credentials    and hand out client secrets',
)
  .option('-y, --yes', 'do not ask')
  .option('--credentials <folder>', 'write client id and secret of identities that have no file there yet (mode 0600)')
  .action((options: ApplyOptions) => run(() => apply(terminal, environment, options), options.json));

program.addHelpText(
  'after',
  `
Where KMS is:  KMS_URL, with KMS_TOKEN, or with KMS_CLIENT_ID and KMS_CLIENT_SECRET.
               Without KMS_URL: the local trial (npm start).
First run:     the instance has no admin yet; --kms-secrets or AUTH_SECRET proves that it is yours.
Exit codes:    0 done or nothing to do, 1 error, 2 something would change (plan --detailed-exitcode).`,
);

function reconciling(command: Command): Command {
  return command
    .requiredOption('-f, --file <kms.yaml>', 'the inventory')
    .option('--kms-secrets <env file>', 'proves that the instance is yours: needed on the first run')
    .option('--admin-email <email>', 'the first admin (default: the first of the inventory)')
    .option('--recover <email>', 'act as this instance admin by proof of kms-secrets; the audit records it')
    .option('--state <folder>', 'where an unfinished first run is kept', '.kms')
    .option('--json', 'answer in JSON');
}

await program.parseAsync().catch((error: unknown) => run(() => Promise.reject(error)));
