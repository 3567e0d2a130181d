import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { KmsSecrets } from '../../operator/kms-secret.ts';
import { KubernetesApi } from '../../operator/kubernetes/api.ts';
import type { KubernetesError } from '../../operator/kubernetes/errors.ts';
import { Reflector } from '../../operator/kubernetes/reflector.ts';
import { type Lease, Leases, type Secret, Secrets } from '../../operator/kubernetes/resources.ts';
import { freePort } from '../../tools/cluster/free-ports.ts';
import { Clock, noFaketime } from '../faults/support/clocks.ts';
import { ServerProcess } from '../server/process/server-process.ts';
import type { TestCluster } from './support/cluster.ts';
import type { Gate } from './support/gate.ts';
import { gatedCluster } from './support/gated.ts';
import type { OperatorProcess } from './support/operator-process.ts';
import { Relay } from './support/relay.ts';

/** Faults that want a look at what they do by themselves; all of them together are in faults.test.ts. */

const namespace = 'hanzo';
let cluster: TestCluster;
let gate: Gate;
let close: () => Promise<void>;

beforeAll(async () => {
  ({ cluster, gate, close } = await gatedCluster(namespace));
});
afterAll(() => close());

const encoded = (text: string) => Buffer.from(text).toString('base64');
const secret = (name: string, text: string): Secret => ({
  metadata: { name, namespace },
  data: { KEY: encoded(text) },
});

test('what happened while the history of a watch was lost (410) is found all the same', async () => {
  const relay = await Relay.before(Number(new URL(cluster.plane.url).port));
  const far = new KubernetesApi({ ...cluster.cluster(), server: `https://127.0.0.1:${relay.port}` });
  for (const name of ['stays', 'changes', 'goes']) await cluster.api.create(Secrets, namespace, secret(name, 'before'));
  const troubles: KubernetesError[] = [];
  const told: string[] = [];
  const watched = new Reflector<Secret, string>(far, Secrets, {
    namespace,
    keep: ({ data }) => Buffer.from(data?.KEY ?? '', 'base64').toString(),
    onChange: ({ key, before, now }) => told.push(`${key} ${before} -> ${now}`),
    onTrouble: (trouble) => troubles.push(trouble),
  });
  try {
    await watched.ready();
    // The watch itself is under way, too.
    await cluster.api.create(Secrets, namespace, secret('seen', 'by the watch'));
    await expect.poll(() => watched.get(`${namespace}/seen`)).toBe('by the watch');
    told.length = 0;

    relay.shut();
    const apply = (name: string) => cluster.api.apply(Secrets, secret(name, 'after'), { fieldManager: 'somebody' });
    await apply('changes');
    await apply('comes');
    await cluster.api.delete(Secrets, { namespace, name: 'goes' });
    // It keeps the history in its memory alone.
    await cluster.plane.apiServer.stop('SIGKILL');
    cluster.plane.apiServer.start();
    await cluster.plane.ready();
    relay.open();

    await expect.poll(() => watched.get(`${namespace}/comes`), { timeout: 30_000 }).toBe('after');
    expect(troubles.filter(({ isExpired }) => isExpired)).toHaveLength(1);
    expect(told.toSorted()).toEqual([
      'hanzo/changes before -> after',
      'hanzo/comes undefined -> after',
      'hanzo/goes before -> undefined',
      'hanzo/seen by the watch -> by the watch',
      'hanzo/stays before -> before',
    ]);
  } finally {
    await watched.stop();
    far.close();
    await relay.close();
  }
});

test('a server killed in the middle of syncs empties nothing, and is followed once it is back', async () => {
  const { rootKey, authSecret } = cluster.kms.secrets;
  const port = String(await freePort());
  // A replica of the cluster's KMS, in a process that can be killed; changes are made by the other one.
  const start = async () => {
    const replica = new ServerProcess({
      ROOT_ENCRYPTION_KEY: rootKey,
      AUTH_SECRET: authSecret,
      DB_CONNECTION_URI: cluster.kms.database.uri,
      PORT: port,
    });
    await replica.ready();
    return replica;
  };
  let replica = await start();
  const names = Array.from({ length: 10 }, (_, n) => `killed-${n}`);
  const projects = new Map<string, string>();
  const states: Record<string, string>[] = [];
  const watched = new Reflector<Secret, true>(cluster.api, Secrets, {
    namespace,
    keep: ({ metadata, data = {} }) => {
      if (/^killed-.*-secrets$/.test(metadata.name)) states.push(data);
      return true;
    },
    onChange: () => {},
    onTrouble: () => {},
  });
  const operator = await cluster.operatorProcess('of-killed');
  try {
    for (const slug of names) {
      projects.set(slug, (await cluster.service(slug, namespace, { KEY: 'round 0', OTHER: 'stays' })).projectId);
      await cluster.kmsSecret(slug, namespace, { hostAPI: `http://127.0.0.1:${port}`, resyncInterval: 5 });
    }
    const all = () => Promise.all(names.map(async (slug) => (await cluster.data(namespace, `${slug}-secrets`))?.KEY));
    await expect.poll(all, { timeout: 30_000 }).toEqual(names.map(() => 'round 0'));

    for (let round = 1; round <= 4; round++) {
      const changes = Promise.all([...projects.values()].map((id) => change(id, `round ${round}`)));
      // In some rounds before any sync, in some after the first, in some with most of them done.
      await Promise.race([sleep(round * 25), changes]);
      replica.signal('SIGKILL');
      await Promise.all([replica.ended(), changes]);
      expect((await all()).filter((value) => value === undefined)).toEqual([]);
      replica = await start();
      await expect.poll(all, { timeout: 30_000 }).toEqual(names.map(() => `round ${round}`));
    }
    expect(states.filter(({ KEY, OTHER }) => !KEY || OTHER !== encoded('stays'))).toEqual([]);
    expect(new Set(states.map(({ KEY }) => KEY)).size).toBe(5);
  } finally {
    replica.signal('SIGKILL');
    await watched.stop();
    await operator.kill();
    for (const slug of names)
      await cluster.api.delete(KmsSecrets, { namespace, name: `${slug}-kms-sync` }).catch(() => {});
  }
}, 180_000);

