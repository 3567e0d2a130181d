import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { WhyReport } from '../../contracts/why.ts';
import { CronJobs, Deployments, type KubernetesObject, Pods } from '../../operator/kubernetes/resources.ts';
import { kubeconfigOf } from '../../tools/cluster/control-plane.ts';
import { runProgram } from '../bootstrap/support/run-program.ts';
import { TestCluster } from './support/cluster.ts';

/** `kms why`, run as people run it, against a real control plane and a real KMS. */

let cluster: TestCluster;
let projectId: string;
let admin: Record<string, string>;
/** Values that must not be seen in anything that it says. */
const values = {
  url: 'w7-url-of-nobody',
  log: 'w7-level-verbose',
  password: 'w7-password-aaaa',
  root: 'w7-root-bbbb',
  base: 'w7-base-cccc',
  other: 'w7-other-dddd',
};
const namespace = 'hanzo';
const WAIT = { timeout: 20_000, interval: 100 };

beforeAll(async () => {
  cluster = await TestCluster.start({ nodes: 3 });
  await cluster.namespace(namespace);
  await cluster.operator();
  admin = { KMS_URL: cluster.url, KMS_TOKEN: cluster.kms.admin, KUBECONFIG: cluster.plane.kubeconfig };
  await gateway();
});
afterAll(() => cluster.close());

/** A service whose secrets refer two levels deep, and import two levels deep. */
async function gateway(): Promise<void> {
  const { kms } = cluster;
  // biome-ignore-start lint/suspicious/noTemplateCurlyInString: references
  const secrets = { DATABASE_URL: `${values.url}\${prod.db.PASSWORD}`, LOG_LEVEL: values.log };
  ({ projectId } = await cluster.service('gateway', namespace, secrets));
  for (const name of ['db', 'shared', 'base', 'vault'])
    await kms.do('POST', '/api/v1/folders', { body: { projectId, environment: 'prod', path: '/', name } });
  await kms.setSecrets(projectId, 'prod', { ROOT: values.root }, '/vault');
  await kms.setSecrets(projectId, 'prod', { PASSWORD: `${values.password}\${prod.vault.ROOT}` }, '/db');
  // biome-ignore-end lint/suspicious/noTemplateCurlyInString: references
  await kms.setSecrets(projectId, 'prod', { REGION: values.base }, '/base');
  for (const [path, from] of [
    ['/shared', '/base'],
    ['/', '/shared'],
  ])
    await kms.do('POST', '/api/v2/secret-imports', {
      body: { projectId, environment: 'prod', path, import: { environment: 'prod', path: from } },
    });
  await cluster.kmsSecret('gateway', namespace, {
    managedSecretReference: {
      secretName: 'gateway-secrets',
      secretNamespace: namespace,
      template: { data: { DSN: '{{ .LOG_LEVEL.Value }}/{{ .REGION.Value }}' } },
    },
  });
  const keys = async () => Object.keys((await cluster.data(namespace, 'gateway-secrets')) ?? {});
  await vi.waitUntil(async () => (await keys()).length === 4, WAIT);
  await users();
  await kms.do('PATCH', '/api/v3/secrets/raw/LOG_LEVEL', {
    body: { workspaceId: projectId, environment: 'prod', secretPath: '/', secretValue: values.other },
  });
  await vi.waitUntil(async () => (await cluster.data(namespace, 'gateway-secrets'))?.LOG_LEVEL === values.other, WAIT);
}

