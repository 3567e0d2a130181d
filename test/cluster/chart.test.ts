import { readFileSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeProof, parseAuthSecret } from '../../keys/index.ts';
import { Deployments, Secrets } from '../../operator/kubernetes/resources.ts';
import { Kms } from '../../sdk/index.ts';
import { toolAtHand } from '../../tools/cluster/programs.ts';
import { CHART, Helm, isHelmAtHand, objectsIn, withHelm } from '../charts/support/helm.ts';
import { HIP_27, VALUE_SETS } from '../charts/support/value-sets.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { AppliedPods, type RunningPod } from './support/applied.ts';
import { TestCluster } from './support/cluster.ts';
import { AppliedJob, type Ended } from './support/jobs.ts';

/**
 * The chart from its install to its uninstall, by the commands of docs/helm.md and the real Helm. What it installs is run as processes: KMS
 * as its Deployment has it, and the first run as its Job has it, with the ServiceAccount of that.
 */

const root = fileURLToPath(new URL('../..', import.meta.url));
const page = readFileSync(join(root, 'docs/helm.md'), 'utf8');
const [values] = blocks('yaml');
const [install, upgrade, uninstall] = blocks('bash');
const HOST = '127.0.79.1';
const URL_OF_KMS = `http://${HOST}:8080`;

