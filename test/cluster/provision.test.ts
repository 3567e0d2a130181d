import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ensureKmsSecrets } from '../../bootstrap/cluster/kms-secrets.ts';
import type { KmsBootstrapJobProps } from '../../constructs/index.ts';
import { ProvisionReport } from '../../contracts/provision.ts';
import { makeProof, parseAuthSecret, parseRootKey } from '../../keys/index.ts';
import { Secrets } from '../../operator/kubernetes/resources.ts';
import { Kms, Unauthorized } from '../../sdk/index.ts';
import { kubeconfigOf } from '../../tools/cluster/control-plane.ts';
import { freePort } from '../../tools/cluster/free-ports.ts';
import { startEmptyServer, type TestServer } from '../support/server.ts';
import { everything } from '../support/thorough.ts';
import { TestCluster } from './support/cluster.ts';
import { Gate } from './support/gate.ts';
import { AppliedJob, type Ended } from './support/jobs.ts';
import { renewing } from './support/renewable.ts';

/** The first run in a cluster: `kms-bootstrap init` into it, and the Job as it is applied, as its own ServiceAccount. */

const root = fileURLToPath(new URL('../..', import.meta.url));
const INVENTORY = `version: 1
organizations:
  - slug: hanzo
    admins: [z@hanzo.ai]
    projects:
      - { slug: gateway, folders: [/db], secrets: { MASTER_KEY: encryption-key, OPENAI_API_KEY: api-key } }
      - { slug: chat, secrets: { JWT_SECRET: jwt-signing-key } }
    identities:
      - { name: gateway-service, projects: [{ project: gateway, role: viewer, environments: [prod] }] }
      - { name: chat-service, projects: [{ project: chat, role: viewer, environments: [prod] }] }
  - { slug: lux, admins: [z@hanzo.ai] }
`;

let cluster: TestCluster;
const ends: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  cluster = await TestCluster.start();
  await cluster.operator();
});
afterAll(async () => {
  for (const end of ends.toReversed()) await end();
  await cluster.close();
});