const SERVICES = ['a', 'b', 'c', 'd'];
const INTERVAL_SECONDS = 5;
const LIST = 'GET /api/v3/secrets/raw 304';
const LOGIN = 'POST /api/v1/auth/universal-auth/login 200';
const of = (key: string) => gate.counts.get(key) ?? 0;
const lease = (): Promise<Lease> => cluster.api.get(Leases, { namespace: 'default', name: 'kms-operator' });

test.skipIf(noFaketime)('a clock that is an hour wrong changes nothing', { timeout: 120_000 }, async () => {
  const clock = await Clock.ofProgram();
  const projects = new Map<string, string>();
  try {
    for (const slug of SERVICES) {
      projects.set(slug, (await cluster.service(slug, namespace, { KEY: 'first' })).projectId);
      await cluster.kmsSecret(slug, namespace, { hostAPI: gate.url, resyncInterval: INTERVAL_SECONDS });
    }
    const wrong = await cluster.operatorProcess('wrong', clock.faketime);
    const all = () =>
      Promise.all(SERVICES.map(async (slug) => (await cluster.data(namespace, `${slug}-secrets`))?.KEY));
    await expect.poll(all).toEqual(SERVICES.map(() => 'first'));
    await expect.poll(async () => (await cluster.synced('d', namespace))?.reason).toBe('Synced');
    const right = await cluster.operatorProcess('right');
    const { leaseTransitions } = (await lease()).spec!;

    for (const seconds of [3600, -3600]) {
      clock.jump(seconds);
      const before = { lists: of(LIST), logins: of(LOGIN) };
      await sleep(INTERVAL_SECONDS * 1000);
      await expect.poll(async () => Math.abs((await skewOf(wrong)) - seconds)).toBeLessThan(30);
      const looks = of(LIST) - before.lists;
      expect(looks, 'looks in an interval').toBeGreaterThanOrEqual(SERVICES.length - 1);
      expect(looks, 'looks in an interval').toBeLessThanOrEqual(SERVICES.length * 4);
      expect(of(LOGIN), 'logins: tokens are as fresh as they were').toBe(before.logins);

      for (const slug of SERVICES) await change(projects.get(slug)!, `at ${seconds}`);
      await expect.poll(all).toEqual(SERVICES.map(() => `at ${seconds}`));
      await expect.poll(() => secondsSinceChange('a'), { timeout: 5000 }).toBeLessThan(20);
      const { spec } = await lease();
      expect(spec).toMatchObject({ holderIdentity: 'wrong', leaseTransitions });
      expect(right.isLeader).toBe(false);
    }

    // The Lease that it leaves behind says that it was renewed in an hour.
    clock.jump(3600);
    await expect.poll(async () => Date.parse((await lease()).spec?.renewTime ?? '') - Date.now()).toBeGreaterThan(3e6);
    await wrong.kill();
    await expect.poll(() => right.isLeader, { timeout: 15_000 }).toBe(true);
    await cluster.api.delete(Secrets, { namespace, name: 'a-secrets' });
    await expect.poll(all).toEqual(SERVICES.map(() => 'at -3600'));
  } finally {
    await clock.close();
  }
});

async function change(workspaceId: string, secretValue: string): Promise<void> {
  const body = { workspaceId, environment: 'prod', secretPath: '/', secretValue };
  await cluster.kms.do('PATCH', '/api/v3/secrets/raw/KEY', { body });
}

/** How far the operator's own clock is from ours, in seconds, by what it says about its last look. */
async function skewOf(operator: OperatorProcess): Promise<number> {
  const { text } = await operator.get('/metrics');
  const looked = [...text.matchAll(/^kms_operator_kmssecret_last_sync_timestamp_seconds\{.*\} (\S+)$/gm)];
  return Math.max(...looked.map(([, time]) => Number(time))) - Date.now() / 1000;
}

async function secondsSinceChange(slug: string): Promise<number> {
  const { status } = await cluster.api.get(KmsSecrets, { namespace, name: `${slug}-kms-sync` });
  return Math.abs(Date.now() - Date.parse(status?.lastChangeTime ?? '')) / 1000;
}
