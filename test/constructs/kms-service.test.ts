import { App, Chart } from 'cdk8s';
import { Deployment } from 'cdk8s-plus-28';
import { expect, test } from 'vitest';
import { KmsInventory, KmsSecret, KmsService } from '../../constructs/index.ts';

const chart = () => new Chart(new App(), 'chart', { namespace: 'hanzo' });
const inventory = KmsInventory.fromFile(new URL('../../examples/hanzo/kms.yaml', import.meta.url));
const containers = [{ name: 'app', image: 'app:1' }];
const deploymentIn = (here: Chart) => here.toJson().find(({ kind }) => kind === 'Deployment');

test("a service's workload gets the secrets as its environment, and is restarted when they change", () => {
  const here = chart();
  const deployment = new Deployment(here, 'deployment', {
    containers: [...containers, { name: 'side', image: 'side:1' }],
  });
  new KmsService(here, 'gateway').injectInto(deployment);
  const { metadata, spec } = deploymentIn(here);
  expect(metadata.annotations).toEqual({ 'secrets.lux.network/auto-reload': 'true' });
  expect(spec.template.spec.containers.map(({ envFrom }: { envFrom: unknown }) => envFrom)).toEqual([
    [{ secretRef: { name: 'gateway-secrets' } }],
    [{ secretRef: { name: 'gateway-secrets' } }],
  ]);
});

test('reloading can be left out', () => {
  const here = chart();
  new KmsService(here, 'gateway', { autoReload: false }).injectInto(new Deployment(here, 'deployment', { containers }));
  expect(deploymentIn(here).metadata.annotations).toBeUndefined();
});

test('several workloads of one service share its Secret', () => {
  const here = chart();
  const service = new KmsService(here, 'gateway');
  for (const id of ['web', 'worker']) service.injectInto(new Deployment(here, id, { containers }));
  expect(here.toJson().filter(({ kind }) => kind === 'KMSSecret')).toHaveLength(1);
});

test('a workload without containers fails at synth', () => {
  const here = chart();
  const deployment = new Deployment(here, 'deployment');
  const service = new KmsService(here, 'gateway').injectInto(deployment);
  expect(service.node.validate()).toEqual([
    'chart/deployment has no container yet: call injectInto after its containers are added',
  ]);
});

test.each([
  [{ projectSlug: 'gatway' }, /^projectSlug: the inventory has no project gatway; it has .*gateway/],
  [{ envSlug: 'prd' }, /^envSlug: gateway has no environment prd; it has dev, staging, prod$/],
])('a typing mistake in %j fails at synth', (wrong, problem) => {
  const secret = new KmsSecret(chart(), 'gateway', { inventory, ...wrong });
  expect(secret.node.validate()).toEqual([expect.stringMatching(problem)]);
});

test.each(['prod', 'production', 'dev'])('%s of the inventory is found', (envSlug) => {
  expect(new KmsSecret(chart(), 'gateway', { inventory, envSlug }).node.validate()).toEqual([]);
});

test('a file that is missing or no inventory is told in one line', () => {
  expect(() => KmsInventory.fromFile('nowhere.yaml')).toThrow(/^the inventory nowhere\.yaml cannot be read: ENOENT/);
  expect(() => KmsInventory.fromFile(new URL('../../package.json', import.meta.url))).toThrow(
    /is no inventory: .*kms-bootstrap validate/,
  );
});
