import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { KubeConfig } from '@kubernetes/client-node';
import { kmsSecretCrd } from '../contracts/index.ts';
import { parseAuthSecret, parseRootKey } from '../keys/index.ts';
import { type KmsSecret, KmsSecrets } from '../operator/kms-secret.ts';
import { KubernetesApi } from '../operator/kubernetes/api.ts';
import { clusterOf } from '../operator/kubernetes/kubeconfig.ts';
import { type KubernetesObject, Namespaces, type Resource, Secrets } from '../operator/kubernetes/resources.ts';
import { createApp } from '../server/app.ts';
import { startEmbeddedPostgres } from '../server/database/embedded/index.ts';
import { migrate } from '../server/database/migrate.ts';
import { type ControlPlane, startControlPlane } from '../tools/cluster/control-plane.ts';
import { buildPrograms } from '../tools/cluster/programs.ts';
import { numberOption } from './options.ts';
import { install, startOurs, type Target } from './processes.ts';

/**
 * What the operator is worth, on a real control plane and a real server, all of it on one machine.
 * `npm run bench:operator [-- --count 1000 --namespaces 50 --changes 200]` prints a table and writes bench/operator-result.json; it exits with 1 when
 * a line is not met.
 */
const count = numberOption('count', 1000);
const namespaces = numberOption('namespaces', 50);
const changes = numberOption('changes', 200);
const INTERVAL_SECONDS = 60;
const FAST_SECONDS = 15;
const KEYS = 20;
/** Of /proc, a second. */
const CLOCK_TICKS = 100;

const say = (text: string) => process.stderr.write(`bench: ${text}\n`);

interface Line {
  readonly what: string;
  readonly found: string;
  readonly wanted: string;
  readonly met: boolean;
}

/** A service of the bench: where its Secret is, and what a change of it takes. */
interface Service {
  readonly namespace: string;
  readonly name: string;
  readonly projectId: string;
  readonly slug: string;
  readonly spec: object;
}

const folder = await mkdtemp(join(tmpdir(), 'kms-bench-operator-'));
await chmod(folder, 0o711);
const postgres = await startEmbeddedPostgres({ dataDir: folder });
let plane: ControlPlane | undefined;
let server: Target | undefined;
let operator: ChildProcess | undefined;
try {
  plane = await startControlPlane(await buildPrograms(say));
  const lines = await measure(plane);
  console.table(lines);
  await writeFile(
    new URL('operator-result.json', import.meta.url),
    `${JSON.stringify({ count, namespaces, lines }, null, 2)}\n`,
  );
  if (!lines.every(({ met }) => met)) process.exitCode = 1;
} finally {
  await end(operator);
  await server?.stop();
  await plane?.stop();
  await postgres.stop();
  await rm(folder, { recursive: true, force: true });
}

