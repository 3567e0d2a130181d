import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ALLOW_LABEL, RESYNC_ANNOTATION } from '../../operator/kms-secret.ts';
import { AUTO_RELOAD_ANNOTATION } from '../../operator/reload/workload-view.ts';
import { TestCluster } from './support/cluster.ts';
import { Gate } from './support/gate.ts';

/** docs/kubernetes.md, as it is pasted. */

const page = readFileSync(new URL('../../docs/kubernetes.md', import.meta.url), 'utf8');
let cluster: TestCluster;
let gate: Gate;

beforeAll(async () => {
  cluster = await TestCluster.start();
  gate = await Gate.before(cluster.url);
  await cluster.namespace('hanzo');
  await cluster.operator();
});
afterAll(async () => {
  await cluster.close();
  await gate.close();
});

test('its KMSSecret is taken and kept, and its command has everything read again', async () => {
  const yaml = /^```yaml\n([\s\S]*?)^```/m.exec(page)![1]!;
  await cluster.service('gateway', 'hanzo', { DATABASE_URL: 'postgres://a' });
  await cluster.apply(yaml.replace('spec:\n', `spec:\n  hostAPI: ${gate.url}\n`));
  await expect.poll(() => cluster.data('hanzo', 'gateway-secrets')).toEqual({ DATABASE_URL: 'postgres://a' });
  const lists = gate.counts.get('GET /api/v3/secrets/raw 200');
  const command = /`kubectl (annotate [^`]+)`/.exec(page)![1]!.replaceAll('\n', ' ');
  await cluster.kubectl('-n', 'hanzo', ...command.split(/\s+/));
  await expect.poll(() => gate.counts.get('GET /api/v3/secrets/raw 200')).toBe(lists! + 1);
});

test('the labels and annotations that it names are those of the operator', () => {
  for (const name of [RESYNC_ANNOTATION, ALLOW_LABEL, AUTO_RELOAD_ANNOTATION]) expect(page).toContain(name);
});

test('every reason of a condition is on the page', () => {
  const source = readFileSync(new URL('../../operator/sync/problem.ts', import.meta.url), 'utf8');
  const reasons = [...source.matchAll(/^ {2}\| '(\w+)'/gm)].map(([, reason]) => reason);
  expect(reasons.length).toBeGreaterThan(15);
  expect(reasons.filter((reason) => !page.includes(`\`${reason}\``))).toEqual([]);
});

test('an operator told nonsense by its environment says so in one line', async () => {
  await expect(cluster.operatorProcess('bad', { PORT: 'many', CONCURRENCY: '0' })).rejects.toThrow(
    /kms-operator: error: PORT: .*; CONCURRENCY: /,
  );
});
