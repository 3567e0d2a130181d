import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { App, Chart } from 'cdk8s';
import { Deployment } from 'cdk8s-plus-28';
import { afterAll, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { KmsInventory, KmsService } from '../../constructs/index.ts';
import { Inventory } from '../../contracts/index.ts';
import { servicesOf } from '../../examples/hanzo/services.ts';

const root = new URL('../../', import.meta.url);
const inventory = new URL('examples/hanzo/kms.yaml', root);
const made: string[] = [];
afterAll(() => {
  for (const folder of made) rmSync(folder, { recursive: true });
});

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'kms-synth-'));
  made.push(path);
  return path;
}

const read = (path: string): Record<string, string> =>
  Object.fromEntries(readdirSync(path).map((file) => [file, readFileSync(join(path, file), 'utf8')]));

/** Renders the example into a folder: its files, by name. */
function synth(): Record<string, string> {
  const path = folder();
  execFileSync(process.execPath, ['examples/hanzo/app.ts'], {
    cwd: root,
    env: { ...process.env, CDK8S_OUTDIR: path },
  });
  return read(path);
}

const first = synth();
const objects = Object.values(first).flatMap((text) => parseAllDocuments(text).map((document) => document.toJS()));
const ofKind = (kind: string) => objects.filter((object) => object.kind === kind);

test('rendering twice gives the same bytes', () => {
  expect(synth()).toEqual(first);
});

test('cdk8s synth finds the app, and renders the same bytes', () => {
  const path = folder();
  const command = fileURLToPath(new URL('node_modules/cdk8s-cli/bin/cdk8s', root));
  // It runs `node …` of cdk8s.yaml by the path, where npm puts the Node of this package first.
  const PATH = [dirname(process.execPath), process.env.PATH].join(delimiter);
  execFileSync(process.execPath, [command, 'synth', '--output', path, '--check-upgrade=false'], {
    cwd: root,
    env: { ...process.env, PATH },
    stdio: 'pipe',
  });
  expect(read(path)).toEqual(first);
});

test('the manifests hold ten KMSSecrets, the CRD, KMS and its operator', () => {
  expect(ofKind('KMSSecret')).toHaveLength(10);
  expect(ofKind('CustomResourceDefinition')).toHaveLength(1);
  expect(ofKind('Deployment').map(({ metadata }) => metadata.name)).toEqual(['kms', 'kms-operator']);
});

test('each project of HIP-27 has its KMSSecret', () => {
  const projects = ofKind('KMSSecret').map(({ spec }) => spec.authentication.universalAuth.secretsScope.projectSlug);
  expect(projects.sort()).toEqual(
    ['hanzo-iam', 'gateway', 'chat', 'cloud', 'console', 'commerce', 'platform', 'bootnode', 'flow', 'zen'].sort(),
  );
});

test('the inventory has a KMSSecret for each of its projects', () => {
  const { organizations } = Inventory.parse(parse(readFileSync(inventory, 'utf8')));
  const projects = organizations.flatMap((organization) => organization.projects.map(({ slug }) => slug));
  expect(
    servicesOf(inventory)
      .map(({ project }) => project)
      .sort(),
  ).toEqual(projects.sort());
});

test("a service's name is its project's, but for iam", () => {
  const renamed = servicesOf(inventory).filter(({ name, project }) => name !== project);
  expect(renamed).toEqual([{ name: 'iam', project: 'hanzo-iam' }]);
});

test('deleting what is rendered deletes neither namespace nor Secret', () => {
  expect(new Set(objects.map(({ kind }) => kind))).toEqual(
    new Set([
      ...['CustomResourceDefinition', 'ServiceAccount', 'Service', 'Deployment', 'KMSSecret'],
      ...['ClusterRole', 'ClusterRoleBinding', 'Role', 'RoleBinding'],
      ...['ValidatingAdmissionPolicy', 'ValidatingAdmissionPolicyBinding'],
      ...['Ingress', 'NetworkPolicy', 'PodDisruptionBudget'],
    ]),
  );
});

test('nothing rendered tells when or where it was made', () => {
  for (const text of Object.values(first)) expect(text).not.toMatch(/\d{4}-\d\d-\d\d|cdk8s\.io|\/home\/|\/root\//);
});

test('the files apply in the order of their names', () => {
  expect(Object.keys(first).sort()).toEqual([
    expect.stringMatching(/^0000-kms-crd-\w+\.k8s\.yaml$/),
    expect.stringMatching(/^0001-kms-server-\w+\.k8s\.yaml$/),
    expect.stringMatching(/^0002-kms-operator-\w+\.k8s\.yaml$/),
    expect.stringMatching(/^0003-kms-services-\w+\.k8s\.yaml$/),
  ]);
});

test("the README's lines of a new service render its KMSSecret, and wire its workload", () => {
  const readme = readFileSync(new URL('README.md', root), 'utf8');
  const lines = /^```ts\n([\s\S]*?)^```/m.exec(readme)![1]!;
  expect(lines.trim().split('\n').length).toBeLessThanOrEqual(4);
  const chart = new Chart(new App(), 'chart', { namespace: 'hanzo' });
  const deployment = new Deployment(chart, 'deployment', { containers: [{ image: 'gateway:1' }] });
  const file = { fromFile: () => KmsInventory.fromFile(inventory) };
  new Function('chart', 'deployment', 'KmsInventory', 'KmsService', lines)(chart, deployment, file, KmsService);
  const rendered = chart.toJson();
  expect(rendered.find(({ kind }) => kind === 'KMSSecret').metadata.name).toBe('gateway-kms-sync');
  expect(rendered.find(({ kind }) => kind === 'Deployment').spec.template.spec.containers[0].envFrom).toEqual([
    { secretRef: { name: 'gateway-secrets' } },
  ]);
});