function blocks(language: string): string[] {
  return [...page.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(([, text]) => text!);
}

describe.skipIf(!isHelmAtHand)(withHelm('the chart on a cluster'), () => {
  let cluster: TestCluster;
  let database: TestDatabase;
  let helm: Helm;
  let pods: AppliedPods;
  let kms: RunningPod;
  let folder: string;
  /** All that Helm and the Jobs have printed. */
  const printed: string[] = [];

  beforeAll(async () => {
    [cluster, database] = await Promise.all([TestCluster.start({ nodes: 2, crd: false }), createDatabase()]);
    folder = await mkdtemp(join(tmpdir(), 'kms-chart-'));
    await symlink(join(root, 'charts'), join(folder, 'charts'));
    await writeFile(join(folder, 'values.yaml'), values!);
    helm = new Helm(cluster.plane.kubeconfig);
    pods = new AppliedPods(cluster, folder);
  });
  afterAll(async () => {
    await pods.stop();
    helm.close();
    await cluster.close();
    await database.drop();
    await rm(folder, { recursive: true, force: true });
  });

  /** As it is pasted. */
  const paste = async (script: string) => {
    const path = `PATH=${dirname(toolAtHand('helm')!)}:$PATH`;
    const told = await cluster.bash(
      `cd ${folder}\nexport ${path} DB_CONNECTION_URI='${database.uri}'\n(${script}) 2>&1`,
    );
    printed.push(told);
    return told;
  };
  const get = async (kind: string, namespace = 'hanzo') =>
    (await cluster.kubectl('-n', namespace, 'get', kind, '-o', 'jsonpath={.items[*].metadata.name}'))
      .split(' ')
      .filter(Boolean);
  const job = async (namespace = 'hanzo') => {
    const names = await get('jobs', namespace);
    expect(names).toHaveLength(1);
    return AppliedJob.of(cluster, namespace, names[0]!);
  };
  const ran = async (ended: Promise<Ended>) => {
    const { code, stdout, stderr } = await ended;
    printed.push(stdout, stderr);
    expect([code, stderr]).toEqual([0, expect.not.stringContaining('error')]);
    return stdout;
  };
  const admin = async () => {
    const { AUTH_SECRET } = (await cluster.data('hanzo', 'kms-secrets'))!;
    const { accessToken } = await new Kms({ url: kms.url }).admin.recoverySession('z@hanzo.ai', (request) =>
      makeProof(parseAuthSecret(AUTH_SECRET!), request),
    );
    return new Kms({ url: kms.url, credentials: { token: accessToken } });
  };
  const expectOrganizations = async () => {
    const { organizations } = await admin();
    const found = await organizations.list();
    expect(found.map(({ slug }) => slug).toSorted()).toEqual(['hanzo', 'lux', 'pars', 'zoo']);
    for (const { id } of found) {
      const members = await organizations.members(id);
      expect(members.map(({ user, role }) => [user.email, role])).toEqual([['z@hanzo.ai', 'admin']]);
    }
  };
  /** Secrets that are not Helm's own, by name. */
  const versions = async (namespace = 'hanzo') => {
    const { items } = await cluster.api.list(Secrets, { namespace });
    return Object.fromEntries(
      items
        .filter(({ metadata }) => !metadata.name.startsWith('sh.helm.'))
        .map(({ metadata }) => [metadata.name, metadata.resourceVersion]),
    );
  };
  const spec = async () =>
    (await cluster.api.get(Deployments, { namespace: 'hanzo', name: 'kms' })) as unknown as {
      spec: { replicas: number; template: object };
    };

  test('the API server takes what is rendered of every set of values without a warning', async () => {
    let taken = 0;
    for (const { values } of Object.values(VALUE_SETS)) {
      // Kinds of others are held to their own definitions elsewhere.
      const kinds = objectsIn(await helm.template(values)).map(({ apiVersion }) => apiVersion);
      if (kinds.some((kind) => /^(monitoring|postgresql|cert-manager|traefik)\.|v1beta1$/.test(kind))) continue;
      expect(await helm.template(values, '--validate')).not.toMatch(/^(W\d|.*[Ww]arning)/m);
      taken++;
    }
    expect(taken).toBeGreaterThan(6);
  });

  test('where the definition of KMSSecret is not there yet, it is said that KMSSecrets come later', async () => {
    const services = { ...HIP_27, kms: {}, services: [{ name: 'gateway' }] };
    const told = await helm.run(
      'install',
      'tried',
      CHART,
      '-n',
      'default',
      '--dry-run=server',
      ...helm.values(services),
    );
    expect(told).toContain('its 1 KMSSecrets could not');
    expect(told).not.toContain('kind: KMSSecret\nmetadata:\n  labels');
  });

  test('three lines install it, and it says what comes next', async () => {
    const told = await paste(install!);
    expect(told).toContain('STATUS: deployed');
    expect(told).not.toMatch(/warning/i);
    const [name] = await get('jobs');
    expect(told).toContain(`wait --for=condition=complete job/${name}`);
    expect(told).toContain('KMS answers at https://kms.hanzo.ai, and in the cluster at http://kms.hanzo.svc:8080.');
    expect(await versions()).toEqual({ 'kms-database': expect.any(String) });
  });

  test('the Job makes kms-secrets, waits for KMS, and makes the organizations', async () => {
    const { ended } = await (await job()).start({ KMS_URL: URL_OF_KMS });
    await expect.poll(() => cluster.data('hanzo', 'kms-secrets')).toBeDefined();
    kms = await pods.run('kms', HOST, 'kms-server');
    await ran(ended);
    await expectOrganizations();
  });

  test('the token is where HIP-27 has it, may look at the first organization, and ends', async () => {
    const { token } = (await cluster.data('hanzo', 'kms-bootstrap-secret'))!;
    const { organizations } = new Kms({ url: kms.url, credentials: { token: token! } });
    expect((await organizations.list()).map(({ slug }) => slug)).toEqual(['hanzo']);
    const { exp, iat } = JSON.parse(Buffer.from(token!.split('.')[1]!, 'base64url').toString());
    expect(exp - iat).toBeLessThanOrEqual(7200);
  });

  test('what it says to wait for and to keep works when pasted', async () => {
    const notes = await helm.run('get', 'notes', 'kms', '-n', 'hanzo');
    const commands = [...notes.matchAll(/^ {2}(\(?(?:umask|kubectl).*)$/gm)].map(([, command]) => command!);
    expect(commands).toHaveLength(2);
    expect(await paste(commands.join('\n'))).toContain('condition met');
    const kept = await readFile(join(folder, 'kms-secrets.yaml'), 'utf8');
    expect(kept).toContain('ROOT_ENCRYPTION_KEY');
  });

  test('run again it changes nothing but the token', async () => {
    const before = await versions();
    expect(await ran((await job()).run({ KMS_URL: URL_OF_KMS }))).toContain('nothing to change');
    const { 'kms-bootstrap-secret': token, ...after } = await versions();
    expect({ ...after, 'kms-bootstrap-secret': before['kms-bootstrap-secret'] }).toEqual(before);
    expect(token).not.toBe(before['kms-bootstrap-secret']);
    await expectOrganizations();
  });

  test('an upgrade changes the replicas and restarts none, and a rollback brings them back', async () => {
    const [first, secrets, name] = [await spec(), await versions(), await get('jobs')];
    const [up, back] = upgrade!.trim().split('\n') as [string, string];
    expect(await paste(up)).toContain('REVISION: 2');
    const second = await spec();
    expect([first.spec.replicas, second.spec.replicas]).toEqual([2, 3]);
    expect(second.spec.template).toEqual(first.spec.template);
    // Another revision, another run, which finds all of it there.
    expect(await get('jobs')).not.toEqual(name);
    expect(await ran((await job()).run({ KMS_URL: URL_OF_KMS }))).toContain('nothing to change');
    expect(await paste(back)).toContain('Rollback was a success');
    expect((await spec()).spec.replicas).toBe(2);
    expect(await get('jobs')).toEqual(name);
    const { 'kms-bootstrap-secret': _, ...rest } = await versions();
    expect({ ...rest, 'kms-bootstrap-secret': secrets['kms-bootstrap-secret'] }).toEqual(secrets);
  });

  test('an upgrade brings the definition of KMSSecret that an older release did not have', async () => {
    const older = join(folder, 'older');
    await cp(CHART, older, { recursive: true });
    const file = join(older, 'templates/crd.yaml');
    const text = await readFile(file, 'utf8');
    await writeFile(file, text.replace(/^( +)shortNames:\n(?:\1 +- .*\n)+/m, ''));
    const shortNames = () =>
      cluster.kubectl('get', 'crd', 'kmssecrets.secrets.lux.network', '-o', 'jsonpath={.spec.names.shortNames}');
    const now = await shortNames();
    expect(now).not.toBe('');
    await helm.run('upgrade', 'kms', older, '-n', 'hanzo', '--reuse-values');
    expect(await shortNames()).toBe('');
    await helm.run('upgrade', 'kms', CHART, '-n', 'hanzo', '--reuse-values');
    expect(await shortNames()).toBe(now);
  });

  test('with an inventory the Job mints for the services, and the operator brings their Secrets', async () => {
    const inventory = join(root, 'examples/hanzo/kms.yaml');
    const services = { services: [{ name: 'gateway' }, { name: 'iam', project: 'hanzo-iam' }], hostApi: URL_OF_KMS };
    const more = ['--reuse-values', '--set-file', `kms.autoBootstrap.inventory=${inventory}`, ...helm.values(services)];
    const told = await helm.run('upgrade', 'kms', CHART, '-n', 'hanzo', ...more);
    expect(told).not.toMatch(/warning|could not/i);
    expect(await get('kmssecrets')).toEqual(['gateway-kms-sync', 'iam-kms-sync']);
    const operator = await pods.run('kms-operator', '127.0.79.3', 'kms-operator');
    const said = await ran((await job()).run({ KMS_URL: URL_OF_KMS }));
    expect(said).toContain('2 of 2 credentials minted.\n2 of 2 KMSSecrets in sync.\n');
    expect(Object.keys((await cluster.data('hanzo', 'gateway-secrets'))!)).toContain('MASTER_KEY');
    await operator.kill();
    printed.push(operator.output());
  });

  test('an uninstall keeps the keys, the Secrets, the definition and KMSSecrets of others', async () => {
    await cluster.credentials('till', 'hanzo', { clientId: 'a', clientSecret: 'b' });
    await cluster.kmsSecret('till', 'hanzo');
    const before = await versions();
    const told = await paste(uninstall!);
    expect(told).toContain('release "kms" uninstalled');
    expect(await versions()).toEqual(before);
    expect(await get('kmssecrets')).toEqual(['till-kms-sync']);
    expect(await get('deployments')).toEqual([]);
    await expect.poll(() => get('jobs')).toEqual([]);
  });

  test('a definition that came without Helm is taken over when that is asked for', async () => {
    const crd = ['crd', 'kmssecrets.secrets.lux.network'];
    await cluster.kubectl('annotate', ...crd, 'meta.helm.sh/release-name-', 'meta.helm.sh/release-namespace-');
    const start = ['install', 'kms', CHART, '-n', 'hanzo', '--set', 'operator.enabled=false'];
    await expect(helm.run(...start)).rejects.toThrow(/CustomResourceDefinition "kmssecrets.secrets.lux.network"/);
    expect(page).toContain('`helm install --take-ownership`');
    expect(await helm.run(...start, '--take-ownership')).toContain('STATUS: deployed');
    await helm.run('uninstall', 'kms', '-n', 'hanzo');
  });

  test('an install on what was kept takes it over, and changes nothing', async () => {
    const before = await versions();
    const told = await paste(install!.split('\n').find((line) => line.startsWith('helm install'))!);
    expect(told).toContain('STATUS: deployed');
    expect(await ran((await job()).run({ KMS_URL: URL_OF_KMS }))).toContain('nothing to change');
    const { 'kms-bootstrap-secret': _, ...after } = await versions();
    expect({ ...after, 'kms-bootstrap-secret': before['kms-bootstrap-secret'] }).toEqual(before);
    await expectOrganizations();
  });

  test('a bundled Postgres keeps its volume and its password through an uninstall', async () => {
    await cluster.namespace('trial');
    const flags = ['operator', 'crd', 'admission'].flatMap((part) => ['--set', `${part}.enabled=false`]);
    const bundled = ['--set', 'postgres.mode=bundled', '--set', 'redis.mode=bundled'];
    const start = ['install', 'trial', CHART, '-n', 'trial', ...helm.values(HIP_27), ...flags, ...bundled];
    expect(await helm.run(...start)).toContain('it is for a trial');
    const { child, ended } = await (await job('trial')).start({ KMS_URL: 'http://127.0.79.2:8080' });
    await expect.poll(() => cluster.data('trial', 'kms-secrets')).toBeDefined();
    child.kill('SIGTERM');
    await ended;
    await expect.poll(() => get('pvc', 'trial')).toEqual(['data-kms-postgres-0']);
    const before = await versions('trial');
    expect(Object.keys(before).toSorted()).toEqual(['kms-postgres-auth', 'kms-redis-auth', 'kms-secrets']);
    await helm.run('uninstall', 'trial', '-n', 'trial');
    await expect.poll(() => get('statefulsets', 'trial')).toEqual([]);
    expect([await get('pvc', 'trial'), await versions('trial')]).toEqual([['data-kms-postgres-0'], before]);
    expect(await helm.run(...start)).toContain('STATUS: deployed');
    await expect.poll(() => get('statefulsets', 'trial')).toEqual(['kms-postgres']);
    expect(await versions('trial')).toEqual(before);
  });

  test('without the Job it says how kms-secrets is made', async () => {
    await cluster.namespace('plain');
    const flags = ['operator', 'crd', 'admission'].flatMap((part) => ['--set', `${part}.enabled=false`]);
    const told = await helm.run('install', 'plain', CHART, '-n', 'plain', ...flags, '--set', 'postgres.mode=bundled');
    const command = /^ {2}(npx kms-bootstrap init .*)$/m.exec(told)![1]!;
    const npx = `npx() { shift; "${process.execPath}" "${root}bin/kms-bootstrap.js" "$@"; }`;
    await paste(`${npx}\nunset DB_CONNECTION_URI\n${command}`);
    expect(Object.keys(await versions('plain'))).toEqual(['kms-postgres-auth', 'kms-secrets']);
  });

  test('nothing that was printed, and no release that Helm keeps, holds a secret', async () => {
    const all = await Promise.all(
      ['hanzo', 'trial', 'plain'].map((namespace) => cluster.api.list(Secrets, { namespace })),
    );
    const items = all.flatMap((list) => list.items);
    const text = (value: string) => Buffer.from(value, 'base64').toString();
    const releases = items.filter(({ metadata }) => metadata.name.startsWith('sh.helm.'));
    const { gunzipSync } = await import('node:zlib');
    const kept = releases.map(({ data }) => gunzipSync(Buffer.from(text(data!.release!), 'base64')).toString());
    expect(kept.length).toBeGreaterThan(1);
    const secrets = items
      .filter((item) => !releases.includes(item))
      .flatMap(({ data = {} }) => Object.entries(data))
      .filter(([key]) => !['username', 'clientId', 'clientSecret'].includes(key));
    expect(secrets.length).toBeGreaterThan(8);
    for (const [key, value] of secrets)
      for (const one of [...printed, ...kept]) expect(one.includes(text(value)), `${key} is shown`).toBe(false);
  });
});