async function measure(controlPlane: ControlPlane): Promise<Line[]> {
  const config = new KubeConfig();
  config.loadFromFile(controlPlane.kubeconfig);
  const api = new KubernetesApi(clusterOf(config));
  const keys = { rootKey: randomBytes(32).toString('base64'), authSecret: randomBytes(32).toString('base64') };
  say(`making ${count} projects of ${KEYS} keys, each with an identity`);
  const { adminToken, made } = await fillKms(keys);
  const installed = join(folder, 'installed');
  install(installed);
  server = await startOurs(installed, postgres.uri, keys);
  const url = server.address;
  say(`making ${count} KMSSecrets in ${namespaces} namespaces`);
  const services = await fillCluster(api, url, made);

  const lines: Line[] = [];
  const start = performance.now();
  let metricsUrl = await startOperator(installed, controlPlane);
  await until(async () => (await ready(api)) === count, 300_000);
  const coldSeconds = (performance.now() - start) / 1000;
  lines.push(atMost(`cold start until all ${count} are Ready`, coldSeconds, 60, 's'));

  // What the streams missed between a look and their opening is looked at once more.
  await sleep(5000);
  say(`${changes} changes, one after another`);
  const delays = await changeOneByOne(api, url, adminToken, services);
  delays.sort((a, b) => a - b);
  const at = (share: number) => delays[Math.min(Math.floor(delays.length * share), delays.length - 1)]!;
  lines.push(
    atMost('a change is in its Secret, p50', at(0.5) / 1000, 1, 's'),
    atMost('a change is in its Secret, p99', at(0.99) / 1000, 1, 's'),
  );

  say(`nothing happens for ${INTERVAL_SECONDS + 10} seconds`);
  const seconds = INTERVAL_SECONDS + 10;
  const before = { kms: cpuSeconds(server.pid), writes: await writes(metricsUrl) };
  await sleep(seconds * 1000);
  const share = (100 * (cpuSeconds(server.pid) - before.kms)) / seconds;
  lines.push(
    atMost('of one core that a steady state costs KMS', share, 5, '%'),
    atMost('writes to the API server meanwhile', (await writes(metricsUrl)) - before.writes, 0, ''),
    atMost('resident memory of the operator', memoryOf(operator!.pid!), 200, 'MB'),
  );

  say('another start with everything in sync');
  const versions = await versionsOf(api);
  await end(operator);
  metricsUrl = await startOperator(installed, controlPlane);
  await sleep(seconds * 1000);
  const changed = [...(await versionsOf(api))].filter(([key, version]) => versions.get(key) !== version).length;
  lines.push(
    atMost('Secrets that a restart writes', changed, 0, ''),
    atMost('other writes that it makes', await writes(metricsUrl), 0, ''),
  );

  const { each, total } = { each: FAST_SECONDS, total: count * 2 };
  say(`${total} KMSSecrets that look each ${each} seconds`);
  await lookFaster(api, services);
  await until(async () => (await ready(api)) === total, 120_000);
  // Those that were there before have begun their new interval, too.
  await sleep(each * 1000);
  const [earlier, kms] = [await turns(metricsUrl), cpuSeconds(server.pid)];
  await sleep(60_000);
  const later = await turns(metricsUrl);
  const failed = [...later].filter(([reason]) => reason !== 'Synced').reduce((sum, [, turned]) => sum + turned, 0);
  const looks = (later.get('Synced') ?? 0) - (earlier.get('Synced') ?? 0);
  lines.push(
    atLeast(`looks a minute of each of ${total} KMSSecrets at ${each} s`, looks / total, 60 / each),
    atMost('turns of them that were refused, such as for being too many', failed, 0, ''),
    shown('of one core that they cost KMS', (100 * (cpuSeconds(server.pid) - kms)) / 60, '%'),
    shown('resident memory of the operator then', memoryOf(operator!.pid!), 'MB'),
  );
  api.close();
  return lines;
}

/** A second KMSSecret beside each, and all of them at a short interval. */
async function lookFaster(api: KubernetesApi, services: readonly Service[]): Promise<void> {
  await inParallel(services.length, 16, async (n) => {
    const { namespace, slug, spec } = services[n]!;
    const fast = { ...spec, resyncInterval: FAST_SECONDS };
    const again = { ...fast, managedSecretReference: { secretName: `${slug}-again`, secretNamespace: namespace } };
    await api.patch(KmsSecrets, { namespace, name: slug }, { spec: { resyncInterval: FAST_SECONDS } }, 'bench');
    await api.create(KmsSecrets, namespace, {
      metadata: { name: `${slug}-again`, namespace },
      spec: again,
    } as unknown as KmsSecret);
  });
}

function atMost(what: string, found: number, limit: number, unit: string): Line {
  const shown = Number.isInteger(found) ? String(found) : found.toFixed(2);
  return { what, found: `${shown} ${unit}`.trim(), wanted: `at most ${limit} ${unit}`.trim(), met: found <= limit };
}

function atLeast(what: string, found: number, limit: number): Line {
  return { what, found: found.toFixed(2), wanted: `at least ${limit}`, met: found >= limit };
}

function shown(what: string, found: number, unit: string): Line {
  return { what, found: `${Number.isInteger(found) ? found : found.toFixed(2)} ${unit}`, wanted: '-', met: true };
}

type Made = readonly {
  readonly slug: string;
  readonly projectId: string;
  readonly clientId: string;
  readonly clientSecret: string;
}[];