async function users(): Promise<void> {
  const container = { name: 'app', image: 'app:1' };
  const pod = (spec: object) => ({ metadata: { labels: { app: 'gateway' } }, spec });
  await cluster.api.create(Deployments, namespace, {
    metadata: { name: 'gateway', namespace },
    spec: {
      replicas: 2,
      selector: { matchLabels: { app: 'gateway' } },
      template: pod({ containers: [{ ...container, envFrom: [{ secretRef: { name: 'gateway-secrets' } }] }] }),
    },
  } as KubernetesObject);
  await cluster.api.create(CronJobs, namespace, {
    metadata: { name: 'report', namespace },
    spec: {
      schedule: '0 0 1 1 *',
      jobTemplate: {
        spec: {
          template: pod({
            containers: [container],
            restartPolicy: 'Never',
            volumes: [{ name: 's', secret: { secretName: 'gateway-secrets' } }],
          }),
        },
      },
    },
  } as KubernetesObject);
  // Kubernetes tells starts by the second: what changes within the same one is not told apart.
  const startedBefore = async () => {
    const { items } = await cluster.api.list(Pods, { namespace });
    const starts = items.map(({ status }) =>
      Date.parse(status?.containerStatuses?.[0]?.state?.running?.startedAt ?? ''),
    );
    return starts.length === 2 && starts.every((start) => start + 1000 < Date.now());
  };
  await vi.waitUntil(startedBefore, WAIT);
}

/** What it says, which never holds a value, nor a credential. */
async function why(args: string, env: Record<string, string> = admin) {
  const said = await runProgram('bootstrap/kms.ts', ['why', ...args.split(' ')], { cwd: '/', env });
  const credentials = Object.values(await cluster.data(namespace, 'gateway-kms-auth').then((data) => data ?? {}));
  for (const value of [...Object.values(values), credentials[1]!, admin.KMS_TOKEN!]) {
    for (const text of [said.stdout, said.stderr])
      expect(text.includes(value) || text.includes(Buffer.from(value).toString('base64'))).toBe(false);
  }
  return said;
}
const report = async (args: string, env?: Record<string, string>) =>
  WhyReport.parse(JSON.parse((await why(`${args} --json --debug`, env)).stdout));

/** A kubeconfig of somebody with these rights in the namespace. */
async function kubeconfig(name: string, ...rights: string[][]): Promise<string> {
  await cluster.kubectl('-n', namespace, 'create', 'serviceaccount', name);
  for (const [index, [verbs, resources]] of rights.entries()) {
    const role = `${name}-${index}`;
    await cluster.kubectl('-n', namespace, 'create', 'role', role, `--verb=${verbs}`, `--resource=${resources}`);
    await cluster.kubectl(
      '-n',
      namespace,
      'create',
      'rolebinding',
      role,
      `--role=${role}`,
      `--serviceaccount=${namespace}:${name}`,
    );
  }
  const token = (await cluster.kubectl('-n', namespace, 'create', 'token', name)).trim();
  const file = join(cluster.plane.folder, `${name}.kubeconfig`);
  await writeFile(file, kubeconfigOf(cluster.plane.url, cluster.plane.ca, token), { mode: 0o600 });
  return file;
}

test('an admin is told everything, two levels of imports and references deep', async () => {
  const told = await report('hanzo/gateway-secrets');
  const place = (path: string) => ({ project: 'gateway', projectId, environment: 'prod', path });
  expect(told).toMatchObject({
    schema: 'kms-why/v1',
    secret: { namespace, name: 'gateway-secrets', exists: true },
    kmsSecret: { name: 'gateway-kms-sync', synced: 'True', reason: 'Synced', version: 2, others: [] },
    source: { kms: cluster.url, project: 'gateway', projectId, environment: 'prod', path: '/', onlyKey: null },
    identity: {
      name: 'gateway-service',
      credentials: 'hanzo/gateway-kms-auth',
      allowed: true,
      roles: [{ role: 'viewer', through: 'membership' }],
      rules: [{ effect: 'allows', role: 'viewer', rule: expect.stringContaining('read on secrets') }],
    },
    lastChange: { key: 'LOG_LEVEL', event: 'update-secret', version: 2, who: expect.any(String), place: place('/') },
    workloads: [
      { kind: 'CronJob', name: 'report', by: ['volume'], pods: null, oldPods: null },
      { kind: 'Deployment', name: 'gateway', by: ['environment'], pods: 2, oldPods: 2 },
    ],
    missing: [],
  });
  const region = { key: 'REGION', place: place('/base'), version: 1, imports: [place('/shared'), place('/base')] };
  expect(told.keys).toMatchObject([
    {
      name: 'DATABASE_URL',
      by: 'secret',
      isPresent: true,
      from: [
        {
          version: 1,
          imports: [],
          references: [
            {
              ...{ key: 'PASSWORD', place: place('/db'), version: 1 },
              references: [{ key: 'ROOT', place: place('/vault'), version: 1, references: [] }],
            },
          ],
        },
      ],
    },
    { name: 'DSN', by: 'template', from: [{ key: 'LOG_LEVEL' }, region] },
    { name: 'LOG_LEVEL', by: 'secret', from: [{ version: 2, lastChange: { event: 'update-secret', version: 2 } }] },
    { name: 'REGION', by: 'secret', from: [{ ...region, lastChange: { event: 'create-secret' } }] },
  ]);
});

