import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { App, Chart, Yaml } from 'cdk8s';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { KmsAvailability, KmsIngress, KmsNetworkPolicies, KmsOperator } from '../../constructs/index.ts';
import { Deployments, Pods, type Workload } from '../../operator/kubernetes/resources.ts';
import { TestCluster } from './support/cluster.ts';

/** What the constructs render, as a real API server takes it and real controllers run it. Containers do not run. */

let cluster: TestCluster;
let folder: string;
const root = fileURLToPath(new URL('../..', import.meta.url));

beforeAll(async () => {
  // What is asked for is to do it: the scheduler would spread what does not ask, too.
  cluster = await TestCluster.start({ nodes: 6, spreadsByDefault: false });
  // More nodes in one zone than in the other: different nodes are in one zone as often as not, and in six rounds at least once.
  const zone = (name: string, ...nodes: string[]) =>
    cluster.kubectl('label', 'node', ...nodes, `topology.kubernetes.io/zone=${name}`, '--overwrite');
  await zone('a', 'node-1', 'node-2', 'node-3', 'node-4');
  await zone('b', 'node-5', 'node-6');
  await cluster.namespace('hanzo');
  folder = await mkdtemp(join(tmpdir(), 'kms-synth-'));
});
afterAll(async () => {
  await cluster.close();
  await rm(folder, { recursive: true, force: true });
});

async function synth(example: string): Promise<string> {
  const outdir = join(folder, example);
  await promisify(execFile)(process.execPath, [`examples/${example}/app.ts`], {
    cwd: root,
    env: { ...process.env, CDK8S_OUTDIR: outdir },
  });
  const files = (await readdir(outdir)).toSorted();
  return (await Promise.all(files.map((file) => readFile(join(outdir, file), 'utf8')))).join('\n---\n');
}

test('hanzo-k8s, all ten services of it, is taken without a warning', async () => {
  const told = await cluster.apply(await synth('hanzo'));
  expect(told).not.toMatch(/warning/i);
  expect(told.match(/kmssecret.secrets.lux.network\/\S+ serverside-applied/g)).toHaveLength(10);
  // Again: nothing is left to change.
  expect(await cluster.apply(await synth('hanzo'))).not.toMatch(/warning|conflict/i);
});

test('the rest of a cluster is taken without a warning, too', async () => {
  const chart = new Chart(new App(), 'rest');
  new KmsOperator(chart, 'operator', { secretNamespaces: ['hanzo'], autoReloadNamespaces: ['hanzo'] });
  new KmsAvailability(chart, 'availability', { autoscaling: { minReplicas: 2, maxReplicas: 6 } });
  new KmsIngress(chart, 'ingress');
  new KmsNetworkPolicies(chart, 'network', { postgresCidr: '10.1.0.0/16', clientNamespaces: ['team'] });
  expect(await cluster.apply(Yaml.stringify(...chart.toJson()))).not.toMatch(/warning/i);
});

test('a new service is taken without a warning', async () => {
  expect(await cluster.apply(await synth('new-service'), '--force-conflicts')).not.toMatch(/warning/i);
});

const pods = async () =>
  (await cluster.api.list(Pods, { namespace: 'hanzo', labelSelector: 'app=kms' })).items.filter(
    ({ metadata, status }) => !metadata.deletionTimestamp && status?.phase === 'Running',
  ) as ({ metadata: { name: string }; spec: { nodeName: string } } & object)[];

test('the two replicas land on different nodes', async () => {
  await cluster.kubectl('-n', 'hanzo', 'rollout', 'status', 'deployment/kms', '--timeout=60s');
  expect(new Set((await pods()).map(({ spec }) => spec.nodeName)).size).toBe(2);
});

test('and in different zones, after rollouts too', async () => {
  const zones = async () =>
    new Set((await pods()).map(({ spec }) => (['node-5', 'node-6'].includes(spec.nodeName) ? 'b' : 'a')));
  for (let round = 0; round < 6; round++) {
    expect(await zones()).toEqual(new Set(['a', 'b']));
    const annotations = { round: String(round) };
    const patch = JSON.stringify({ spec: { template: { metadata: { annotations } } } });
    await cluster.kubectl('-n', 'hanzo', 'patch', 'deployment', 'kms', '-p', patch);
    await cluster.kubectl('-n', 'hanzo', 'rollout', 'status', 'deployment/kms', '--timeout=60s');
    await expect.poll(async () => (await pods()).length).toBe(2);
  }
});

test('a rollout keeps two available', async () => {
  const available: number[] = [];
  let isDone = false;
  const watching = (async () => {
    while (!isDone) {
      const { status } = (await cluster.api.get(Deployments, { namespace: 'hanzo', name: 'kms' })) as Workload & {
        status: { availableReplicas?: number };
      };
      available.push(status.availableReplicas ?? 0);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  await cluster.kubectl('-n', 'hanzo', 'rollout', 'restart', 'deployment/kms');
  await cluster.kubectl('-n', 'hanzo', 'rollout', 'status', 'deployment/kms', '--timeout=60s');
  isDone = true;
  await watching;
  expect(Math.min(...available)).toBeGreaterThanOrEqual(2);
});

test('the budget lets one replica be evicted, and holds the other back', async () => {
  const [first, second] = await pods();
  // Nobody makes new ones, as when no node has room.
  await cluster.kubectl('cordon', ...Array.from({ length: 6 }, (_, n) => `node-${n + 1}`));
  const evict = ({ metadata: { name } }: { metadata: { name: string } }) =>
    cluster.raw('POST', `${cluster.plane.url}/api/v1/namespaces/hanzo/pods/${name}/eviction`, {
      apiVersion: 'policy/v1',
      kind: 'Eviction',
      metadata: { name, namespace: 'hanzo' },
    });
  expect((await evict(first!)).status).toBe(201);
  await expect.poll(async () => (await pods()).length).toBe(1);
  expect(await evict(second!)).toMatchObject({
    status: 429,
    body: { message: expect.stringContaining("violate the pod's disruption budget") },
  });
});
