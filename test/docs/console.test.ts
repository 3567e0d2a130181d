import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { App, Chart } from 'cdk8s';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { kmsSecretsManifest, makeKmsSecrets } from '../../bootstrap/init/kms-secrets.ts';
import { Kms, KmsCrd, KmsSecret } from '../../constructs/index.ts';

/** The guide's steps on a cluster: what they make is what the manifests name. */

const guide = await readFile(fileURLToPath(new URL('../../docs/inventory.md', import.meta.url)), 'utf8');
const [, console] = /^```console\n([\s\S]*?)^```/m.exec(guide)!;
const [namespace, init, ...applied] = console!.trim().split('\n');
const secret = parse(kmsSecretsManifest(makeKmsSecrets({}), { namespace: 'hanzo', immutable: true }));

const chart = new Chart(new App(), 'chart');
new Kms(chart, 'kms');
new KmsSecret(chart, 'gateway');
const objects = chart.toJson();

test('the namespace and kms-secrets come before what needs them', () => {
  expect(init).toBe('$ npx kms-bootstrap init | kubectl apply -f -');
  expect(applied.at(-1)).toBe('$ kubectl apply -f dist/');
});

test('the CRD that the guide waits for is the one that is rendered', () => {
  const crds = new Chart(new App(), 'crds');
  new KmsCrd(crds, 'crd');
  expect(applied).toContain(`$ kubectl wait --for=condition=established crd/${crds.toJson()[0].metadata.name}`);
});

test('the namespace that the guide makes is the one that everything is in', () => {
  const name = namespace!.replace('$ kubectl create namespace ', '');
  expect([secret, ...objects].map(({ metadata }) => metadata.namespace)).toEqual(Array(objects.length + 1).fill(name));
});

test('the Secret that init makes is the one that the pods read', () => {
  const deployment = objects.find(({ kind }) => kind === 'Deployment');
  const [{ secretRef }] = deployment.spec.template.spec.containers[0].envFrom;
  expect([secret.kind, secret.metadata.name]).toEqual(['Secret', secretRef.name]);
});
