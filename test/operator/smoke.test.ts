import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Secrets } from '../../operator/kubernetes/resources.ts';
import { programsAtHand } from '../../tools/cluster/programs.ts';
import { TestCluster } from '../cluster/support/cluster.ts';

/** The everyday part of `npm run test:cluster`: whether the operator works at all. */

const isBuilt = programsAtHand() !== undefined;

describe.skipIf(!isBuilt)(
  `the operator on a control plane${isBuilt ? '' : ' (there is none: npm run cluster)'}`,
  () => {
    let cluster: TestCluster;
    beforeAll(async () => {
      cluster = await TestCluster.start();
      await cluster.namespace('hanzo');
      await cluster.operator();
    });
    afterAll(() => cluster.close());

    test('a folder becomes a Secret, follows a change and is repaired', async () => {
      const patience = { timeout: 20_000, interval: 50 };
      const data = () => cluster.data('hanzo', 'gateway-secrets');
      const { projectId } = await cluster.service('gateway', 'hanzo', { A: '1' });
      await cluster.kmsSecret('gateway', 'hanzo');
      await expect.poll(data, patience).toEqual({ A: '1' });
      await cluster.kms.setSecrets(projectId, 'prod', { B: '2' });
      await expect.poll(data, patience).toEqual({ A: '1', B: '2' });
      await cluster.api.delete(Secrets, { namespace: 'hanzo', name: 'gateway-secrets' });
      await expect.poll(data, patience).toEqual({ A: '1', B: '2' });
    });
  },
);
