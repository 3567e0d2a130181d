import { NamespaceName, ObjectName } from '../../contracts/kms-secret.ts';
import type { ProvisionReport } from '../../contracts/provision.ts';
import type { KmsOptions } from '../../sdk/index.ts';
import { isInPod, openCluster, openOwnCluster } from '../cluster/open.ts';
import { placeOf } from '../cluster/secrets.ts';
import { missingLines } from '../plan/lines.ts';
import type { MissingValue } from '../plan/steps.ts';
import { UserError } from '../problem.ts';
import { provision } from '../provision/provision.ts';
import { type Given, mintTargetsOf, refuseSecretsOfOthers, tokenPlaceOf, waitTargetsOf } from '../provision/targets.ts';
import { wantedInventory } from '../provision/wanted.ts';
import { print, printJson, say, type Terminal } from '../terminal/terminal.ts';
import { findAuthSecret } from './connection.ts';

/** Options of `kms-bootstrap provision`. */
export interface ProvisionCommandOptions {
  readonly kubeContext?: string;
  readonly kubeconfig?: string;
  readonly namespace: string;
  readonly secretName: string;
  readonly kmsSecrets?: string;
  readonly makeSecrets?: boolean;
  readonly bundledPostgres?: boolean;
  readonly bundledRedis?: boolean;
  readonly file?: string;
  readonly organization: readonly string[];
  readonly adminEmail: readonly string[];
  readonly recover?: string;
  readonly mint: Given;
  readonly tokenSecret?: string;
  readonly wait: Given;
  readonly readyTimeout: string;
  readonly lockTimeout: string;
  readonly waitTimeout: string;
  readonly json?: boolean;
}

/** Everything is done, and a KMSSecret is not in sync yet. */
const NOT_IN_SYNC = 2;

/** @returns 0 when all is done; 2 when all is done and a KMSSecret is not in sync within its time */
export async function provisionCommand(
  terminal: Terminal,
  environment: NodeJS.ProcessEnv,
  options: ProvisionCommandOptions,
): Promise<number> {
  const { namespace, secretName } = options;
  if (!NamespaceName.safeParse(namespace).success) throw new UserError(`"${namespace}" is not the name of a namespace`);
  if (!ObjectName.safeParse(secretName).success) throw new UserError(`"${secretName}" is not the name of a Secret`);
  const inventory = await wantedInventory({
    file: options.file,
    organizations: options.organization,
    adminEmails: options.adminEmail,
  });
  const mint = mintTargetsOf(options.mint, inventory, namespace);
  const token = options.tokenSecret === undefined ? undefined : tokenPlaceOf(options.tokenSecret, namespace);
  refuseSecretsOfOthers({ namespace, secretName }, mint, token);
  const cluster = {
    ...(options.kubeContext !== undefined && { context: options.kubeContext }),
    ...(options.kubeconfig !== undefined && { kubeconfig: options.kubeconfig }),
  };
  const inPod = isInPod(environment, cluster);
  const told = {
    connection: connectionOf(environment, namespace, inPod),
    namespace,
    secretName,
    authSecret: await findAuthSecret(environment, options.kmsSecrets),
    makeSecrets: makeSecretsOf(options, environment),
    inventory,
    recover: options.recover,
    mint,
    token,
    wait: waitTargetsOf(options.wait, mint, namespace),
    readySeconds: secondsOf('--ready-timeout', options.readyTimeout),
    aloneSeconds: secondsOf('--lock-timeout', options.lockTimeout),
    syncSeconds: secondsOf('--wait-timeout', options.waitTimeout),
    say: (line: string) => say(terminal, line),
  };
  const api = inPod ? openOwnCluster(environment, {}) : await openCluster(cluster, { userAgent: 'kms-bootstrap' });
  const ending = new AbortController();
  const stop = (signal: string) => ending.abort(new UserError(`ended by ${signal}; to run it again is safe`));
  process.once('SIGTERM', stop).once('SIGINT', stop);
  try {
    const report = await provision(api, { ...told, signal: ending.signal });
    const isInSync = report.sync.every(({ inSync }) => inSync);
    if (options.json) printJson(terminal, report);
    else show(terminal, report);
    return isInSync ? 0 : NOT_IN_SYNC;
  } finally {
    process.off('SIGTERM', stop).off('SIGINT', stop);
    api.close();
  }
}

function connectionOf(
  environment: NodeJS.ProcessEnv,
  namespace: string,
  inPod: boolean,
): Omit<KmsOptions, 'credentials'> {
  const url = environment.KMS_URL?.trim() || (inPod ? `http://kms.${namespace}.svc:8080` : undefined);
  if (url === undefined)
    throw new UserError(
      'KMS_URL is not set',
      `set it; before there is an Ingress: kubectl -n ${namespace} port-forward service/kms 8080, and KMS_URL=http://127.0.0.1:8080`,
    );
  return { url, userAgent: 'kms-bootstrap' };
}

function makeSecretsOf(options: ProvisionCommandOptions, environment: NodeJS.ProcessEnv) {
  const { makeSecrets, bundledPostgres = false, bundledRedis = false } = options;
  if (makeSecrets) return { addresses: environment, bundledPostgres, bundledRedis, immutable: true };
  if (bundledPostgres || bundledRedis)
    throw new UserError('--bundled-postgres and --bundled-redis say how to make kms-secrets', 'add --make-secrets');
  return undefined;
}

function secondsOf(option: string, text: string): number {
  const [, number, unit = 's'] = /^(\d+)([smh]?)$/.exec(text) ?? [];
  const seconds = Number(number) * { '': 1, s: 1, m: 60, h: 3600 }[unit]!;
  if (Number.isSafeInteger(seconds) && seconds <= 86_400) return seconds;
  throw new UserError(`${option}: "${text}" is not a time such as 90s, 5m or 1h`);
}

function show(terminal: Terminal, { inventory, credentials, sync }: ProvisionReport): void {
  const { created, changed, unchanged, needsValue } = inventory;
  print(terminal, ...missingLines(needsValue as MissingValue[]));
  const minted = credentials.filter(({ state }) => state === 'minted').length;
  const nothing = created + changed + minted === 0;
  print(
    terminal,
    nothing
      ? `nothing to change, ${unchanged} unchanged.`
      : `${created} created, ${changed} changed, 0 deleted, ${unchanged} unchanged; ${minted} of ${credentials.length} credentials minted.`,
  );
  const lacking = sync.filter(({ inSync }) => !inSync);
  for (const one of lacking) print(terminal, `not in sync: ${placeOf(one)}: ${one.reason}: ${one.message}`);
  if (sync.length > 0) print(terminal, `${sync.length - lacking.length} of ${sync.length} KMSSecrets in sync.`);
}