test('people read it as the guide shows it', async () => {
  const { code, stdout, stderr } = await why('hanzo/gateway-secrets');
  expect([code, stderr]).toEqual([0, '']);
  for (const line of [
    /^hanzo\/gateway-secrets is in sync: 4 keys, version 2 since \d{4}-/m,
    /^KMSSecret {4}hanzo\/gateway-kms-sync$/m,
    /^Folder {7}project gateway, environment prod, path \/, of http:/m,
    /^Identity {5}gateway-service, by the credentials in hanzo\/gateway-kms-auth, which may read it$/m,
    /^Last change {2}\S+ \S+ {2}update-secret LOG_LEVEL version 2 by /m,
    /deployment\/gateway {2}environment {2}2 of 2 pods run what was there before$/m,
    /^ {2}refers to prod:\/db PASSWORD {2,}1 {2,}\d{4}-/m,
    /^ {4}refers to prod:\/vault ROOT {2,}1 {2,}\d{4}-/m,
    /^ {2}imported from prod:\/shared, which imports prod:\/base$/m,
  ])
    expect(stdout).toMatch(line);
});

test('one key is told alone', async () => {
  const { keys, lastChange } = await report('hanzo/gateway-secrets --key REGION');
  expect(keys?.map(({ name }) => name)).toEqual(['REGION']);
  expect(lastChange).toMatchObject({ key: 'REGION', place: { path: '/base' } });
  const { code, stderr } = await why('hanzo/gateway-secrets --key REGON');
  expect(code).toBe(1);
  expect(stderr).toContain('hanzo/gateway-secrets has no key REGON');
  expect(stderr).toContain('DATABASE_URL, DSN, LOG_LEVEL, REGION');
});

test('who may not see the audit, nor others, is told the rest and what is missing', async () => {
  const { token } = await cluster.kms.machine('reader', { projectId, roles: [{ role: 'viewer' }] });
  const told = await report('hanzo/gateway-secrets', { ...admin, KMS_TOKEN: token });
  expect(told.identity).toMatchObject({ id: expect.any(String), name: null, allowed: null, rules: null });
  expect(told.lastChange).toBe(null);
  expect(told.keys).toHaveLength(4);
  expect(told.keys![2]!.from[0]).toMatchObject({ version: 2, changedBy: expect.any(String), lastChange: null });
  const parts = told.missing.map(({ part }) => part);
  expect(parts).toContain("the identity's role and rule");
  expect(parts).toContain('the audit of gateway prod:/');
  for (const { why: reason } of told.missing) expect(reason).toContain('not permitted for you');
});

test('a stranger of KMS is told what the cluster knows', async () => {
  const { token } = await cluster.kms.machine('stranger');
  const told = await report('hanzo/gateway-secrets', { ...admin, KMS_TOKEN: token });
  expect(told).toMatchObject({ keys: null, source: { projectId: null }, kmsSecret: { synced: 'True' } });
  expect(told.missing).toMatchObject([
    { part: 'keys and versions', why: expect.stringContaining('not permitted for you') },
  ]);
});

