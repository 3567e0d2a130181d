import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { App, Chart, Yaml } from 'cdk8s';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Kms, KmsOperator } from '../../constructs/index.ts';
import { kubeconfigOf } from '../../tools/cluster/control-plane.ts';
import { TestCluster } from './support/cluster.ts';

/**
 * What the applied Deployments would run, run as processes: command, environment and probes are read from the API server. Each has a
 * loopback address of its own in place of a pod's, so that it listens on the very port that its object names. The image, its user
 * and the mounted ServiceAccount cannot be had without a container; a kubeconfig with that account's token stands for the latter.
 */

let cluster: TestCluster;
let folder: string;
const root = fileURLToPath(new URL('../..', import.meta.url));
const children: ChildProcess[] = [];

beforeAll(async () => {
  cluster = await TestCluster.start({ nodes: 2 });
  await cluster.namespace('hanzo');
  folder = await mkdtemp(join(tmpdir(), 'kms-as-applied-'));
  await chmod(folder, 0o700);
  const { rootKey, authSecret } = cluster.kms.secrets;
  const data = { ROOT_ENCRYPTION_KEY: rootKey, AUTH_SECRET: authSecret, DB_CONNECTION_URI: cluster.kms.database.uri };
  const literals = Object.entries(data).map(([name, value]) => `--from-literal=${name}=${value}`);
  await cluster.kubectl('-n', 'hanzo', 'create', 'secret', 'generic', 'kms-secrets', ...literals);
  const chart = new Chart(new App(), 'all');
  new Kms(chart, 'kms', { environment: { LOG_LEVEL: 'warn' } });
  new KmsOperator(chart, 'operator');
  await cluster.apply(Yaml.stringify(...chart.toJson()), '--validate=strict');
});
afterAll(async () => {
  for (const child of children) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
  await cluster.close();
  await rm(folder, { recursive: true, force: true });
});

interface Container {
  readonly command?: readonly string[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly env?: readonly { name: string; value?: string; valueFrom?: { fieldRef: { fieldPath: string } } }[];
  readonly envFrom?: readonly { readonly secretRef: { readonly name: string } }[];
  readonly readinessProbe: Probe;
  readonly livenessProbe: Probe;
}
interface Probe {
  readonly httpGet: { readonly path: string; readonly port: number | string };
}

async function containerOf(deployment: string): Promise<Container> {
  const { spec } = JSON.parse(await cluster.kubectl('-n', 'hanzo', 'get', 'deployment', deployment, '-o', 'json'));
  expect(spec.template.spec.containers).toHaveLength(1);
  return spec.template.spec.containers[0];
}

/** As a kubelet fills it in. */
async function environmentOf({ env = [], envFrom = [] }: Container, pod: Record<string, string>) {
  const from = await Promise.all(envFrom.map(({ secretRef }) => cluster.data('hanzo', secretRef.name)));
  const own = env.map(({ name, value, valueFrom }) => [name, value ?? pod[valueFrom!.fieldRef.fieldPath]]);
  return { ...Object.assign({}, ...from), ...Object.fromEntries(own) } as Record<string, string>;
}

/** @param entrypoint what the image runs where the object has no command */
async function run(deployment: string, host: string, entrypoint: string, more: Record<string, string> = {}) {
  const container = await containerOf(deployment);
  const [program] = container.command ?? [entrypoint];
  const pod = { 'metadata.namespace': 'hanzo', 'metadata.name': `${deployment}-0` };
  const env = { PATH: process.env.PATH, HOME: folder, ...(await environmentOf(container, pod)), HOST: host, ...more };
  const child = spawn(process.execPath, [join(root, `bin/${program}.js`)], {
    cwd: folder,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  const portOf = (port: number | string) =>
    typeof port === 'number' ? port : container.ports.find(({ name }) => name === port)!.containerPort;
  const ask = async ({ httpGet: { path, port } }: Probe) => {
    if (child.exitCode !== null) throw new Error(`${program} ended: ${output}`);
    const response = await fetch(`http://${host}:${portOf(port)}${path}`).catch(() => undefined);
    return response?.status;
  };
  await expect.poll(() => ask(container.readinessProbe), { timeout: 30_000 }).toBe(200);
  expect(await ask(container.livenessProbe)).toBe(200);
  expect(container.ports.map(({ containerPort }) => containerPort)).toContain(
    portOf(container.readinessProbe.httpGet.port),
  );
  return { url: `http://${host}:${portOf('http')}`, output: () => output };
}

test('KMS starts from kms-secrets alone, answers its probes, and its operator keeps a Secret with the rights it is given', async () => {
  const kms = await run('kms', '127.0.77.1', 'kms-server');
  const token = (await cluster.kubectl('-n', 'hanzo', 'create', 'token', 'kms-operator')).trim();
  const kubeconfig = join(folder, 'kubeconfig');
  await writeFile(kubeconfig, kubeconfigOf(cluster.plane.url, cluster.plane.ca, token), { mode: 0o600 });
  const operator = await run('kms-operator', '127.0.77.2', 'kms-operator', { KUBECONFIG: kubeconfig });
  await cluster.service('gateway', 'hanzo', { A: '1' });
  await cluster.kmsSecret('gateway', 'hanzo', { hostAPI: kms.url });
  await expect.poll(() => cluster.data('hanzo', 'gateway-secrets')).toEqual({ A: '1' });
  expect(operator.output()).not.toMatch(/"level":[4-6]0/);
});

test('no object of the constructs is a Job or has an init container, so there is no other command to run', async () => {
  const told = await cluster.kubectl('get', 'jobs,cronjobs', '--all-namespaces', '-o', 'name');
  expect(told).not.toMatch(/job/);
  for (const deployment of ['kms', 'kms-operator'])
    expect(await cluster.kubectl('-n', 'hanzo', 'get', 'deployment', deployment, '-o', 'json')).not.toContain(
      'initContainers',
    );
});
