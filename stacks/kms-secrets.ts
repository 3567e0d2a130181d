import { request } from 'node:https';
import type { KubeConfig } from '@kubernetes/client-node';
import * as pulumi from '@pulumi/pulumi';

/** Where `kms-secrets` is looked for. */
export interface KmsSecretsPlace {
  /** Namespace of KMS. */
  readonly namespace: string;
  /**
   * Name of the Secret.
   * @default 'kms-secrets'
   */
  readonly secretName?: string;
  /**
   * Context of the kubeconfig.
   * @default - that of `kubernetes:context`, or the current one
   */
  readonly context?: string;
}

/** How long an API server may take. */
const WITHIN_MS = 10_000;

/**
 * Looks whether `kms-secrets` is there, and says in one line what to run when it is not: without it no replica gets ready, and Pulumi would
 * wait ten minutes to say so. A preview is only warned, so that it can be had of an empty cluster.
 *
 * It asks for the metadata alone. To read the Secret by the provider would put every value into the state (pulumi-kubernetes#2300).
 * Where there is no kubeconfig or no answer nothing is said: the provider will.
 *
 * @throws RunError when it is missing
 */
export async function requireKmsSecrets(place: KmsSecretsPlace): Promise<void> {
  const { namespace, secretName = 'kms-secrets' } = place;
  // Not by Config, which warns of one that is kept as a secret; it goes nowhere from here.
  const ofProvider = (key: string) => pulumi.runtime.getConfig(`kubernetes:${key}`);
  const context = place.context ?? ofProvider('context');
  const { KubeConfig } = await import('@kubernetes/client-node');
  const config = new KubeConfig();
  if (!load(config, ofProvider('kubeconfig'), context)) return;
  const status = await ask(
    config,
    `/api/v1/namespaces/${encodeURIComponent(namespace)}/secrets/${encodeURIComponent(secretName)}`,
  );
  if (status !== 404) return;
  const told = `${secretName} is not in namespace ${namespace}; run: npx kms-bootstrap init --kube-context ${config.getCurrentContext()} --namespace ${namespace}`;
  if (!pulumi.runtime.isDryRun()) throw new pulumi.RunError(told);
  await pulumi.log.warn(told);
}

/** Reads the kubeconfig that the provider reads: of its own configuration, as a file or whole, or else the usual one. */
function load(config: KubeConfig, given: string | undefined, context: string | undefined): boolean {
  try {
    if (given === undefined) {
      if (!process.env.KUBECONFIG && !process.env.HOME) return false;
      config.loadFromDefault();
    } else if (given.includes('\n')) config.loadFromString(given);
    else config.loadFromFile(given);
    if (context !== undefined) config.setCurrentContext(context);
    return config.getCurrentCluster() !== null;
  } catch {
    return false;
  }
}

/** @returns the status of the answer; undefined when there was none */
async function ask(config: KubeConfig, path: string): Promise<number | undefined> {
  const cluster = config.getCurrentCluster();
  if (!cluster || !URL.canParse(cluster.server) || !cluster.server.startsWith('https:')) return undefined;
  try {
    const options = { headers: { accept: 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1' } };
    await config.applyToHTTPSOptions(options);
    const url = `${cluster.server.replace(/\/$/, '')}${path}`;
    return await new Promise((resolve) => {
      const asked = request(url, { ...options, signal: AbortSignal.timeout(WITHIN_MS) }, (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      });
      asked.on('error', () => resolve(undefined)).end();
    });
  } catch {
    return undefined;
  }
}
