import { existsSync } from 'node:fs';
import type { RequestOptions } from 'node:https';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { KubeConfig } from '@kubernetes/client-node';
import type { Cluster } from './access.ts';
import { ownCluster } from './service-account.ts';

/**
 * The cluster that the environment names, in the order that kubectl has: a kubeconfig, else the one of this pod.
 *
 * @param serviceAccount folder with the pod's token and certificate
 * @throws Error when there is none
 */
export async function presentCluster(environment: NodeJS.ProcessEnv, serviceAccount: string): Promise<Cluster> {
  if (!environment.KUBECONFIG && !existsSync(join(homedir(), '.kube/config')))
    return ownCluster(environment, serviceAccount);
  // Only where there is a kubeconfig, thus not in a pod: it takes 50 MB (docs/decisions/0050-a-thin-client-of-the-api-server.md).
  const { KubeConfig } = await import('@kubernetes/client-node');
  const config = new KubeConfig();
  config.loadFromDefault();
  return clusterOf(config);
}

/** The present context of a kubeconfig, with all that the library knows: exec plugins, OIDC, proxies. @throws Error when it names none */
export function clusterOf(config: KubeConfig): Cluster {
  const cluster = config.getCurrentCluster();
  if (!cluster) throw new Error('no cluster: the kubeconfig has no current context');
  return {
    server: cluster.server,
    isProxied: cluster.proxyUrl !== undefined,
    async access() {
      const options: RequestOptions = {};
      await config.applyToHTTPSOptions(options);
      return options;
    },
  };
}