async function fillKms(keys: { rootKey: string; authSecret: string }): Promise<{ adminToken: string; made: Made }> {
  await migrate(postgres.uri);
  const app = await createApp({
    databaseUri: postgres.uri,
    rootKey: parseRootKey(keys.rootKey),
    authSecret: parseAuthSecret(keys.authSecret),
    allowUnprovenBootstrap: true,
  });
  try {
    // biome-ignore lint/suspicious/noExplicitAny: each route answers with something else, and a wrong guess fails at once
    const send = async (token: string | undefined, url: string, payload: object): Promise<any> => {
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
      const answer = await app.inject({ method: 'POST', url, headers, payload });
      if (answer.statusCode !== 200) throw new Error(`${url}: ${answer.body}`);
      return answer.json();
    };
    const first = { email: 'a@example.com', password: 'seldom-tried-granite-otter', organization: 'bench' };
    const { organization, identity } = await send(undefined, '/api/v1/admin/bootstrap', first);
    const adminToken: string = identity.credentials.token;
    const secrets = Array.from({ length: KEYS }, (_, n) => ({
      secretKey: `KEY_${n}`,
      secretValue: randomBytes(24).toString('hex'),
    }));
    const made = await inParallel(count, 16, async (n) => {
      const slug = `service-${n}`;
      const post = (url: string, payload: object) => send(adminToken, url, payload);
      const projectId: string = (
        await post('/api/v1/projects', { projectName: slug, slug, organizationId: organization.id })
      ).project.id;
      await post('/api/v4/secrets/batch', { projectId, environment: 'prod', secrets });
      const { id } = (await post('/api/v1/identities', { name: slug, organizationId: organization.id })).identity;
      const base = `/api/v1/auth/universal-auth/identities/${id}`;
      const { clientId } = (await post(base, {})).identityUniversalAuth;
      const { clientSecret } = await post(`${base}/client-secrets`, {});
      await post(`/api/v2/workspace/${projectId}/identity-memberships/${id}`, { role: 'viewer' });
      return { slug, projectId, clientId, clientSecret };
    });
    return { adminToken, made };
  } finally {
    await app.close();
  }
}

async function fillCluster(api: KubernetesApi, hostAPI: string, made: Made): Promise<Service[]> {
  const crds: Resource = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    plural: 'customresourcedefinitions',
    namespaced: false,
  };
  await api.create(crds, undefined, kmsSecretCrd() as KubernetesObject);
  await until(
    () =>
      api.list(KmsSecrets).then(
        () => true,
        () => false,
      ),
    30_000,
  );
  for (let n = 0; n < namespaces; n++) await api.create(Namespaces, undefined, { metadata: { name: `team-${n}` } });
  const encode = (text: string) => Buffer.from(text).toString('base64');
  return inParallel(made.length, 16, async (n) => {
    const { slug, projectId, clientId, clientSecret } = made[n]!;
    const namespace = `team-${n % namespaces}`;
    await api.create(Secrets, namespace, {
      metadata: { name: `${slug}-kms-auth`, namespace },
      data: { clientId: encode(clientId), clientSecret: encode(clientSecret) },
    });
    const spec = {
      hostAPI,
      resyncInterval: INTERVAL_SECONDS,
      authentication: {
        universalAuth: {
          credentialsRef: { secretName: `${slug}-kms-auth`, secretNamespace: namespace },
          secretsScope: { projectSlug: slug, envSlug: 'production', secretsPath: '/' },
        },
      },
      managedSecretReference: { secretName: `${slug}-secrets`, secretNamespace: namespace },
    };
    await api.create(KmsSecrets, namespace, { metadata: { name: slug, namespace }, spec } as unknown as KmsSecret);
    return { namespace, name: `${slug}-secrets`, projectId, slug, spec };
  });
}

