import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { KubeConfig } from '@kubernetes/client-node';
import { KubernetesApi } from '../../operator/kubernetes/api.ts';
import type { ApiOptions } from '../../operator/kubernetes/exchange.ts';
import { clusterOf } from '../../operator/kubernetes/kubeconfig.ts';
import { ownCluster, SERVICE_ACCOUNT_FOLDER } from '../../operator/kubernetes/service-account.ts';
import { UserError } from '../problem.ts';

/** Which cluster, as kubectl says it. */
export interface ClusterOptions {
  /** A kubeconfig. @default - KUBECONFIG, else ~/.kube/config, else the pod that this runs in */
  readonly kubeconfig?: string;
  /** A context of it. @default - its present one */
  readonly context?: string;
}

/** @throws UserError when there is no kubeconfig, no such context, or one that cannot be read */
export async function openCluster(options: ClusterOptions, api: ApiOptions): Promise<KubernetesApi> {
  // Only here: it takes longer to load than all the rest, and no other command needs it.
  const { KubeConfig } = await import('@kubernetes/client-node');
  const config = new KubeConfig();
  load(config, options);
  const names = config.getContexts().map(({ name }) => name);
  if (options.context !== undefined) {
    if (!names.includes(options.context))
      throw new UserError(`the kubeconfig has no context "${options.context}"`, `it has ${names.join(', ') || 'none'}`);
    config.setCurrentContext(options.context);
  }
  // Where there is no kubeconfig at all, the library makes one up.
  const isMadeUp = config.getCurrentContext() === 'loaded-context';
  if (isMadeUp || !config.getCurrentCluster())
    throw new UserError(
      isMadeUp || names.length === 0 ? 'there is no kubeconfig' : 'the kubeconfig has no current context',
      'name one by --kubeconfig or KUBECONFIG, and a context of it by --context',
    );
  return new KubernetesApi(clusterOf(config), { userAgent: 'kms-cli', ...api });
}

/** Whether this runs in a pod, and nothing names another cluster. */
export function isInPod(environment: NodeJS.ProcessEnv, { kubeconfig, context }: ClusterOptions): boolean {
  if (kubeconfig !== undefined || context !== undefined || environment.KUBECONFIG) return false;
  return Boolean(environment.KUBERNETES_SERVICE_HOST) && !existsSync(join(homedir(), '.kube/config'));
}

/** The cluster of the pod that this runs in. It needs no kubeconfig, and thus not the 50 MB of the library that reads them. */
export function openOwnCluster(environment: NodeJS.ProcessEnv, api: ApiOptions): KubernetesApi {
  const folder = environment.SERVICE_ACCOUNT_FOLDER || SERVICE_ACCOUNT_FOLDER;
  return new KubernetesApi(ownCluster(environment, folder), { userAgent: 'kms-bootstrap', ...api });
}

function load(config: KubeConfig, { kubeconfig }: ClusterOptions): void {
  try {
    if (kubeconfig === undefined) config.loadFromDefault();
    else config.loadFromFile(kubeconfig);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'there is no such file' : (code ?? 'it is no kubeconfig');
    throw new UserError(`${kubeconfig ?? 'the kubeconfig'} cannot be read: ${why}`, undefined, error);
  }
}
