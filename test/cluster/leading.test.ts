import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Lease, Leases, Secrets } from '../../operator/kubernetes/resources.ts';
import { TestCluster } from './support/cluster.ts';
import type { OperatorProcess } from './support/operator-process.ts';

/** Two replicas, one leader; who takes over writes nothing that is right already. */

let cluster: TestCluster;
const namespace = 'hanzo';
const running: OperatorProcess[] = [];

beforeAll(async () => {
  cluster = await TestCluster.start();
  await cluster.namespace(namespace);
  for (const slug of ['a', 'b', 'c']) {
    await cluster.service(slug, namespace, { KEY: slug });
    await cluster.kmsSecret(slug, namespace, { resyncInterval: 5 });
  }
});
afterAll(() => cluster.close());

async function start(name: string): Promise<OperatorProcess> {
  const operator = await cluster.operatorProcess(name);
  running.push(operator);
  return operator;
}

const lease = (): Promise<Lease> => cluster.api.get(Leases, { namespace: 'default', name: 'kms-operator' });
const all = () => Promise.all(['a', 'b', 'c'].map((slug) => cluster.data(namespace, `${slug}-secrets`)));
/** Who wrote last, to the byte: any write is another version. */
const versions = async () =>
  (await cluster.api.list(Secrets, { namespace })).items.map(
    ({ metadata }) => `${metadata.name} ${metadata.resourceVersion}`,
  );

test('one leads, and both answer health and metrics', async () => {
  const first = await start('first');
  await expect.poll(() => first.isLeader).toBe(true);
  const second = await start('second');
  await expect.poll(all).toEqual([{ KEY: 'a' }, { KEY: 'b' }, { KEY: 'c' }]);
  await expect.poll(async () => (await second.get('/readyz')).status).toBe(200);
  expect(second.isLeader).toBe(false);
  for (const [operator, leads] of [
    [first, 1],
    [second, 0],
  ] as const) {
    expect((await operator.get('/healthz')).status).toBe(200);
    expect((await operator.get('/metrics')).text).toContain(`kms_operator_leader ${leads}`);
  }
});

test('a leader that is stopped hands over at once, and nothing is written', async () => {
  const before = await versions();
  const [first, second] = running as [OperatorProcess, OperatorProcess];
  await first.stop();
  await expect.poll(() => second.isLeader, { timeout: 5000 }).toBe(true);
  await cluster.api.delete(Secrets, { namespace, name: 'a-secrets' });
  await expect.poll(all).toEqual([{ KEY: 'a' }, { KEY: 'b' }, { KEY: 'c' }]);
  const untouched = (lines: string[]) => lines.filter((line) => !line.startsWith('a-secrets'));
  expect(untouched(await versions())).toEqual(untouched(before));
});

test('a leader that is killed is followed by another within 15 seconds', async () => {
  const third = await start('third');
  await running[1]!.kill();
  const start_ = performance.now();
  await expect.poll(() => third.isLeader, { timeout: 30_000 }).toBe(true);
  expect(performance.now() - start_).toBeLessThan(15_000);
  await cluster.api.delete(Secrets, { namespace, name: 'b-secrets' });
  await expect.poll(all).toEqual([{ KEY: 'a' }, { KEY: 'b' }, { KEY: 'c' }]);
});

test('a leader that hung writes nothing when it wakes up after another took over', async () => {
  const third = running[2]!;
  const fourth = await start('fourth');
  third.signal('SIGSTOP');
  await expect.poll(() => fourth.isLeader, { timeout: 30_000 }).toBe(true);
  third.signal('SIGCONT');
  await expect.poll(() => third.isLeader).toBe(false);
  const { spec } = await lease();
  expect(spec?.holderIdentity).toBe('fourth');
  await cluster.api.delete(Secrets, { namespace, name: 'c-secrets' });
  await expect.poll(all).toEqual([{ KEY: 'a' }, { KEY: 'b' }, { KEY: 'c' }]);
  expect((await lease()).spec?.holderIdentity).toBe('fourth');
});
