import { afterAll, beforeAll, expect, test } from 'vitest';
import { KmsSecrets } from '../../operator/kms-secret.ts';
import {
  DaemonSets,
  Deployments,
  type Resource,
  StatefulSets,
  type Workload,
} from '../../operator/kubernetes/resources.ts';
import type { Operator } from '../../operator/operator.ts';
import { TestCluster } from './support/cluster.ts';

let cluster: TestCluster;
let operator: Operator;
const namespace = 'hanzo';
const AUTO = { 'secrets.lux.network/auto-reload': 'true' };
const CONTENT = 'secrets.lux.network/content';

beforeAll(async () => {
  cluster = await TestCluster.start({ nodes: 3 });
  await cluster.namespace(namespace);
  operator = await cluster.operator('operator-1', { AUTO_RELOAD: 'true' });
});
afterAll(() => cluster.close());

type Pods = Record<string, unknown>;
const envFrom = (slug: string): Pods => ({ envFrom: [{ secretRef: { name: `${slug}-secrets` } }] });

async function workload(
  of: Resource<Workload>,
  slug: string,
  annotations: Record<string, string>,
  container: Pods,
  volumes: unknown[] = [],
) {
  const labels = { app: slug };
  await cluster.api.create(of, namespace, {
    metadata: { name: slug, namespace, annotations },
    spec: {
      ...(of === DaemonSets ? {} : { replicas: 2 }),
      ...(of === StatefulSets ? { serviceName: slug } : {}),
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { containers: [{ name: 'app', image: 'app:1', ...container }], volumes },
      },
    },
  } as unknown as Workload);
}

async function service(slug: string, secrets: Record<string, string>) {
  const made = await cluster.service(slug, namespace, secrets);
  await cluster.kmsSecret(slug, namespace);
  await expect.poll(() => cluster.data(namespace, `${slug}-secrets`)).toEqual(secrets);
  return made;
}

const found = (of: Resource<Workload>, slug: string) => cluster.api.get(of, { namespace, name: slug });
/** What the pods were last started for: on the workload, and on the template when there was a restart. */
async function content(of: Resource<Workload>, slug: string) {
  const { metadata, spec } = await found(of, slug);
  return { known: metadata.annotations?.[CONTENT], restarted: spec?.template?.metadata?.annotations?.[CONTENT] };
}
const noted = (of: Resource<Workload>, slug: string) =>
  expect.poll(async () => (await content(of, slug)).known).toEqual(expect.any(String));

test.each([
  ['Deployment by envFrom', Deployments, (slug: string) => [envFrom(slug), []]],
  [
    'StatefulSet by valueFrom',
    StatefulSets,
    (slug: string) => [
      { env: [{ name: 'A', valueFrom: { secretKeyRef: { name: `${slug}-secrets`, key: 'A' } } }] },
      [],
    ],
  ],
  [
    'DaemonSet by a projected volume',
    DaemonSets,
    (slug: string) => [{}, [{ name: 's', projected: { sources: [{ secret: { name: `${slug}-secrets` } }] } }]],
  ],
] as const)('a %s is restarted once when its Secret changes', async (name, of, uses) => {
  const slug = name.split(' ')[0]!.toLowerCase();
  const { projectId } = await service(slug, { A: '1' });
  const [container, volumes] = uses(slug) as [Pods, unknown[]];
  await workload(of as Resource<Workload>, slug, AUTO, container, volumes);
  await noted(of as Resource<Workload>, slug);
  const { generation } = (await found(of as Resource<Workload>, slug)).metadata;
  await cluster.kms.do('PATCH', '/api/v3/secrets/raw/A', {
    body: { workspaceId: projectId, environment: 'prod', secretPath: '/', secretValue: 'another value' },
  });
  await expect.poll(async () => (await content(of as Resource<Workload>, slug)).restarted).toEqual(expect.any(String));
  const after = await found(of as Resource<Workload>, slug);
  expect(after.metadata.generation).toBe(generation! + 1);
  expect(JSON.stringify(after)).not.toContain('another value');
});

test('many changes make one restart, and the last of them is in it', async () => {
  const { projectId } = await service('many', { A: '0' });
  await workload(Deployments, 'many', AUTO, envFrom('many'));
  await noted(Deployments, 'many');
  const { generation } = (await found(Deployments, 'many')).metadata;
  for (let n = 1; n <= 10; n++)
    await cluster.kms.do('PATCH', '/api/v3/secrets/raw/A', {
      body: { workspaceId: projectId, environment: 'prod', secretPath: '/', secretValue: String(n) },
    });
  await expect.poll(() => cluster.data(namespace, 'many-secrets')).toEqual({ A: '10' });
  await expect.poll(async () => (await content(Deployments, 'many')).restarted).toEqual(expect.any(String));
  const { known, restarted } = await content(Deployments, 'many');
  expect(restarted).toBe(known);
  expect((await found(Deployments, 'many')).metadata.generation).toBe(generation! + 1);
});

test('neither the same value again, nor an edit that is repaired, nor another leader makes a restart', async () => {
  const { projectId } = await service('same', { A: '1' });
  await workload(Deployments, 'same', AUTO, envFrom('same'));
  await noted(Deployments, 'same');
  const before = await content(Deployments, 'same');
  await cluster.kms.do('PATCH', '/api/v3/secrets/raw/A', {
    body: { workspaceId: projectId, environment: 'prod', secretPath: '/', secretValue: '1' },
  });
  await cluster.kubectl('-n', namespace, 'patch', 'secret', 'same-secrets', '-p', '{"stringData":{"A":"by hand"}}');
  await expect.poll(() => cluster.data(namespace, 'same-secrets')).toEqual({ A: '1' });
  await operator.stop();
  operator = await cluster.operator('operator-2', { AUTO_RELOAD: 'true' });
  // Another workload that does restart shows that the new leader is at work, and its quiet time is over.
  await cluster.kms.do('PATCH', '/api/v3/secrets/raw/A', {
    body: {
      workspaceId: (await service('probe', { A: '1' })).projectId,
      environment: 'prod',
      secretPath: '/',
      secretValue: '2',
    },
  });
  await workload(Deployments, 'probe', AUTO, envFrom('probe'));
  await noted(Deployments, 'probe');
  await expect.poll(() => content(Deployments, 'same')).toEqual(before);
});

test('the status says which pods still run older content, and clears by itself', async () => {
  const { projectId } = await service('lagging', { A: '1' });
  await workload(Deployments, 'lagging', {}, envFrom('lagging'));
  await cluster.kubectl('-n', namespace, 'rollout', 'status', 'deployment/lagging', '--timeout=30s');
  // Kubernetes tells starts by the second.
  await new Promise((resolve) => setTimeout(resolve, 1100));
  await cluster.kms.do('PATCH', '/api/v3/secrets/raw/A', {
    body: { workspaceId: projectId, environment: 'prod', secretPath: '/', secretValue: '2' },
  });
  const workloads = async () =>
    (await cluster.api.get(KmsSecrets, { namespace, name: 'lagging-kms-sync' })).status?.workloads;
  await expect.poll(workloads).toBe('2 of 2 pods of deployment/lagging still run version 1');
  expect((await content(Deployments, 'lagging')).restarted).toBeUndefined();
  await cluster.kubectl('-n', namespace, 'rollout', 'restart', 'deployment/lagging');
  await expect.poll(workloads, { timeout: 30_000 }).toBeUndefined();
});
