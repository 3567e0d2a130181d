import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { KmsSecrets } from '../../operator/kms-secret.ts';
import { TestCluster } from './support/cluster.ts';
import { Gate } from './support/gate.ts';
import type { OperatorProcess } from './support/operator-process.ts';
import { renewableService, renewing } from './support/renewable.ts';
import { Unsynced } from './support/unsynced.ts';

/** A leader is killed in the middle of a renewal; the other replica goes on with what the Secret holds. */

let cluster: TestCluster;
let gate: Gate;
let unsynced: Unsynced;
let replicas: OperatorProcess[];
const namespace = 'hanzo';

beforeAll(async () => {
  cluster = await TestCluster.start();
  await cluster.namespace(namespace);
  gate = await Gate.before(cluster.url);
  unsynced = new Unsynced(cluster);
  replicas = [await cluster.operatorProcess('first')];
  await vi.waitUntil(() => replicas[0]!.isLeader, { timeout: 15_000, interval: 50 });
  replicas.push(await cluster.operatorProcess('second'));
});
afterEach(() => {
  gate.weather = 'pass';
});
afterAll(async () => {
  await unsynced.stop();
  await cluster.close();
  await gate.close();
});

const renewed = async (slug: string) =>
  (await cluster.api.get(KmsSecrets, { namespace, name: `${slug}-kms-sync` })).status?.conditions?.find(
    ({ type }) => type === 'CredentialsRenewed',
  )?.status;
const keys = async (slug: string) => Object.keys((await cluster.data(namespace, `${slug}-kms-auth`)) ?? {}).toSorted();

test.each([
  { when: 'the successor is made, and nobody knows it', lose: /client-secrets\/renew$/, left: 2 },
  { when: 'both are stored, and the successor has worked', lose: /universal-auth\/login$/, left: 3 },
])('killed when $when: the other replica renews, and nothing is lost', async ({ lose, left }) => {
  const slug = `killed-${left}`;
  const { projectId } = await renewableService(cluster, slug, namespace, { ttl: 60, tokenTtl: 10 });
  const authentication = renewing(slug, namespace);
  const { universalAuth } = authentication;
  // In sync first, so that the renewal is what is interrupted.
  await cluster.kmsSecret(slug, namespace, {
    hostAPI: gate.url,
    resyncInterval: 5,
    authentication: { universalAuth: { ...universalAuth, renewal: { enabled: false } } },
  });
  await expect.poll(() => cluster.data(namespace, `${slug}-secrets`)).toEqual({ KEY: slug });
  const lost = gate.lost;
  gate.weather = { lose };
  const place = { namespace, name: `${slug}-kms-sync` };
  await cluster.api.patch(KmsSecrets, place, { spec: { authentication } }, 'me');
  await expect.poll(() => gate.lost).toBeGreaterThan(lost);
  await expect.poll(async () => (await keys(slug)).length).toBe(left);
  const leader = replicas.find(({ isLeader }) => isLeader)!;
  await leader.kill();
  replicas = replicas.filter((one) => one !== leader);
  gate.weather = 'pass';
  await expect.poll(() => replicas[0]!.isLeader, { timeout: 20_000 }).toBe(true);
  await expect.poll(() => renewed(slug), { timeout: 10_000 }).toBe('True');
  expect(await keys(slug)).toEqual(['clientId', 'clientSecret']);
  await cluster.kms.setSecrets(projectId, 'prod', { LATER: 'yes' });
  await expect.poll(() => cluster.data(namespace, `${slug}-secrets`)).toEqual({ KEY: slug, LATER: 'yes' });
  const alarms = "select from audit_log where event = 'revoke-client-secret-family'";
  expect((await cluster.kms.sql.query(alarms)).rows).toEqual([]);
  expect(unsynced.seen).toEqual([]);
  replicas.push(await cluster.operatorProcess(`after-${slug}`));
});
