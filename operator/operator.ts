import type { Logger } from 'pino';
import { VERSION } from '../contracts/version.ts';
import type { OperatorConfig } from './config.ts';
import { startHealth } from './health.ts';
import type { Cluster } from './kubernetes/access.ts';
import { KubernetesApi } from './kubernetes/api.ts';
import { loadDigest } from './kubernetes/digest.ts';
import { LeaderElection } from './kubernetes/lease.ts';
import { OperatorMetrics } from './metrics.ts';
import { Term } from './term.ts';

export interface Operator {
  /** Port of health and metrics. */
  readonly port: number;
  readonly isLeader: boolean;
  /** What /metrics shows. */
  metrics(): Promise<string>;
  /** Requests to the API server since the start, by verb and resource. */
  readonly requests: ReadonlyMap<string, number>;
  /** Ends the term, lets go of the Lease, and closes all connections. */
  stop(): Promise<void>;
}

/** Starts the operator: it leads as soon as no other replica does, and keeps the KMSSecrets while it leads. */
export async function startOperator(cluster: Cluster, config: OperatorConfig, log: Logger): Promise<Operator> {
  const api = new KubernetesApi(cluster);
  let term: Term | undefined;
  const metrics = new OperatorMetrics({
    isLeader: () => election.isLeader,
    depth: () => term?.depth ?? 0,
    requests: () => api.counts,
  });
  const election = new LeaderElection(api, {
    namespace: config.POD_NAMESPACE,
    identity: config.POD_NAME,
    onLead: async (leading) => {
      log.info('leading');
      const digest = await loadDigest(api, config.POD_NAMESPACE);
      term = new Term({
        api,
        leading,
        namespace: config.POD_NAMESPACE,
        instance: config.POD_NAME,
        version: VERSION,
        digest,
        watchNamespaces: config.WATCH_NAMESPACES,
        secretsByName: config.SECRETS_BY_NAME,
        hosts: config.KMS_HOSTS,
        concurrency: config.CONCURRENCY,
        autoReload: config.AUTO_RELOAD,
        metrics,
        log,
      });
      await term.run();
      term = undefined;
      log.info('no longer leading');
    },
    onTrouble: (trouble) => {
      metrics.trouble('lease');
      log.warn({ problem: trouble.message }, 'the Lease cannot be looked at');
    },
  });
  const health = await startHealth(config, metrics, () => election.isHealthy);
  return {
    port: health.port,
    get isLeader() {
      return election.isLeader;
    },
    metrics: () => metrics.registry.metrics(),
    requests: api.counts,
    async stop() {
      await election.stop();
      await health.stop();
      api.close();
    },
  };
}
