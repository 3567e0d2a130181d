import { expect, test } from 'vitest';
import type { KubernetesApi } from '../../operator/kubernetes/api.ts';
import { Deployments } from '../../operator/kubernetes/resources.ts';
import { laggingPods } from '../../operator/reload/lagging.ts';
import type { KeptWorkload } from '../../operator/reload/workload-view.ts';

const workloads = (count: number): KeptWorkload[] =>
  Array.from({ length: count }, (_, n) => ({
    ...{
      resource: Deployments,
      namespace: 'a',
      name: `${'long-'.repeat(20)}${n}`,
      isOptedIn: false,
      content: undefined,
    },
    ...{ selector: { matchLabels: { app: String(n) } }, uses: [{ object: 'Secret/s', by: 'environment' }] },
  }));

test('however many lag, the status has room for it, and the API server is not asked for each', async () => {
  let lists = 0;
  const pod = { metadata: { name: 'p', creationTimestamp: '2026-01-01T00:00:00Z' }, status: { phase: 'Running' } };
  const api = { list: async () => ({ items: [pod], lists: lists++ }) } as unknown as KubernetesApi;
  const told = await laggingPods(api, workloads(500), new Set(['Secret/a/s']), '2026-06-01T00:00:00Z');
  expect(told!.length).toBeLessThan(950);
  expect(told).toMatch(/^1 of 1 pods of deployment\/long-.*, \d+ more workloads$/);
  expect(lists).toBeLessThanOrEqual(50);
  const one = await laggingPods(api, workloads(1), new Set(['Secret/a/s']), '2026-06-01T00:00:00Z');
  expect(one).toMatch(/^1 of 1 pods of deployment\/[-a-z]*0$/);
});