test.each([
  ['without credentials', { KMS_TOKEN: '' }, 'no credentials'],
  ['with a token that is not taken', { KMS_TOKEN: 'nothing' }, 'token'],
  ['with KMS away', { KMS_URL: 'http://127.0.0.1:9' }, 'cannot be reached'],
])('%s the cluster alone is told, and the exit code says so', async (_what, env, message) => {
  const { code, stdout } = await why('hanzo/gateway-secrets --json', { ...admin, ...env });
  expect(code).toBe(1);
  const told = WhyReport.parse(JSON.parse(stdout));
  expect(told).toMatchObject({ keys: null, source: { kms: null }, workloads: [{ name: 'report' }, { oldPods: 2 }] });
  expect(told.missing).toMatchObject([{ part: 'all that KMS knows', why: expect.stringContaining(message) }]);
});

test('the right to list KMSSecrets of the namespace is enough; what more rights would tell is named', async () => {
  const file = await kubeconfig('reader', ['list', 'kmssecrets.secrets.lux.network']);
  const told = await report('hanzo/gateway-secrets', { ...admin, KUBECONFIG: file });
  expect(told).toMatchObject({ secret: { exists: null }, workloads: null, kmsSecret: { synced: 'True' } });
  expect(told.keys?.map(({ isPresent }) => isPresent)).toEqual([null, null, null, null]);
  expect(told.missing.map(({ part }) => part)).toEqual(
    expect.arrayContaining([
      'KMSSecrets of other namespaces',
      'the Secret hanzo/gateway-secrets itself',
      'deployments',
    ]),
  );
  const nobody = await kubeconfig('nobody');
  const { code, stderr } = await why('hanzo/gateway-secrets', { ...admin, KUBECONFIG: nobody });
  expect([code, stderr]).toEqual([1, expect.stringContaining('you may not list KMSSecrets')]);
});

test.each([
  ['no such Secret', 'hanzo/gateway-secret', 1, 'there is no Secret hanzo/gateway-secret', 'gateway-secrets'],
  ['a Secret of somebody else', 'hanzo/gateway-kms-auth', 2, 'no KMSSecret keeps the Secret', 'platform-engineer'],
  ['a word', 'gateway-secrets', 1, 'is not the name of a Secret', 'hanzo/gateway-secrets'],
  ['no such context', 'hanzo/gateway-secrets --context prod', 1, 'no context "prod"', 'hanzo-kms'],
  ['no kubeconfig', 'hanzo/gateway-secrets --kubeconfig /nowhere', 1, 'there is no such file', ''],
])('%s is an error that says what to do', async (_what, args, exit, error, hint) => {
  const { code, stdout, stderr } = await why(args);
  expect([code, stdout]).toEqual([exit, '']);
  expect(stderr).toContain(error);
  expect(stderr).toContain(hint);
});

test('a Secret that a suspended KMSSecret has not made is told as it is', async () => {
  await cluster.namespace('elsewhere');
  await cluster.kmsSecret('late', 'elsewhere', { suspend: true });
  await expect.poll(async () => (await cluster.synced('late', 'elsewhere'))?.reason).toBe('Suspended');
  const { stdout } = await why('elsewhere/late-secrets');
  expect(stdout).toMatch(/is not there yet, and is suspended since .* \(Suspended\)/);
});

test('a key that somebody else set is told from those of KMS', async () => {
  await cluster.kubectl(
    '-n',
    namespace,
    'patch',
    'secret',
    'gateway-secrets',
    '-p',
    '{"stringData":{"MINE":"w7-own"}}',
  );
  const { keys } = await report('hanzo/gateway-secrets');
  expect(keys?.find(({ name }) => name === 'MINE')).toMatchObject({ by: 'other', setBy: 'kubectl-patch', from: [] });
});
