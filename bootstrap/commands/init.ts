import { NamespaceName } from '../../contracts/kms-secret.ts';
import { parseEnvFile } from '../init/env-file.ts';
import { type Addresses, fingerprintOf, kmsSecretsManifest, makeKmsSecrets } from '../init/kms-secrets.ts';
import { writeEnvFiles } from '../init/write-env.ts';
import { UserError } from '../problem.ts';
import { print, readStdin, say, type Terminal } from '../terminal/terminal.ts';
import { type InitClusterOptions, initCluster } from './init-cluster.ts';

/** Options of `kms-bootstrap init`. */
export interface InitOptions extends InitClusterOptions {
  /** Not `--env-file`: Node takes that one for itself, wherever on the command line it stands. */
  readonly writeEnv?: string;
}

/** What has a meaning in a cluster alone; a Postgres there is in compose.yaml, too. */
const IN_CLUSTER = {
  createNamespace: '--create-namespace',
  bundledRedis: '--bundled-redis',
  dryRun: '--dry-run',
  json: '--json',
} as const;

/** Makes kms-secrets: in a cluster, as an env file, or as a manifest on standard output. */
export async function init(terminal: Terminal, environment: NodeJS.ProcessEnv, options: InitOptions): Promise<number> {
  if (!NamespaceName.safeParse(options.namespace).success)
    throw new UserError(`"${options.namespace}" is not the name of a namespace`);
  if (options.kubeContext !== undefined || options.kubeconfig !== undefined) {
    if (options.writeEnv !== undefined)
      throw new UserError('--write-env and a cluster are two places: name one of them');
    return initCluster(terminal, environment, options);
  }
  for (const [option, text] of Object.entries(IN_CLUSTER))
    if (options[option as keyof typeof IN_CLUSTER])
      throw new UserError(`${text} is for a cluster, and none is named`, 'name one by --kube-context or --kubeconfig');
  if (options.bundledPostgres && options.writeEnv === undefined)
    throw new UserError(
      '--bundled-postgres is for a cluster or an env file, and none is named',
      'name one by --kube-context, --kubeconfig or --write-env',
    );
  const addresses = options.addressesFromStdin
    ? parseEnvFile(await readStdin(terminal), 'standard input')
    : environment;
  if (options.writeEnv !== undefined) {
    const withPostgres = options.bundledPostgres === true;
    const { secrets, files } = await writeEnvFiles(options.writeEnv, addresses as Addresses, withPostgres);
    say(terminal, `wrote ${files.join(' and ')} (mode 0600), root key ${fingerprintOf(secrets)}`);
  } else {
    const secrets = makeKmsSecrets(addresses as Addresses);
    if (!secrets.DB_CONNECTION_URI) {
      const hint =
        'set it in the environment, or write DB_CONNECTION_URI=… to standard input with --addresses-from-stdin';
      throw new UserError('DB_CONNECTION_URI is not set; the replicas in a cluster share one database', hint);
    }
    if (terminal.stdout.isTTY) {
      say(
        terminal,
        `${terminal.program}: warning: these keys are now on your screen; pipe them into kubectl apply -f - instead`,
      );
    }
    print(terminal, kmsSecretsManifest(secrets, options).trimEnd());
    say(terminal, `made kms-secrets for the namespace ${options.namespace}, root key ${fingerprintOf(secrets)}`);
  }
  say(
    terminal,
    'Keep a copy offline, in a safe place: without the root key every secret in the database is lost (HIP-27).',
  );
  return 0;
}
