import { writeDurably } from '../durable-file.ts';
import { formatEnvFile, parseEnvFile } from '../init/env-file.ts';
import { type Addresses, fingerprintOf, kmsSecretsManifest, makeKmsSecrets } from '../init/kms-secrets.ts';
import { UserError } from '../problem.ts';
import { print, readStdin, say, type Terminal } from '../terminal/terminal.ts';

/** Options of `kms-bootstrap init`. */
export interface InitOptions {
  /** Not `--env-file`: Node takes that one for itself, wherever on the command line it stands. */
  readonly writeEnv?: string;
  /** Of the Secret kms-secrets. */
  readonly namespace: string;
  /** Read `DB_CONNECTION_URI` and `REDIS_URL` from standard input, since a command line is seen by others. */
  readonly addressesFromStdin?: boolean;
  /** Whether Kubernetes refuses to change the Secret. */
  readonly immutable: boolean;
}

const DNS_LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

/** Makes kms-secrets: as an env file, or as a manifest on standard output. */
export async function init(terminal: Terminal, environment: NodeJS.ProcessEnv, options: InitOptions): Promise<number> {
  const addresses = options.addressesFromStdin
    ? parseEnvFile(await readStdin(terminal), 'standard input')
    : environment;
  const secrets = makeKmsSecrets(addresses as Addresses);
  if (options.writeEnv !== undefined) {
    await writeDurably(options.writeEnv, formatEnvFile({ ...secrets }), { exclusive: true });
    say(terminal, `wrote ${options.writeEnv} (mode 0600), root key ${fingerprintOf(secrets)}`);
  } else {
    if (!DNS_LABEL.test(options.namespace))
      throw new UserError(`"${options.namespace}" is not the name of a namespace`);
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
