import { type Command, Help, Option } from 'commander';
import { type InitOptions, init } from './commands/init.ts';
import { type ProvisionCommandOptions, provisionCommand } from './commands/provision.ts';
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
  'kms-bootstrap init --kube-context prod              with DB_CONNECTION_URI and REDIS_URL in the environment',
  'kms-bootstrap init --kube-context kind --create-namespace --bundled-postgres --bundled-redis      for a trial',
  'kms-bootstrap init | kubectl apply -f -             as a manifest',
  'kms-bootstrap init --write-env kms.env             for a server without a cluster',
  'kms-bootstrap init --write-env kms.env --bundled-postgres     for compose.yaml',
)
  .description(
    'make kms-secrets, the keys that KMS itself needs: in a cluster, as a manifest on standard output, or as an env file',
  )
  .option('--kube-context <name>', 'put it into the cluster of this context, unless there is one; what is there stays')
  .option(
    '--kubeconfig <file>',
    'in place of KUBECONFIG and ~/.kube/config; its present context without --kube-context',
  )
  .option('--create-namespace', 'make the namespace when it is missing')
  .option(
    '--bundled-postgres',
    'make the password of the bundled Postgres (kms-postgres-auth; with --write-env an env file more), and DB_CONNECTION_URI of it',
  )
  .option('--bundled-redis', 'make the password of the bundled Redis (kms-redis-auth), and REDIS_URL of it')
  .option('--dry-run', 'say what would be made in the cluster, and make nothing')
  .option('--json', 'answer in JSON')
  .option('--write-env <path>', 'write an env file (mode 0600) in place of the manifest; an existing one is refused')
  .option('-n, --namespace <name>', 'namespace of the Secret', 'hanzo')
  .option(
    '--addresses-from-stdin',
    'read DB_CONNECTION_URI=… and REDIS_URL=… from standard input, not from the environment',
  )
  .option('--no-immutable', 'leave the Secret changeable: a second init would then replace the root key')
  .action((options: InitOptions) => run(() => init(terminal, environment, options), options.json));

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

withExamples(
  program.command('provision'),
  'kms-bootstrap provision -f kms.yaml --mint --wait                       all of it, for the services of the inventory',
  'kms-bootstrap provision --organization hanzo --organization lux --admin-email z@hanzo.ai',
  'kms-bootstrap provision -f kms.yaml --mint gateway-service=hanzo/gateway-kms-auth --wait hanzo/gateway-kms-sync',
)
  .configureHelp({
    // A value that stands for none is no default.
    optionDescription(option) {
      return option.presetArg === '' || Array.isArray(option.defaultValue)
        ? option.description
        : Help.prototype.optionDescription.call(this, option);
    },
  })
  .description(
    'from applied manifests to services that have their Secrets; what the bootstrap Job runs. A second run changes nothing',
  )
  .option(
    '--kube-context <name>',
    'a context of the kubeconfig (default: the present one, or the pod that this runs in)',
  )
  .option('--kubeconfig <file>', 'in place of KUBECONFIG and ~/.kube/config')
  .option('-n, --namespace <name>', 'namespace of KMS', 'hanzo')
  .option('--secret-name <name>', 'the Secret whose AUTH_SECRET proves that the instance is yours', 'kms-secrets')
  .option(
    '--kms-secrets <env file>',
    'AUTH_SECRET from an env file, in place of the Secret; the variable AUTH_SECRET does the same',
  )
  .option(
    '--make-secrets',
    'make that Secret when it is missing, of DB_CONNECTION_URI and REDIS_URL in the environment',
  )
  .option('--bundled-postgres', 'make DB_CONNECTION_URI of the bundled Postgres, and its password (kms-postgres-auth)')
  .option('--bundled-redis', 'make REDIS_URL of the bundled Redis, and its password (kms-redis-auth)')
  .option('-f, --file <kms.yaml>', 'the inventory')
  .addOption(repeatable('--organization <slug>', 'an organization that is to exist; may be repeated'))
  .addOption(repeatable('--admin-email <email>', 'an admin of each --organization; may be repeated'))
  .option('--recover <email>', 'the instance admin to act as (default: the first that is found among the admins)')
  .addOption(
    repeatable(
      '--mint [identity=namespace/secret]',
      'put credentials of an identity into a Secret that has none which work; may be repeated; alone: of each <service>-service into <service>-kms-auth; with ,renewable behind it the operator may renew them',
    ),
  )
  .option('--token-secret <name/key>', 'put a new token of two hours into this key of a Secret, and end the one before')
  .addOption(
    repeatable(
      '--wait [namespace/name]',
      'wait until a KMSSecret is in sync; may be repeated; alone: for <service>-kms-sync of all that --mint names',
    ),
  )
  .option('--ready-timeout <time>', 'longest wait for KMS', '10m')
  .option('--lock-timeout <time>', 'longest wait for another run', '5m')
  .option('--wait-timeout <time>', 'longest wait for KMSSecrets', '5m')
  .option('--json', 'answer in JSON (kms-provision/v1)')
  .action((options: ProvisionCommandOptions) =>
    run(() => provisionCommand(terminal, environment, options), options.json),
  );

program.addHelpText(
  'after',
  `
Where KMS is:  KMS_URL, with KMS_TOKEN, or with KMS_CLIENT_ID and KMS_CLIENT_SECRET.
               Without KMS_URL: the local trial (npm start).
First run:     the instance has no admin yet; --kms-secrets or AUTH_SECRET proves that it is yours.
Exit codes:    0 done or nothing to do, 1 error, 2 something would change (plan --detailed-exitcode), or a KMSSecret
               is not in sync in time (provision).`,
);

/** Each of its values; `true` where it stands without one. */
function repeatable(flags: string, description: string): Option {
  return new Option(flags, description)
    .preset('')
    .default([])
    .argParser((value: string, before: readonly (string | true)[]) => [...before, value === '' || value]);
}

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
