import { afterAll, beforeAll, expect, test } from 'vitest';
import { type KmsSecret, KmsSecrets } from '../../operator/kms-secret.ts';
import { Secrets } from '../../operator/kubernetes/resources.ts';
import type { Operator } from '../../operator/operator.ts';
import { DEFAULT_LIMITS } from '../../server/limits/classes.ts';
import { TestCluster } from './support/cluster.ts';
import { Gate } from './support/gate.ts';

/** What a hundred KMSSecrets of twenty keys cost KMS and the API server, in requests. */

let cluster: TestCluster;
let gate: Gate;
let operator: Operator;
const COUNT = 100;
const INTERVAL = 5;
const identities: string[] = [];
const keys = Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`KEY_${n}`, `value ${n}`]));

beforeAll(async () => {
  // With the limits that a KMS has by itself: tests are without.
  cluster = await TestCluster.start({ server: { limits: DEFAULT_LIMITS } });
  gate = await Gate.before(cluster.url);
  for (let n = 0; n < 5; n++) await cluster.namespace(`team-${n}`);
  const slugs = Array.from({ length: COUNT }, (_, n) => `service-${n}`);
  for (const [n, slug] of slugs.entries()) {
    const namespace = `team-${n % 5}`;
    const { id } = await cluster.kms.project(slug);
    await cluster.kms.setSecrets(id, 'prod', keys);
    const machine = await cluster.kms.machine(`${slug}-service`, { projectId: id, roles: [{ role: 'viewer' }] });
    identities.push(machine.id);
    await cluster.credentials(slug, namespace, machine);
    await cluster.kmsSecret(slug, namespace, { hostAPI: gate.url, resyncInterval: INTERVAL });
  }
  operator = await cluster.operator();
}, 180_000);
afterAll(async () => {
  await cluster.close();
  await gate.close();
});

const synced = async () => {
  const { items } = await cluster.api.list(KmsSecrets);
  return items.filter(
    ({ status }: KmsSecret) => status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True',
  ).length;
};
const versions = async () => {
  const { items } = await cluster.api.list(Secrets);
  return items
    .map(({ metadata: { namespace, name, resourceVersion } }) => `${namespace}/${name} ${resourceVersion}`)
    .toSorted();
};
const LIST = 'GET /api/v3/secrets/raw';
const LOGIN = 'POST /api/v1/auth/universal-auth/login 200';
const REFUSED_LOGIN = 'POST /api/v1/auth/universal-auth/login 401';
const REVOKED = 20;
const SECONDS_OF_REFUSALS = 15;
const STREAM = 'POST /api/v1/events/subscribe/project-events 200';
const of = (key: string) => gate.counts.get(key) ?? 0;
/** Verbs that change something. */
const writes = (requests: ReadonlyMap<string, number>) =>
  Object.fromEntries([...requests].filter(([key]) => /^(apply|create|patch|update|delete) (?!leases)/.test(key)));
const intervals = (count: number) => new Promise((resolve) => setTimeout(resolve, count * INTERVAL * 1000));

test('a start makes one login, one whole list, one stream and one write of each object', async () => {
  await expect.poll(synced, { timeout: 60_000 }).toBe(COUNT);
  await expect.poll(() => of(STREAM)).toBe(COUNT);
  expect(of(LOGIN)).toBe(COUNT);
  expect(of(`${LIST} 200`)).toBe(COUNT);
  expect(writes(operator.requests)).toEqual({
    // And the key of digests, once in the life of a cluster.
    'apply secrets': COUNT + 1,
    'apply kmssecrets': COUNT,
    'create events': COUNT,
  });
});

test('when nothing happens KMS is asked with ETags alone, and nothing is written', async () => {
  await intervals(1);
  const [before, lists, unchanged] = [writes(operator.requests), of(`${LIST} 200`), of(`${LIST} 304`)];
  const logins = of(LOGIN);
  await intervals(2);
  expect(writes(operator.requests)).toEqual(before);
  expect(of(`${LIST} 200`)).toBe(lists);
  expect(of(LOGIN)).toBe(logins);
  const asked = of(`${LIST} 304`) - unchanged;
  expect(asked).toBeGreaterThanOrEqual(COUNT);
  // An interval is scattered down to 0.85 of it.
  expect(asked).toBeLessThanOrEqual(COUNT * 3);
});

test('another start with everything in sync writes nothing', async () => {
  const before = await versions();
  await operator.stop();
  const lists = of(`${LIST} 200`);
  operator = await cluster.operator('operator-2');
  await expect.poll(() => of(`${LIST} 200`) - lists, { timeout: 30_000 }).toBe(COUNT);
  await intervals(1);
  expect(await versions()).toEqual(before);
  expect(writes(operator.requests)).toEqual({});
});

test('neither KMS nor the API server ever told the operator to slow down', async () => {
  expect([...gate.counts.keys()].filter((key) => key.endsWith(' 429'))).toEqual([]);
  expect(await rejectedByApiServer()).toBe(0);
  expect(await turns()).toEqual({ Synced: expect.any(Number) });
});

test('who is refused is asked for ever less often, and the others go on', async () => {
  const revoked = identities.slice(0, REVOKED);
  for (const id of revoked) await cluster.kms.do('DELETE', `/api/v1/identities/${id}`);
  await expect.poll(() => of(REFUSED_LOGIN), { timeout: 30_000 }).toBeGreaterThanOrEqual(REVOKED);
  await expect.poll(synced).toBe(COUNT - REVOKED);
  const [before, unchanged] = [of(REFUSED_LOGIN), of(`${LIST} 304`)];
  await intervals(SECONDS_OF_REFUSALS / INTERVAL);
  // At least 0.25, 0.5, 1, 2, 4 and 8 seconds apart, and the stream once; unhindered it would be hundreds for each.
  expect(of(REFUSED_LOGIN) - before).toBeLessThanOrEqual(REVOKED * 8);
  expect(of(`${LIST} 304`) - unchanged).toBeGreaterThanOrEqual(
    (COUNT - REVOKED) * (SECONDS_OF_REFUSALS / INTERVAL - 1),
  );
  expect([...gate.counts.keys()].filter((key) => key.endsWith(' 429'))).toEqual([]);
});

/** What priority and fairness turned away, of everybody. */
async function rejectedByApiServer(): Promise<number> {
  const text = await cluster.kubectl('get', '--raw', '/metrics');
  const rejected = text.matchAll(/^apiserver_flowcontrol_rejected_requests_total\{.*\} (\d+)$/gm);
  return [...rejected].reduce((sum, [, count]) => sum + Number(count), 0);
}

/** Turns of the operator by what came of them. */
async function turns(): Promise<Record<string, number>> {
  const found = (await operator.metrics()).matchAll(/^kms_operator_syncs_total\{reason="(\w+)"\} (\d+)$/gm);
  return Object.fromEntries([...found].map(([, reason, count]) => [reason, Number(count)]));
}