/** `kms-bootstrap` as a person runs it on a laptop. */
async function bootstrap(args: string, env: Record<string, string> = {}, stdin = ''): Promise<Ended> {
  const child = execFile(process.execPath, [join(root, 'bin/kms-bootstrap.js'), ...args.split(' ')], {
    cwd: cluster.plane.folder,
    env: { PATH: process.env.PATH, HOME: cluster.plane.folder, KUBECONFIG: cluster.plane.kubeconfig, ...env },
  });
  child.stdin!.end(stdin);
  let [stdout, stderr] = ['', ''];
  child.stdout!.on('data', (text: string) => (stdout += text));
  child.stderr!.on('data', (text: string) => (stderr += text));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

const DATABASE = { DB_CONNECTION_URI: 'postgresql://kms:n33dle-of-the-database@db:5432/kms' };
const INIT = 'init --kube-context hanzo-kms --namespace';

interface Installation {
  readonly namespace: string;
  readonly server: TestServer;
  readonly gate: Gate;
  /** As an instance admin. */
  readonly kms: () => Promise<Kms>;
  readonly props: KmsBootstrapJobProps;
}

/** A namespace with kms-secrets, a fresh KMS of it, and KMSSecrets of two services. */
async function install(namespace: string): Promise<Installation> {
  const made = await bootstrap(`${INIT} ${namespace} --create-namespace`, DATABASE);
  expect(made.code, made.stderr).toBe(0);
  const server = await serverOf(namespace);
  const url = await server.app.listen({ host: '127.0.0.1', port: 0 });
  const gate = await Gate.before(url);
  ends.push(() => gate.close());
  for (const slug of ['gateway', 'chat']) await cluster.kmsSecret(slug, namespace, { hostAPI: url });
  return {
    namespace,
    server,
    gate,
    kms: () => adminAt(url, namespace),
    props: {
      namespace,
      url: gate.url,
      inventory: INVENTORY,
      services: [{ name: 'gateway' }, { name: 'chat' }],
    },
  };
}

async function serverOf(namespace: string): Promise<TestServer> {
  const { ROOT_ENCRYPTION_KEY, AUTH_SECRET } = (await cluster.data(namespace, 'kms-secrets'))!;
  const server = await startEmptyServer({
    rootKey: parseRootKey(ROOT_ENCRYPTION_KEY!),
    authSecret: parseAuthSecret(AUTH_SECRET!),
    events: { longestMs: 3_600_000 },
  });
  ends.push(async () => {
    server.app.server.closeAllConnections();
    await server.close();
  });
  return server;
}

async function adminAt(url: string, namespace: string): Promise<Kms> {
  const { AUTH_SECRET } = (await cluster.data(namespace, 'kms-secrets'))!;
  const { accessToken } = await new Kms({ url }).admin.recoverySession('z@hanzo.ai', (request) =>
    makeProof(parseAuthSecret(AUTH_SECRET!), request),
  );
  return new Kms({ url, credentials: { token: accessToken } });
}

/** Client secrets of an identity that still work. */
async function clientSecretsOf(kms: Kms, identity: string) {
  const organization = (await kms.organizations.list()).find(({ slug }) => slug === 'hanzo')!;
  const found = (await kms.identities.list(organization.id)).filter((one) => one.identity.name === identity);
  expect(found).toHaveLength(1);
  return { id: found[0]!.identityId, live: await kms.identities.clientSecrets(found[0]!.identityId) };
}

/** All that must be so in the end, however it came about. */
async function expectDone({ namespace, kms: asAdmin, gate }: Installation): Promise<void> {
  const kms = await asAdmin();
  expect((await kms.organizations.list()).map(({ slug }) => slug).toSorted()).toEqual(['hanzo', 'lux']);
  for (const service of ['gateway', 'chat']) {
    const { live } = await clientSecretsOf(kms, `${service}-service`);
    expect(live, 'one client secret, and no orphan').toHaveLength(1);
    const { clientId, clientSecret } = (await cluster.data(namespace, `${service}-kms-auth`))!;
    await new Kms({ url: gate.url, credentials: { clientId: clientId!, clientSecret: clientSecret! } }).logIn();
  }
  const first = await clientSecretsOf(kms, 'Instance Admin Identity');
  expect(first.live, 'the first credential is gone').toEqual([]);
}

/** Every secret that there is in a namespace, and all that a run must not show. */
async function needlesOf(namespace: string): Promise<string[]> {
  const { items } = await cluster.api.list(Secrets, { namespace });
  return items.flatMap(({ data = {} }) =>
    Object.entries(data)
      .filter(([key]) => !['clientId', 'username', 'ca.crt', 'namespace'].includes(key))
      .map(([, value]) => Buffer.from(value, 'base64').toString()),
  );
}

async function expectSilent(namespace: string, ...texts: string[]): Promise<void> {
  const needles = await needlesOf(namespace);
  expect(needles.length).toBeGreaterThan(2);
  for (const needle of needles) for (const text of texts) expect(text.includes(needle), 'a value is shown').toBe(false);
}

let main: Installation;
let job: AppliedJob;

test('init makes kms-secrets once, and says what is there from then on', async () => {
  main = await install('hanzo');
  const before = await cluster.data('hanzo', 'kms-secrets');
  expect(before).toMatchObject(DATABASE);
  const again = await bootstrap(`${INIT} hanzo --json`, DATABASE);
  const fingerprint = (await cluster.api.get(Secrets, { namespace: 'hanzo', name: 'kms-secrets' })).metadata
    .annotations!['kms.hanzo.ai/root-key-fingerprint'];
  expect([again.code, JSON.parse(again.stdout)]).toEqual([
    0,
    {
      dryRun: false,
      namespace: { name: 'hanzo', state: 'kept' },
      secrets: [{ namespace: 'hanzo', name: 'kms-secrets', state: 'kept' }],
      rootKey: fingerprint,
      differs: [],
    },
  ]);
  expect(await cluster.data('hanzo', 'kms-secrets')).toEqual(before);
  const other = await bootstrap(`${INIT} hanzo`, { DB_CONNECTION_URI: 'postgresql://kms@elsewhere/kms' });
  expect(other.stderr).toContain('DB_CONNECTION_URI in it is another than the one asked for');
  await expectSilent('hanzo', again.stdout, again.stderr, other.stdout, other.stderr);
});

test('of two inits at once one makes the root key, and the other keeps it', async () => {
  await cluster.namespace('racing');
  const command = `${INIT} racing --bundled-postgres --bundled-redis`;
  const ended = await Promise.all([bootstrap(command), bootstrap(command), bootstrap(command)]);
  expect(ended.map(({ code }) => code)).toEqual([0, 0, 0]);
  expect(ended.filter(({ stdout }) => stdout.includes('kms-secrets made'))).toHaveLength(1);
  const fingerprints = ended.map(({ stdout }) => /root key (\S+)/.exec(stdout)![1]);
  expect(new Set(fingerprints).size).toBe(1);
  const [secrets, postgres, redis] = await Promise.all(
    ['kms-secrets', 'kms-postgres-auth', 'kms-redis-auth'].map((name) => cluster.data('racing', name)),
  );
  expect(postgres!.username).toBe('kms');
  expect(secrets!.DB_CONNECTION_URI).toBe(`postgresql://kms:${postgres!.password}@kms-postgres.racing.svc:5432/kms`);
  expect(secrets!.REDIS_URL).toBe(`redis://:${redis!.password}@kms-redis.racing.svc:6379`);
  await expectSilent('racing', ...ended.flatMap(({ stdout, stderr }) => [stdout, stderr]));
  const back = { metadata: { namespace: 'racing', name: 'kms-postgres-auth' } };
  await cluster.api.delete(Secrets, back.metadata);
  expect((await bootstrap(command)).stdout).toContain('racing/kms-postgres-auth made');
  expect(await cluster.data('racing', 'kms-postgres-auth')).toEqual(postgres);
});

test.each([true, false])(
  'of eight who have seen none, one makes the root key, and nobody replaces it (immutable: %s)',
  async (immutable) => {
    const namespace = await cluster.namespace(`eight-${immutable}`);
    const made = await Promise.all(
      Array.from({ length: 8 }, () =>
        ensureKmsSecrets(cluster.api, {
          namespace,
          addresses: DATABASE,
          bundledPostgres: false,
          bundledRedis: false,
          immutable,
        }),
      ),
    );
    expect(made.filter(({ secrets }) => secrets[0]!.state === 'created')).toHaveLength(1);
    expect(new Set(made.map(({ rootKey }) => rootKey)).size).toBe(1);
    const { ROOT_ENCRYPTION_KEY } = (await cluster.data(namespace, 'kms-secrets'))!;
    expect(new Set(made.map(({ values }) => values.ROOT_ENCRYPTION_KEY))).toEqual(new Set([ROOT_ENCRYPTION_KEY]));
  },
);

test('an init that was broken off goes on with the passwords that it made', async () => {
  await cluster.namespace('halfway');
  await cluster.kubectl(
    '-n',
    'halfway',
    'create',
    'secret',
    'generic',
    'kms-postgres-auth',
    '--from-literal=username=kms',
    '--from-literal=password=made-before',
  );
  const tried = await bootstrap(`${INIT} halfway --bundled-postgres --dry-run`);
  expect(tried.stdout).toBe(
    'secret halfway/kms-postgres-auth is there already\nsecret halfway/kms-secrets would be made\n',
  );
  expect(await cluster.data('halfway', 'kms-secrets')).toBe(undefined);
  expect((await bootstrap(`${INIT} halfway --bundled-postgres`)).code).toBe(0);
  expect((await cluster.data('halfway', 'kms-secrets'))?.DB_CONNECTION_URI).toContain('kms:made-before@');
});

test.each([
  ['no such context', 'init --kube-context prod', DATABASE, 'no context "prod"', 'it has hanzo-kms'],
  ['no namespace', `${INIT} nowhere`, DATABASE, 'there is no namespace nowhere', '--create-namespace'],
  ['no database', `${INIT} racing2`, {}, 'DB_CONNECTION_URI is not set', '--bundled-postgres'],
  ['two databases', `${INIT} racing2 --bundled-postgres`, DATABASE, 'DB_CONNECTION_URI is set, and', 'unset it'],
  ['no cluster', 'init --bundled-postgres', {}, '--bundled-postgres is for a cluster', '--kube-context'],
  [
    'no KMS to go to',
    'provision --organization hanzo --admin-email z@hanzo.ai',
    {},
    'KMS_URL is not set',
    'port-forward',
  ],
  ['nothing to make', 'provision', {}, 'nothing is to be made', '--organization'],
] as const)('%s is an error that says what to do', async (_what, args, env, error, hint) => {
  const { code, stdout, stderr } = await bootstrap(args, env);
  expect([code, stdout]).toEqual([1, '']);
  expect(stderr).toContain(error);
  expect(stderr).toContain(hint);
});

test('addresses come from standard input, too, and who has no right to is told which one', async () => {
  await cluster.namespace('piped');
  const piped = await bootstrap(
    `${INIT} piped --addresses-from-stdin`,
    {},
    'DB_CONNECTION_URI=postgresql://kms@db/kms\n',
  );
  expect(piped.code, piped.stderr).toBe(0);
  expect((await cluster.data('piped', 'kms-secrets'))?.DB_CONNECTION_URI).toBe('postgresql://kms@db/kms');
  await cluster.kubectl('-n', 'piped', 'create', 'serviceaccount', 'nobody');
  const token = (await cluster.kubectl('-n', 'piped', 'create', 'token', 'nobody')).trim();
  const file = join(cluster.plane.folder, 'nobody.kubeconfig');
  await writeFile(file, kubeconfigOf(cluster.plane.url, cluster.plane.ca, token), { mode: 0o600 });
  for (const args of ['', ' --dry-run']) {
    const { code, stdout, stderr } = await bootstrap(`init --kubeconfig ${file} -n piped${args}`, DATABASE);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain('cannot get resource "secrets"');
    expect(stderr).toContain('have somebody give you this right');
  }
  await writeFile(file, kubeconfigOf(cluster.plane.url, cluster.plane.ca, 'none'), { mode: 0o600 });
  const stranger = await bootstrap(`init --kubeconfig ${file} -n piped`, DATABASE);
  expect(stranger.stderr).toContain('the cluster does not take your credentials');
});

test('the Job makes all of it, from the first admin to Secrets in sync, and shows no value', async () => {
  job = await AppliedJob.apply(cluster, main.props);
  const { code, stdout, stderr } = await job.run();
  expect([code, stderr]).toEqual([0, expect.stringContaining('made the first admin, and went in as z@hanzo.ai')]);
  expect(stdout).toContain('2 of 2 credentials minted.\n2 of 2 KMSSecrets in sync.\n');
  await expectDone(main);
  expect(Object.keys((await cluster.data('hanzo', 'gateway-secrets'))!)).toEqual(['MASTER_KEY']);
  const objects = await cluster.kubectl('-n', 'hanzo', 'get', 'jobs,configmaps,roles,leases', '-o', 'json');
  await expectSilent('hanzo', stdout, stderr, objects);
});

const state = async () => {
  const { items } = await cluster.api.list(Secrets, { namespace: 'hanzo' });
  const { rows } = await main.server.sql.query(
    `select event, count(*)::int from audit_log where action not in ('read', 'login') group by event order by event`,
  );
  return { secrets: items.map(({ metadata }) => [metadata.name, metadata.resourceVersion]), rows };
};

const openSessions = async () => {
  const { rows } = await main.server.sql.query(
    `select count(*)::int from access_tokens t join actors a on a.id = t.actor_id where a.kind = 'user' and t.revoked_at is null`,
  );
  return rows[0].count as number;
};

test('a second run goes in by the proof, changes nothing, and leaves no token behind', async () => {
  const [before, sessions] = [await state(), await openSessions()];
  const { code, stdout, stderr } = await job.run();
  expect([code, stdout]).toEqual([
    0,
    expect.stringMatching(/nothing to change, \d+ unchanged.\n2 of 2 KMSSecrets in sync.\n$/),
  ]);
  expect(stderr.trim()).toBe('went in as z@hanzo.ai by proof of kms-secrets');
  const after = await state();
  const { rows, ...secrets } = after;
  // Its own session, which it ended.
  expect(rows.filter(({ event }) => event !== 'revoke-access-token')).toEqual(
    before.rows.filter(({ event }) => event !== 'revoke-access-token'),
  );
  expect(secrets.secrets).toEqual(before.secrets);
  expect(await openSessions(), 'its own session has ended').toBe(sessions);
});

test('the same content applied again is no new Job', async () => {
  const jobs = () =>
    cluster.kubectl('-n', 'hanzo', 'get', 'jobs', '-o', 'jsonpath={.items[*].metadata.resourceVersion}');
  const before = await jobs();
  await AppliedJob.apply(cluster, main.props);
  expect(await jobs()).toBe(before);
});

const AS_JOB = '--as=system:serviceaccount:hanzo:kms-bootstrap';

test.each([
  ['list Secrets', ['get', 'secrets']],
  ['read the root key', ['get', 'secret', 'kms-secrets']],
  ['read what a service gets', ['get', 'secret', 'gateway-secrets']],
  ['change the root key', ['patch', 'secret', 'kms-secrets', '-p', '{}']],
  ['make another Secret', ['create', 'secret', 'generic', 'third', '--from-literal=C=3']],
  ['delete credentials', ['delete', 'secret', 'gateway-kms-auth']],
  ['change KMSSecrets', ['annotate', 'kmssecret', 'gateway-kms-sync', 'a=b']],
  ['take the operator’s Lease', ['get', 'lease', 'kms-operator']],
  ['run pods', ['create', '-f', '/dev/null', '--validate=false', '--raw', '/api/v1/namespaces/hanzo/pods']],
  ['look at another namespace', ['get', 'namespace', 'kube-system']],
])('its ServiceAccount may not %s', async (_what, args) => {
  await expect(cluster.kubectl('-n', 'hanzo', ...args, AS_JOB)).rejects.toThrow(/[Ff]orbidden/);
});

test('credentials that are gone or no longer work are made anew, and those that they replace end', async () => {
  const kms = await main.kms();
  await cluster.api.delete(Secrets, { namespace: 'hanzo', name: 'chat-kms-auth' });
  const { id, live } = await clientSecretsOf(kms, 'gateway-service');
  await kms.identities.revokeClientSecret(id, live[0]!.id);
  // Of another cluster, which shares the KMS.
  const foreign = await kms.identities.createClientSecret(id, {
    description: 'kms-bootstrap: hanzo/gateway-kms-auth (0d1e2f3a-0000-4000-8000-000000000000)',
  });
  const { code, stderr } = await job.run();
  expect(code, stderr).toBe(0);
  expect(stderr).toContain('put credentials of gateway-service into hanzo/gateway-kms-auth\n');
  expect(stderr).toContain('put credentials of chat-service into hanzo/chat-kms-auth, and ended 1 client secret');
  const now = await clientSecretsOf(kms, 'gateway-service');
  expect(now.live.map(({ id }) => id)).toContain(foreign.clientSecretData.id);
  await kms.identities.revokeClientSecret(id, foreign.clientSecretData.id);
  await expectDone(main);
});

test('a Secret that logs in as somebody else is left as it is', async () => {
  const gateway = await cluster.data('hanzo', 'gateway-kms-auth');
  const other = await AppliedJob.apply(cluster, {
    ...main.props,
    waitForSync: false,
    services: [{ name: 'gateway', identity: 'chat-service' }],
  });
  const { code, stderr } = await other.run();
  expect([code, stderr]).toEqual([0, expect.stringContaining('it logs in as another identity than chat-service')]);
  expect(await cluster.data('hanzo', 'gateway-kms-auth')).toEqual(gateway);
  // The Roles are those of the Job that was applied last.
  await AppliedJob.apply(cluster, main.props);
});

test('credentials that the operator renews are made so, and its successors are left alone', async () => {
  const renewed = await AppliedJob.apply(cluster, { ...main.props, services: [{ name: 'gateway', renewal: true }] });
  const spec = { spec: { authentication: renewing('gateway', 'hanzo') } };
  await cluster.kubectl(
    '-n',
    'hanzo',
    'patch',
    'kmssecret',
    'gateway-kms-sync',
    '--type=merge',
    '-p',
    JSON.stringify(spec),
  );
  const { code, stderr } = await renewed.run();
  // The one that was there could not be renewed.
  expect([code, stderr]).toEqual([
    0,
    expect.stringContaining('into hanzo/gateway-kms-auth, and ended 1 client secret'),
  ]);
  const annotations = async () =>
    (await cluster.api.get(Secrets, { namespace: 'hanzo', name: 'gateway-kms-auth' })).metadata.annotations ?? {};
  await expect.poll(async () => Object.keys(await annotations())).toContain('secrets.lux.network/renewal');
  const successor = await cluster.data('hanzo', 'gateway-kms-auth');
  const again = await renewed.run();
  expect([again.code, again.stdout, again.stderr]).toEqual([
    0,
    expect.stringContaining('nothing to change'),
    'went in as z@hanzo.ai by proof of kms-secrets\n',
  ]);
  expect((await cluster.data('hanzo', 'gateway-kms-auth'))?.clientSecret).toBe(successor?.clientSecret);
  const { clientId, clientSecret } = successor as { clientId: string; clientSecret: string };
  await new Kms({ url: main.gate.url, credentials: { clientId, clientSecret } }).logIn();
  await AppliedJob.apply(cluster, main.props);
});

test('a Secret that a KMSSecret keeps, or of KMS itself, gets no credentials', async () => {
  const file = join(cluster.plane.folder, 'kms.yaml');
  await writeFile(file, INVENTORY);
  const mint = (target: string) =>
    bootstrap(`provision -f ${file} --mint gateway-service=${target}`, { KMS_URL: main.gate.url });
  expect((await mint('hanzo/chat-secrets')).stderr).toContain('is kept by the KMSSecret hanzo/chat-kms-sync');
  expect((await mint('hanzo/kms-secrets')).stderr).toContain('holds the root key');
});

test('a service whose Secret cannot be written holds up no other', async () => {
  await writeFile(join(cluster.plane.folder, 'kms.yaml'), INVENTORY);
  await cluster.api.delete(Secrets, { namespace: 'hanzo', name: 'chat-kms-auth' });
  // A line end, which the operator would send along.
  const held = (await cluster.data('hanzo', 'gateway-kms-auth'))!;
  await cluster.credentials('gateway', 'hanzo', { clientId: held.clientId!, clientSecret: `${held.clientSecret}\n` });
  const args = 'provision -f kms.yaml --mint gateway-service=nowhere/a --mint chat-service --mint gateway-service';
  const { code, stderr } = await bootstrap(args, { KMS_URL: main.gate.url });
  expect(code).toBe(1);
  expect(stderr).toContain('put credentials of chat-service into hanzo/chat-kms-auth');
  expect(stderr).toContain('put credentials of gateway-service into hanzo/gateway-kms-auth');
  expect(stderr).toContain('error: there is no namespace nowhere, which nowhere/a belongs into\n');
  await expectDone(main);
});

test('the commands of the page are true, and its options are those that there are', async () => {
  const page = await readFile(join(root, 'docs/provisioning.md'), 'utf8');
  const [init, provision] = [...page.matchAll(/^```bash\nkms-bootstrap (.*)\n```/gm)].map(([, command]) => command!);
  const made = await bootstrap(init!.replace('prod', 'hanzo-kms'), DATABASE);
  expect([made.code, made.stdout]).toEqual([
    0,
    expect.stringMatching(/^secret hanzo\/kms-secrets is there already, root key /),
  ]);
  await writeFile(join(cluster.plane.folder, 'kms.yaml'), INVENTORY);
  const done = await bootstrap(provision!, { KMS_URL: main.gate.url });
  expect([done.code, done.stdout], done.stderr).toEqual([0, expect.stringContaining('2 of 2 KMSSecrets in sync.')]);
  const help = (await Promise.all(['init', 'provision'].map((one) => bootstrap(`${one} --help`)))).map(
    ({ stdout }) => stdout,
  );
  for (const [option] of page.matchAll(/--[a-z][-a-z]+/g)) expect(help.join(' ')).toContain(option);
});

test('told to end, a run lets go of the Lease, so that the next one need not wait', async () => {
  main.gate.weather = (method) => (method === 'GET' ? 'pass' : 'hang');
  const before = main.gate.hanging;
  const { child, ended } = await job.start();
  await expect.poll(() => main.gate.hanging > before).toBe(true);
  child.kill('SIGTERM');
  main.gate.weather = 'pass';
  main.gate.cut();
  const { code, stderr } = await ended;
  expect([code, stderr]).toEqual([1, expect.stringContaining('ended by SIGTERM; to run it again is safe')]);
  const next = await job.run();
  expect([next.code, next.stderr]).toEqual([0, 'went in as z@hanzo.ai by proof of kms-secrets\n']);
});

test('a KMSSecret that does not come in sync is told with its reason, and is no failure of the rest', async () => {
  const file = join(cluster.plane.folder, 'kms.yaml');
  await writeFile(file, INVENTORY);
  await cluster.kmsSecret('late', 'hanzo', { hostAPI: main.gate.url });
  const args = `provision -f ${file} --namespace hanzo --mint gateway-service --wait late-kms-sync --wait none --wait-timeout 1 --json`;
  const { code, stdout } = await bootstrap(args, { KMS_URL: main.gate.url });
  const report = ProvisionReport.parse(JSON.parse(stdout));
  expect(code).toBe(2);
  expect(report.credentials).toMatchObject([{ identity: 'gateway-service', name: 'gateway-kms-auth', state: 'kept' }]);
  expect(report.sync.map(({ name, inSync, reason }) => [name, inSync, reason])).toEqual([
    ['late-kms-sync', false, 'CredentialsMissing'],
    ['none', false, 'Missing'],
  ]);
  await expectSilent('hanzo', stdout);
});

test('an AUTH_SECRET of another installation is told as that', async () => {
  const { code, stderr } = await job.run({
    AUTH_SECRET: randomBytes(32).toString('base64'),
  });
  expect([code, stderr]).toEqual([1, expect.stringContaining('its AUTH_SECRET is another one')]);
});

test('two first runs at once come to one of everything', async () => {
  const twice = await install('twice');
  const applied = await AppliedJob.apply(cluster, twice.props);
  const ended = await Promise.all([applied.run(), applied.run()]);
  expect(ended.map(({ code, stderr }) => [code, stderr.includes('error')])).toEqual([
    [0, false],
    [0, false],
  ]);
  expect(ended.filter(({ stderr }) => stderr.includes('made the first admin'))).toHaveLength(1);
  await expectDone(twice);
});

test('killed at any write, before it or with its answer lost, the next run goes on, and nothing is there twice', async () => {
  const killed = await install('killed');
  const applied = await AppliedJob.apply(cluster, { ...killed.props, waitForSync: false });
  /** How often a run was killed at a write. */
  const met = new Map<string, number>();
  killed.gate.weather = (method, path) => {
    const times = met.get(path) ?? 0;
    if (method === 'GET' || times === (everything ? 2 : 1)) return 'pass';
    met.set(path, times + 1);
    const isLost = everything ? times === 1 : met.size % 2 === 0;
    return isLost ? { lose: /./ } : 'hang';
  };
  for (let turn = 1; ; turn++) {
    expect(turn, 'it comes to an end').toBeLessThan(80);
    const before = killed.gate.hanging;
    const { child, ended } = await applied.start();
    const isOver = ended.then(() => true);
    while (killed.gate.hanging === before && !(await Promise.race([isOver, sleep(20, false)])));
    child.kill('SIGKILL');
    const { code, stderr } = await ended;
    if (code === 0) break;
    expect([code, stderr.includes('error')]).toEqual([null, false]);
    // As if the time of its Lease had passed.
    await cluster.kubectl('-n', 'killed', 'delete', 'lease', 'kms-bootstrap', '--ignore-not-found');
  }
  const paths = [...met.keys()].join(' ');
  for (const path of ['admin/bootstrap', 'recovery-session', 'v2/organizations', 'memberships', 'token/revoke'])
    expect(paths).toContain(path);
  expect(paths.match(/client-secrets(?= |$)/g)).toHaveLength(2);
  if (everything) expect(paths.match(/client-secrets\/\S+\/revoke/g)!.length, 'orphans were ended').toBeGreaterThan(1);
  await expectDone(killed);
}, 180_000);

test('a run that was killed gives way to the next within the time of its Lease', async () => {
  main.gate.weather = (method) => (method === 'GET' ? 'pass' : 'hang');
  const before = main.gate.hanging;
  const { child, ended } = await job.start();
  await expect.poll(() => main.gate.hanging > before).toBe(true);
  child.kill('SIGKILL');
  await ended;
  main.gate.weather = 'pass';
  const { code, stderr } = await job.run();
  expect(code, stderr).toBe(0);
});

test('HIP-27’s values: four organizations, an admin of each, and a token that is another at each run', async () => {
  await cluster.namespace('hip');
  const port = await freePort();
  const slugs = ['hanzo', 'lux', 'zoo', 'pars'];
  const hip = await AppliedJob.apply(cluster, {
    namespace: 'hip',
    url: `http://127.0.0.1:${port}`,
    organizations: slugs,
    adminEmails: ['z@hanzo.ai'],
    token: { secretName: 'kms-bootstrap-secret', key: 'token' },
    makeSecrets: { database: 'bundled', redis: 'bundled' },
  });
  const first = await hip.start();
  // The pods of KMS wait for kms-secrets, and the Job for them.
  await expect.poll(() => cluster.data('hip', 'kms-secrets')).toBeTruthy();
  const server = await serverOf('hip');
  await server.app.listen({ host: '127.0.0.1', port });
  const url = `http://127.0.0.1:${(server.app.server.address() as AddressInfo).port}`;
  const { code, stdout, stderr } = await first.ended;
  expect(code, stderr).toBe(0);
  const kms = await adminAt(url, 'hip');
  const organizations = await kms.organizations.list();
  expect(organizations.map(({ slug }) => slug).toSorted()).toEqual(slugs.toSorted());
  for (const { id } of organizations)
    expect((await kms.organizations.members(id)).map(({ role, user }) => [user.email, role])).toEqual([
      ['z@hanzo.ai', 'admin'],
    ]);
  const token = async () => (await cluster.data('hip', 'kms-bootstrap-secret'))!.token!;
  const former = await token();
  const list = (token: string) => new Kms({ url, credentials: { token } }).organizations.list();
  expect((await list(former)).map(({ slug }) => slug)).toEqual(['hanzo']);
  const again = await hip.run();
  expect([again.code, again.stdout]).toEqual([0, expect.stringContaining('nothing to change')]);
  expect(await token()).not.toBe(former);
  await expect(list(former)).rejects.toThrow(Unauthorized);
  expect(await list(await token())).toHaveLength(1);
  await expectSilent('hip', stdout, stderr, again.stdout, again.stderr);
  expect(`${stdout}${stderr}${again.stdout}`).not.toContain(former);
});
