import { afterAll, beforeAll, expect, test } from 'vitest';
import { Secrets } from '../../operator/kubernetes/resources.ts';
import { TestCluster } from './support/cluster.ts';

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start();
  await cluster.namespace('hanzo');
  await cluster.operator();
});
afterAll(() => cluster.close());

test("HIP-27's KMSSecret becomes a Secret", async () => {
  await cluster.service('gateway', 'hanzo', { DATABASE_URL: 'postgres://a', API_KEY: 'sk-1' });
  await cluster.kmsSecret('gateway', 'hanzo');
  await expect
    .poll(() => cluster.data('hanzo', 'gateway-secrets'))
    .toEqual({ DATABASE_URL: 'postgres://a', API_KEY: 'sk-1' });
  await expect
    .poll(() => cluster.synced('gateway', 'hanzo'))
    .toMatchObject({ status: 'True', reason: 'Synced', message: '2 keys of gateway production:/' });
});

test('a changed secret is there at once, long before the interval', async () => {
  const { projectId } = await cluster.service('chat', 'hanzo', { A: '1', B: '2' });
  await cluster.kmsSecret('chat', 'hanzo');
  await expect.poll(() => cluster.data('hanzo', 'chat-secrets')).toEqual({ A: '1', B: '2' });
  await cluster.kms.setSecrets(projectId, 'prod', { C: '3' });
  await expect.poll(() => cluster.data('hanzo', 'chat-secrets'), { timeout: 5000 }).toEqual({ A: '1', B: '2', C: '3' });
});

test('what is edited or deleted by hand is repaired, and what others added stays', async () => {
  await cluster.service('cloud', 'hanzo', { A: '1', B: '2' });
  await cluster.kmsSecret('cloud', 'hanzo');
  await expect.poll(() => cluster.data('hanzo', 'cloud-secrets')).toEqual({ A: '1', B: '2' });
  const place = { namespace: 'hanzo', name: 'cloud-secrets' };
  const encoded = Buffer.from('mine').toString('base64');
  await cluster.api.patch(Secrets, place, { data: { A: encoded, OTHER: encoded } }, 'somebody');
  await expect.poll(() => cluster.data('hanzo', 'cloud-secrets')).toEqual({ A: '1', B: '2', OTHER: 'mine' });
  await cluster.api.delete(Secrets, place);
  await expect.poll(() => cluster.data('hanzo', 'cloud-secrets')).toEqual({ A: '1', B: '2' });
});
