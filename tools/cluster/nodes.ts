import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';

/** Adds nodes that kwok plays: pods on them report that they are ready, and no container runs. */
export async function addNodes(kubeconfig: string, count: number): Promise<void> {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  const core = config.makeApiClient(CoreV1Api);
  const capacity = { cpu: '32', memory: '256Gi', pods: '1000', 'ephemeral-storage': '1Ti' };
  for (let number = 1; number <= count; number++) {
    const name = `node-${number}`;
    await core.createNode({
      body: {
        metadata: {
          name,
          annotations: { 'kwok.x-k8s.io/node': 'fake' },
          labels: {
            'kubernetes.io/hostname': name,
            'kubernetes.io/os': 'linux',
            'topology.kubernetes.io/zone': `zone-${((number - 1) % 3) + 1}`,
          },
        },
        status: { capacity, allocatable: capacity },
      },
    });
  }
}
