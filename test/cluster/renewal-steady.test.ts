import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { thorough } from '../support/thorough.ts';
import { TestCluster } from './support/cluster.ts';
import type { OperatorProcess } from './support/operator-process.ts';
import { renewableService, renewing } from './support/renewable.ts';
import { Unsynced } from './support/unsynced.ts';

/** Client secrets that end all the time, with tokens that end sooner still, while what they read changes. */

let cluster: TestCluster;
let unsynced: Unsynced;
const replicas: OperatorProcess[] = [];
const namespace = 'hanzo';

beforeAll(async () => {
  cluster = await TestCluster.start();
  await cluster.namespace(namespace);
  unsynced = new Unsynced(cluster);
  replicas.push(await cluster.operatorProcess('first'), await cluster.operatorProcess('second'));
});
afterAll(async () => {
  await unsynced.stop();
  await cluster.close();
});

interface Trial {
  readonly slugs: readonly string[];
  /** Of a client secret and of a token, in seconds. */
  readonly ttl: number;
  readonly tokenTtl: number;
  readonly seconds: number;
  readonly changeEveryMs: number;
  /** Whether the leader is killed halfway, in the middle of a renewal. */
  readonly kill: boolean;
}

const logged = (pattern: RegExp) =>
  replicas.flatMap(({ lines }) => lines.filter(({ msg }) => pattern.test(String(msg))));
const renewals = () => logged(/^client secret renewed$/).length;
const rows = async (sql: string) => (await cluster.kms.sql.query(sql)).rows;

/** How many renewals there were. Fails when a single sync did. */
async function keepOn({ slugs, ttl, tokenTtl, seconds, changeEveryMs, kill }: Trial): Promise<number> {
  const before = renewals();
  const projects = new Map<string, string>();
  for (const slug of slugs) {
    projects.set(slug, (await renewableService(cluster, slug, namespace, { ttl, tokenTtl })).projectId);
    await cluster.kmsSecret(slug, namespace, { resyncInterval: 5, authentication: renewing(slug, namespace) });
  }
  const [start, end] = [performance.now(), performance.now() + seconds * 1000];
  let killed = !kill;
  for (let n = 1; performance.now() < end; n++) {
    const next = performance.now() + changeEveryMs;
    for (const slug of slugs) await cluster.kms.setSecrets(projects.get(slug)!, 'prod', { [`N${n}`]: slug });
    for (const slug of slugs)
      await expect
        .poll(async () => (await cluster.data(namespace, `${slug}-secrets`))?.[`N${n}`], { timeout: 25_000 })
        .toBe(slug);
    if (!killed && performance.now() - start > (seconds * 1000) / 2) {
      const leader = replicas.find(({ isLeader }) => isLeader)!;
      // It has just written both: what would follow is the login, and the write that takes the one before away.
      for (const count = renewals(); renewals() === count; ) await sleep(1);
      await leader.kill();
      replicas.push(await cluster.operatorProcess('third'));
      killed = true;
    }
    await sleep(Math.max(next - performance.now(), 0));
  }
  expect(unsynced.seen).toEqual([]);
  expect(logged(/^not in sync$|^client secret not renewed$/)).toEqual([]);
  expect(await rows("select from audit_log where event = 'revoke-client-secret-family'")).toEqual([]);
  return renewals() - before;
}

test('secrets of 5 seconds, tokens of 2: no failed sync', async () => {
  const trial = { slugs: ['rapid'], ttl: 5, tokenTtl: 2, seconds: 40, changeEveryMs: 1000, kill: false };
  expect(await keepOn(trial)).toBeGreaterThanOrEqual(10);
  await cluster.kubectl('-n', namespace, 'delete', 'kmssecret', '--all');
});

thorough(
  'secrets of 60 seconds for ten minutes, and a leader that is killed in a renewal: no failed sync',
  async () => {
    const slugs = ['gateway', 'chat', 'search'];
    const count = await keepOn({ slugs, ttl: 60, tokenTtl: 20, seconds: 600, changeEveryMs: 5000, kill: true });
    console.info(`renewal: ${count} renewals of ${slugs.length} client secrets in ten minutes`);
    expect(count).toBeGreaterThanOrEqual(slugs.length * 10);
    // Those that ended went, and their tokens with them.
    const kept = await rows(
      'select count(*)::int as count from renewable_secrets where family_id not in (select id from client_secrets where ttl = 5)',
    );
    expect(kept[0].count).toBeLessThanOrEqual(slugs.length * 4);
  },
  720_000,
);
