import { readFile } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import type { Cluster } from './access.ts';

/** Where Kubernetes puts it into each pod. */
export const SERVICE_ACCOUNT_FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount';

/**
 * The cluster that this pod runs in, as its ServiceAccount. The files are read anew each time: Kubernetes replaces the token well before it ends.
 *
 * @param folder with `token` and `ca.crt`
 * @throws Error when this is no pod
 */
export function ownCluster(environment: NodeJS.ProcessEnv, folder: string): Cluster {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = environment;
  if (!host)
    throw new Error('no cluster: there is neither a kubeconfig nor KUBERNETES_SERVICE_HOST, which every pod has');
  return {
    server: `https://${isIPv6(host) ? `[${host}]` : host}:${port}`,
    isProxied: false,
    async access() {
      const [token, ca] = await Promise.all([
        readFile(join(folder, 'token'), 'utf8'),
        readFile(join(folder, 'ca.crt'), 'utf8'),
      ]);
      return { headers: { authorization: `Bearer ${token.trim()}` }, ca };
    },
  };
}
