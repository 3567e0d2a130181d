import type { KubernetesApi } from '../../operator/kubernetes/api.ts';
import { KubernetesError } from '../../operator/kubernetes/errors.ts';
import { findObject } from '../../operator/kubernetes/find-object.ts';
import { Namespaces } from '../../operator/kubernetes/resources.ts';
import { type ClusterSecrets, ensureKmsSecrets } from '../cluster/kms-secrets.ts';
import { openCluster } from '../cluster/open.ts';
import { placeOf } from '../cluster/secrets.ts';
import { parseEnvFile } from '../init/env-file.ts';
import type { Addresses } from '../init/kms-secrets.ts';
import { UserError } from '../problem.ts';
import { print, printJson, readStdin, say, type Terminal } from '../terminal/terminal.ts';

/** Options of `kms-bootstrap init` that put kms-secrets into a cluster. */
export interface InitClusterOptions {
  readonly kubeContext?: string;
  readonly kubeconfig?: string;
  readonly namespace: string;
  readonly createNamespace?: boolean;
  readonly bundledPostgres?: boolean;
  readonly bundledRedis?: boolean;
  readonly addressesFromStdin?: boolean;
  readonly immutable: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** Puts kms-secrets into a cluster. What is there stays, so that it can be run again, and by two at once. */
export async function initCluster(
  terminal: Terminal,
  environment: NodeJS.ProcessEnv,
  options: InitClusterOptions,
): Promise<number> {
  const addresses: Addresses = options.addressesFromStdin
    ? parseEnvFile(await readStdin(terminal), 'standard input')
    : environment;
  const { kubeContext, kubeconfig, namespace, dryRun = false } = options;
  const api = await openCluster(
    { ...(kubeContext !== undefined && { context: kubeContext }), ...(kubeconfig !== undefined && { kubeconfig }) },
    { userAgent: 'kms-bootstrap' },
  );
  try {
    const madeNamespace = options.createNamespace ? await ensureNamespace(api, namespace, dryRun) : false;
    const done = await ensureKmsSecrets(api, {
      namespace,
      addresses,
      bundledPostgres: options.bundledPostgres === true,
      bundledRedis: options.bundledRedis === true,
      immutable: options.immutable,
      // Nothing can be tried in a namespace that is not there yet.
      ...(dryRun && { dryRun: madeNamespace ? 'unchecked' : 'checked' }),
    }).catch((error: unknown) => {
      throw isMissingNamespace(error, namespace)
        ? new UserError(`there is no namespace ${namespace}`, 'make it, or have it made with --create-namespace', error)
        : error;
    });
    show(terminal, options, done, madeNamespace);
    return 0;
  } finally {
    api.close();
  }
}

/** @returns whether it was missing */
async function ensureNamespace(api: KubernetesApi, name: string, dryRun: boolean): Promise<boolean> {
  if (await findObject(api, Namespaces, { name })) return false;
  if (dryRun) return true;
  try {
    await api.create(Namespaces, undefined, { metadata: { name } });
    return true;
  } catch (error) {
    if (error instanceof KubernetesError && error.isConflict) return false;
    throw error;
  }
}

function isMissingNamespace(error: unknown, namespace: string): boolean {
  return error instanceof KubernetesError && error.isNotFound && error.message.includes(`"${namespace}"`);
}

function show(
  terminal: Terminal,
  { namespace, dryRun = false, json }: InitClusterOptions,
  { secrets, rootKey, differs }: ClusterSecrets,
  madeNamespace: boolean,
): void {
  const isNew = secrets.some(({ name, state }) => name === 'kms-secrets' && state === 'created');
  // That of a trial run is thrown away, and would be taken for the one to come.
  const fingerprint = dryRun && isNew ? undefined : rootKey;
  if (json) {
    const state = madeNamespace ? 'created' : 'kept';
    printJson(terminal, {
      dryRun,
      namespace: { name: namespace, state },
      secrets,
      rootKey: fingerprint ?? null,
      differs,
    });
  } else {
    const done = (state: 'created' | 'kept') =>
      state === 'kept' ? 'is there already' : dryRun ? 'would be made' : 'made';
    if (madeNamespace) print(terminal, `namespace ${namespace} ${done('created')}`);
    for (const secret of secrets) {
      const key = secret.name === 'kms-secrets' && fingerprint !== undefined ? `, root key ${fingerprint}` : '';
      print(terminal, `secret ${placeOf(secret)} ${done(secret.state)}${key}`);
    }
  }
  for (const name of differs)
    say(
      terminal,
      `${terminal.program}: warning: ${name} in it is another than the one asked for; it was left as it is`,
    );
  if (isNew && !dryRun)
    say(
      terminal,
      'Keep a copy offline, in a safe place: without the root key every secret in the database is lost (HIP-27).',
    );
}
