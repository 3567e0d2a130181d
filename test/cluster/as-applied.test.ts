import { readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { AppliedPods, type RunningPod } from './support/applied.ts';
import { TestCluster } from './support/cluster.ts';

/**
 * From an empty cluster to a synced Secret: the commands of docs/kubernetes.md one after the other, and what they apply, run as
 * processes. In place of `npm run synth`, of a port-forward and of the address of hanzo's own KMS there are those of this test.
 */

let cluster: TestCluster;
let folder: string;
let pods: AppliedPods;
let database: TestDatabase;
let kms: RunningPod;
let operator: RunningPod;
const root = fileURLToPath(new URL('../..', import.meta.url));
const page = readFileSync(join(root, 'docs/kubernetes.md'), 'utf8');
const section = page.slice(page.indexOf('## From an empty cluster'), page.indexOf('## What it does'));
const [install, provision] = [...section.matchAll(/^```bash\n([\s\S]*?)^```/gm)].map(([, text]) => text!) as [
  string,
  string,
];

beforeAll(async () => {
  [cluster, database] = await Promise.all([TestCluster.start({ nodes: 2, crd: false }), createDatabase()]);
  folder = await mkdtemp(join(tmpdir(), 'kms-as-applied-'));
  await chmod(folder, 0o700);
  await symlink(join(root, 'examples'), join(folder, 'examples'));
  const shim = (name: string, line: string) => writeFile(join(folder, name), `#!/bin/sh\n${line}\n`, { mode: 0o755 });
  await shim('npx', `name=$1; shift; exec "${process.execPath}" "${root}bin/$name.js" "$@"`);
  await shim(
    'npm',
    `[ "$*" = "run synth" ] && CDK8S_OUTDIR=dist exec "${process.execPath}" "${root}examples/hanzo/app.ts"`,
  );
  pods = new AppliedPods(cluster, folder);
});
afterAll(async () => {
  await pods.stop();
  await cluster.close();
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});

const run = (script: string) => cluster.bash(`cd ${folder}; PATH=${folder}:$PATH\n${script}`);

test('the first block installs everything that the constructs render', async () => {
  const told = await run(`export DB_CONNECTION_URI='${database.uri}'\n${install}`);
  expect(told).toContain('namespace hanzo made\nsecret hanzo/kms-secrets made, root key ');
  expect(told).toContain('deployment "kms" successfully rolled out');
  expect(told.match(/kmssecret\.secrets\.lux\.network\/\S+ serverside-applied/g)).toHaveLength(10);
});

test('the applied server starts from kms-secrets alone, and answers its probes', async () => {
  kms = await pods.run('kms', '127.0.77.1', 'kms-server');
});

test('the applied operator starts as its own ServiceAccount, and answers its probes', async () => {
  // As `hostApi` would have it, from whose place the KMS of this test is somewhere else.
  await cluster.kubectl('-n', 'hanzo', 'set', 'env', 'deployment/kms-operator', `KMS_HOSTS=${kms.url}`);
  operator = await pods.run('kms-operator', '127.0.77.2', 'kms-operator');
});

test('the second block makes the first admin, all that is declared, and the Secrets of ten services', async () => {
  const services = (await cluster.kubectl('-n', 'hanzo', 'get', 'kmssecrets', '-o', 'name')).trim().split('\n');
  const spec = JSON.stringify({ spec: { hostAPI: kms.url } });
  for (const service of services) await cluster.kubectl('-n', 'hanzo', 'patch', service, '--type=merge', '-p', spec);
  const told = await run(provision.replace('http://127.0.0.1:8080', kms.url));
  expect(told).toMatch(
    /created, 0 changed, 0 deleted, .* 10 of 10 credentials minted\.\n10 of 10 KMSSecrets in sync\.\n/,
  );
  expect(told).toMatch(/gateway-secrets +Opaque +3 /);
  expect(Object.keys((await cluster.data('hanzo', 'gateway-secrets')) ?? {}).toSorted()).toEqual([
    'DATABASE_PASSWORD',
    'MASTER_KEY',
    'SALT_KEY',
  ]);
  const { clientSecret } = (await cluster.data('hanzo', 'gateway-kms-auth'))!;
  expect(`${told}${operator.output()}${kms.output()}`).not.toContain(clientSecret);
});

test('no applied object is a Job or has an init container, so that no other command is to be run', async () => {
  expect(
    (await cluster.kubectl('get', 'jobs,cronjobs', '--all-namespaces', '-o', 'json')).match(/"kind": "\w*Job"/g),
  ).toBeNull();
  for (const deployment of ['kms', 'kms-operator'])
    expect(await cluster.kubectl('-n', 'hanzo', 'get', 'deployment', deployment, '-o', 'json')).not.toContain(
      'initContainers',
    );
});