/** How long each change took from the request's answer until a watch saw it in the Secret, in milliseconds. */
async function changeOneByOne(
  api: KubernetesApi,
  url: string,
  token: string,
  services: readonly Service[],
): Promise<number[]> {
  const seen = new Map<string, () => void>();
  const stop = new AbortController();
  const { metadata } = await api.list(Secrets);
  const watching = (async () => {
    for await (const { object } of api.watch(Secrets, {
      resourceVersion: metadata.resourceVersion,
      signal: stop.signal,
    })) {
      const value = Buffer.from(object.data?.KEY_0 ?? '', 'base64').toString();
      seen.get(`${object.metadata.namespace}/${object.metadata.name} ${value}`)?.();
    }
  })().catch(() => {});
  const delays: number[] = [];
  for (let n = 0; n < changes; n++) {
    const { namespace, name, projectId } = services[(n * 7919) % services.length]!;
    const secretValue = randomBytes(12).toString('hex');
    const arrived = new Promise<void>((resolve) => seen.set(`${namespace}/${name} ${secretValue}`, resolve));
    const response = await fetch(`${url}/api/v3/secrets/raw/KEY_0`, {
      method: 'PATCH',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ workspaceId: projectId, environment: 'prod', secretPath: '/', secretValue }),
    });
    if (!response.ok) throw new Error(`a change was refused: ${await response.text()}`);
    const answered = performance.now();
    await Promise.race([arrived, sleep(70_000)]);
    delays.push(performance.now() - answered);
  }
  stop.abort();
  await watching;
  return delays;
}

/** @returns address of its metrics */
async function startOperator(installed: string, { url, ca, token }: ControlPlane): Promise<string> {
  // As a pod has it: a kubeconfig would load a library that a pod does without.
  const account = join(folder, 'service-account');
  await mkdir(account, { recursive: true, mode: 0o700 });
  await Promise.all([writeFile(join(account, 'token'), token), writeFile(join(account, 'ca.crt'), ca)]);
  const { hostname, port: apiPort } = new URL(url);
  const env = {
    PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
    KUBERNETES_SERVICE_HOST: hostname,
    KUBERNETES_SERVICE_PORT: apiPort,
    SERVICE_ACCOUNT_FOLDER: account,
    HOME: folder,
    POD_NAMESPACE: 'default',
    POD_NAME: `operator-${Date.now()}`,
    HOST: '127.0.0.1',
    PORT: '0',
  };
  const child = spawn(join(installed, 'bin/kms-operator.js'), { env, stdio: ['ignore', 'pipe', 'inherit'] });
  operator = child;
  let output = '';
  const port = await new Promise<number>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`kms-operator ended with exit code ${code}`)));
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      const started = /"port":(\d+),.*"msg":"started"/.exec(output);
      if (started) resolve(Number(started[1]));
    });
  });
  return `http://127.0.0.1:${port}/metrics`;
}

async function end(child: ChildProcess | undefined): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  await gone;
}

async function ready(api: KubernetesApi): Promise<number> {
  const { items } = await api.list(KmsSecrets);
  return items.filter(({ status }) =>
    status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True'),
  ).length;
}

async function versionsOf(api: KubernetesApi): Promise<Map<string, string | undefined>> {
  const { items } = await api.list(Secrets);
  return new Map(items.map(({ metadata }) => [`${metadata.namespace}/${metadata.name}`, metadata.resourceVersion]));
}

/** Requests of the operator that changed something; its Lease is not among them. */
async function writes(metricsUrl: string): Promise<number> {
  const text = await (await fetch(metricsUrl)).text();
  const lines = [...text.matchAll(/^kms_operator_kubernetes_requests\{verb="(\w+)",resource="(\w+)"\} (\d+)$/gm)];
  return lines
    .filter(([, verb, resource]) => resource !== 'leases' && !['get', 'list', 'watch'].includes(verb!))
    .reduce((sum, [, , , requests]) => sum + Number(requests), 0);
}

/** Turns of the operator since its start, by what came of them. */
async function turns(metricsUrl: string): Promise<Map<string, number>> {
  const text = await (await fetch(metricsUrl)).text();
  const found = text.matchAll(/^kms_operator_syncs_total\{reason="(\w+)"\} (\d+)$/gm);
  return new Map([...found].map(([, reason, number]) => [reason!, Number(number)]));
}

function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS;
}

function memoryOf(pid: number): number {
  return Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024);
}

async function until(holds: () => Promise<boolean>, patienceMs: number): Promise<void> {
  const deadline = Date.now() + patienceMs;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not so after ${patienceMs / 1000} s`);
    await sleep(250);
  }
}

async function inParallel<Result>(
  total: number,
  width: number,
  work: (n: number) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  let next = 0;
  await Promise.all(
    Array.from({ length: width }, async () => {
      while (next < total) {
        const n = next++;
        results[n] = await work(n);
      }
    }),
  );
  return results;
}
