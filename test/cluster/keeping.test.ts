import { afterAll, beforeAll, expect, test } from 'vitest';
import { KmsSecrets } from '../../operator/kms-secret.ts';
import { ConfigMaps, Events, type KubernetesObject, Secrets } from '../../operator/kubernetes/resources.ts';
import { TestCluster } from './support/cluster.ts';

/** What becomes of the objects that a KMSSecret names: theirs that are there, theirs that others touch, theirs that are named no more. */

let cluster: TestCluster;
const namespace = 'hanzo';

beforeAll(async () => {
  cluster = await TestCluster.start();
  await cluster.namespace(namespace);
  await cluster.operator();
});
afterAll(() => cluster.close());

const data = (slug: string) => cluster.data(namespace, `${slug}-secrets`);
const reason = async (slug: string) => (await cluster.synced(slug, namespace))?.reason;
const encoded = (text: string) => Buffer.from(text).toString('base64');
const events = async (slug: string) => {
  const { items } = await cluster.api.list(Events, { namespace });
  return (items as (KubernetesObject & { regarding?: { name: string }; reason: string; note: string })[])
    .filter(({ regarding }) => regarding?.name === `${slug}-kms-sync`)
    .map(({ reason: said, note }) => `${said}: ${note}`);
};

test('a key that is deleted in KMS disappears, and keys and labels of others stay', async () => {
  const { projectId } = await cluster.service('flow', namespace, { A: '1', B: '2' });
  await cluster.kmsSecret('flow', namespace);
  await expect.poll(() => data('flow')).toEqual({ A: '1', B: '2' });
  await cluster.api.apply(
    Secrets,
    {
      metadata: { name: 'flow-secrets', namespace, labels: { team: 'flow' }, annotations: { note: 'x' } },
      data: { OTHER: encoded('o') },
    },
    { fieldManager: 'somebody' },
  );
  await cluster.kms.do('DELETE', '/api/v3/secrets/raw/B', {
    body: { workspaceId: projectId, environment: 'prod', secretPath: '/' },
  });
  await expect.poll(() => data('flow')).toEqual({ A: '1', OTHER: 'o' });
  const { metadata } = await cluster.api.get(Secrets, { namespace, name: 'flow-secrets' });
  expect(metadata.labels).toMatchObject({ team: 'flow', 'app.kubernetes.io/managed-by': 'kms-operator' });
  expect(metadata.annotations).toMatchObject({ note: 'x' });
});

test('a Secret that kubectl made is adopted, with an Event (HIP-27, "From kubectl create secret")', async () => {
  await cluster.kubectl(
    '-n',
    namespace,
    'create',
    'secret',
    'generic',
    'zen-secrets',
    '--from-literal=DB_URL=old',
    '--from-literal=OWN=kept',
  );
  await cluster.service('zen', namespace, { DB_URL: 'new' });
  await cluster.kmsSecret('zen', namespace);
  await expect.poll(() => data('zen')).toEqual({ DB_URL: 'new', OWN: 'kept' });
  await expect
    .poll(() => events('zen'))
    .toContainEqual(expect.stringMatching(/^Adopted: Secret\/hanzo\/zen-secrets was there already/));
});

test('a Secret that something else makes is left to it, and the condition says so', async () => {
  const owner = { apiVersion: 'v1', kind: 'ConfigMap', name: 'maker', controller: true };
  const maker = await cluster.api.create(ConfigMaps, namespace, { metadata: { name: 'maker', namespace } });
  await cluster.api.create(Secrets, namespace, {
    metadata: { name: 'made-secrets', namespace, ownerReferences: [{ ...owner, uid: maker.metadata.uid! }] },
    data: { A: encoded('theirs') },
  });
  await cluster.service('made', namespace, { A: 'ours' });
  await cluster.kmsSecret('made', namespace);
  await expect
    .poll(() => cluster.synced('made', namespace))
    .toMatchObject({
      status: 'False',
      reason: 'SecretNotOurs',
      message: expect.stringContaining('is made by ConfigMap maker'),
    });
  expect(await data('made')).toEqual({ A: 'theirs' });
});

test('of two KMSSecrets that name one Secret the first keeps it, and the other says so until the first is gone', async () => {
  await cluster.service('first', namespace, { A: 'first' });
  await cluster.service('second', namespace, { A: 'second' });
  const managedSecretReference = { secretName: 'shared-secrets', secretNamespace: namespace };
  await cluster.kmsSecret('first', namespace, { managedSecretReference });
  await expect.poll(() => cluster.data(namespace, 'shared-secrets')).toEqual({ A: 'first' });
  await cluster.kmsSecret('second', namespace, { managedSecretReference });
  await expect
    .poll(() => cluster.synced('second', namespace))
    .toMatchObject({
      reason: 'SecretNotOurs',
      message: expect.stringContaining('kept by the KMSSecret hanzo/first-kms-sync'),
    });
  expect(await cluster.data(namespace, 'shared-secrets')).toEqual({ A: 'first' });
  await cluster.api.delete(KmsSecrets, { namespace, name: 'first-kms-sync' });
  await expect.poll(() => cluster.data(namespace, 'shared-secrets')).toEqual({ A: 'second' });
  await expect.poll(() => reason('second')).toBe('Synced');
});

test.each([
  ['Owner', undefined],
  ['Orphan', { A: '1' }],
])('with creationPolicy %s a deleted KMSSecret leaves %j', async (creationPolicy, left) => {
  const slug = `policy-${creationPolicy.toLowerCase()}`;
  await cluster.service(slug, namespace, { A: '1' });
  const managedSecretReference = { secretName: `${slug}-secrets`, secretNamespace: namespace, creationPolicy };
  await cluster.kmsSecret(slug, namespace, { managedSecretReference });
  await expect.poll(() => data(slug)).toEqual({ A: '1' });
  await cluster.api.delete(KmsSecrets, { namespace, name: `${slug}-kms-sync` });
  if (left === undefined) await expect.poll(() => data(slug), { timeout: 20_000 }).toBeUndefined();
  else {
    // What is not kept any more is not repaired either: that shows that the operator has dealt with the deletion.
    await expect
      .poll(async () => (await cluster.operators[0]!.metrics()).includes(`name="${slug}-kms-sync"`))
      .toBe(false);
    expect(await data(slug)).toEqual(left);
  }
});

test.each([
  ['Owner', undefined],
  ['Orphan', { A: '1' }],
])('a reference that is taken out of the KMSSecret leaves %s: %j', async (creationPolicy, left) => {
  const slug = `removed-${creationPolicy.toLowerCase()}`;
  await cluster.service(slug, namespace, { A: '1' });
  const more = { secretName: `${slug}-more`, secretNamespace: namespace, creationPolicy };
  await cluster.kmsSecret(slug, namespace, { managedKubeSecretReferences: [more] });
  await expect.poll(() => cluster.data(namespace, `${slug}-more`)).toEqual({ A: '1' });
  await cluster.api.patch(
    KmsSecrets,
    { namespace, name: `${slug}-kms-sync` },
    { spec: { managedKubeSecretReferences: [] } },
    'somebody',
  );
  const label = async () =>
    (await cluster.api.list(Secrets, { namespace, fieldSelector: `metadata.name=${slug}-more` })).items.map(
      ({ metadata }) => metadata.labels?.['app.kubernetes.io/managed-by'],
    );
  await expect.poll(label, { timeout: 20_000 }).toEqual(left === undefined ? [] : [undefined]);
  expect(await cluster.data(namespace, `${slug}-more`)).toEqual(left);
  expect(await data(slug)).toEqual({ A: '1' });
});

test('one folder becomes several Secrets and a ConfigMap, each by its template', async () => {
  await cluster.service('commerce', namespace, { HOST: 'db', PORT: '5432', PASSWORD: 'p w' });
  await cluster.kmsSecret('commerce', namespace, {
    managedKubeSecretReferences: [
      {
        secretName: 'commerce-dsn',
        secretNamespace: namespace,
        template: {
          includeAllSecrets: false,
          data: { DSN: 'postgres://app:{{ .PASSWORD.Value | urlquery }}@{{ .HOST.Value }}:{{ .PORT.Value }}/app' },
          metadata: { labels: { tier: 'db' }, annotations: { source: 'kms' } },
        },
      },
    ],
    managedKubeConfigMapReferences: [
      {
        configMapName: 'commerce-address',
        configMapNamespace: namespace,
        template: { includeAllSecrets: false, data: { host: '{{ .HOST.Value }}' } },
      },
    ],
  });
  await expect.poll(() => data('commerce')).toEqual({ HOST: 'db', PORT: '5432', PASSWORD: 'p w' });
  await expect.poll(() => cluster.data(namespace, 'commerce-dsn')).toEqual({ DSN: 'postgres://app:p%20w@db:5432/app' });
  const { metadata } = await cluster.api.get(Secrets, { namespace, name: 'commerce-dsn' });
  expect(metadata).toMatchObject({ labels: { tier: 'db' }, annotations: { source: 'kms' } });
  await expect
    .poll(async () => (await cluster.api.get(ConfigMaps, { namespace, name: 'commerce-address' })).data)
    .toEqual({ host: 'db' });
});

test.each([
  ['a key that a Secret cannot hold', { 'A B': '1' }, {}, 'KeyNotAllowed', /^A B: /],
  [
    'more than a Secret holds',
    { A: 'x'.repeat(600_000), B: 'x'.repeat(600_000) },
    {},
    'TooLarge',
    /2 keys of 1200002 bytes/,
  ],
  ['a missing key that must be there', { A: '1' }, { requiredKeys: ['A', 'LOST'] }, 'KeysMissing', /has no LOST/],
  [
    'a template that names a key that is not there',
    { A: '1' },
    {
      managedSecretReference: {
        secretName: 'x',
        secretNamespace: namespace,
        template: { data: { B: '{{ .NONE.Value }}' } },
      },
    },
    'KeysMissing',
    /template of B names NONE/,
  ],
])('%s is a condition of its own', async (name, secrets, spec, expected, message) => {
  const slug = name.toLowerCase().replaceAll(' ', '-');
  await cluster.service(slug, namespace, secrets as Record<string, string>);
  await cluster.kmsSecret(slug, namespace, spec);
  await expect
    .poll(() => cluster.synced(slug, namespace))
    .toMatchObject({ status: 'False', reason: expected, message: expect.stringMatching(message) });
});

test('an immutable Secret, and one of another type, are left as they are', async () => {
  for (const [slug, body] of [
    ['immutable', { immutable: true, type: 'Opaque' }],
    ['typed', { type: 'kubernetes.io/basic-auth', data: { username: encoded('u'), password: encoded('p') } }],
  ] as const) {
    await cluster.api.create(Secrets, namespace, { metadata: { name: `${slug}-secrets`, namespace }, ...body });
    await cluster.service(slug, namespace, { A: '1' });
    await cluster.kmsSecret(slug, namespace);
  }
  await expect.poll(() => reason('immutable')).toBe('SecretImmutable');
  await expect.poll(() => reason('typed')).toBe('SecretTypeDiffers');
});

test('folders below are taken when asked, and a key that two of them hold is refused', async () => {
  const { projectId } = await cluster.service('deep', namespace, { A: '1' });
  await cluster.kms.do('POST', '/api/v1/folders', {
    body: { workspaceId: projectId, environment: 'prod', name: 'db', path: '/' },
  });
  await cluster.kms.setSecrets(projectId, 'prod', { B: '2' }, '/db');
  await cluster.kmsSecret('deep', namespace, {}, { recursive: true });
  await expect.poll(() => data('deep')).toEqual({ A: '1', B: '2' });
  await cluster.kms.setSecrets(projectId, 'prod', { A: 'other' }, '/db');
  await expect
    .poll(() => cluster.synced('deep', namespace))
    .toMatchObject({
      reason: 'KeysCollide',
      message: expect.stringMatching(/A is in \/ and in \/db|A is in \/db and in \//),
    });
  expect(await data('deep')).toEqual({ A: '1', B: '2' });
});

test('one secret alone can be named', async () => {
  await cluster.service('single', namespace, { A: '1', B: '2' });
  await cluster.kmsSecret('single', namespace, {}, { secretName: 'B' });
  await expect.poll(() => data('single')).toEqual({ B: '2' });
});

test('a project is found by its id, whatever becomes of its slug', async () => {
  const { projectId } = await cluster.service('by-id', namespace, { A: '1' });
  await cluster.kmsSecret('by-id', namespace, {}, { projectSlug: undefined, projectId });
  await expect.poll(() => data('by-id')).toEqual({ A: '1' });
});

test('suspended, nothing is changed; afterwards everything is made good', async () => {
  const { projectId } = await cluster.service('paused', namespace, { A: '1' });
  await cluster.kmsSecret('paused', namespace);
  await expect.poll(() => data('paused')).toEqual({ A: '1' });
  const place = { namespace, name: 'paused-kms-sync' };
  await cluster.api.patch(KmsSecrets, place, { spec: { suspend: true } }, 'somebody');
  await expect.poll(() => reason('paused')).toBe('Suspended');
  await cluster.kms.setSecrets(projectId, 'prod', { B: '2' });
  await cluster.api.delete(Secrets, { namespace, name: 'paused-secrets' });
  await cluster.api.patch(KmsSecrets, place, { spec: { suspend: false } }, 'somebody');
  await expect.poll(() => data('paused')).toEqual({ A: '1', B: '2' });
});

test('credentials that come later, and others in their place, are taken up at once', async () => {
  const { machine } = await cluster.service('late', namespace, { A: '1' });
  const auth = { namespace, name: 'late-kms-auth' };
  await cluster.api.delete(Secrets, auth);
  await cluster.kmsSecret('late', namespace);
  await expect
    .poll(() => cluster.synced('late', namespace))
    .toMatchObject({
      reason: 'CredentialsMissing',
      message: expect.stringContaining('hanzo/late-kms-auth is not there'),
    });
  await cluster.credentials('late', namespace, { ...machine, clientSecret: 'wrong' });
  await expect.poll(() => reason('late')).toBe('CredentialsRefused');
  await cluster.credentials('late', namespace, machine);
  await expect.poll(() => data('late'), { timeout: 5000 }).toEqual({ A: '1' });
  expect((await events('late')).join('\n')).not.toContain('wrong');
});

test('a namespace is written to from another only when it allows that', async () => {
  await cluster.namespace('other');
  await cluster.service('across', namespace, { A: '1' });
  await cluster.kmsSecret('across', namespace, {
    managedSecretReference: { secretName: 'across-secrets', secretNamespace: 'other' },
  });
  await expect
    .poll(() => cluster.synced('across', namespace))
    .toMatchObject({
      reason: 'NamespaceNotAllowed',
      message: expect.stringContaining('label it secrets.lux.network/allow-kmssecrets-from=hanzo'),
    });
  expect(await cluster.data('other', 'across-secrets')).toBeUndefined();
  await cluster.kubectl('label', 'namespace', 'other', 'secrets.lux.network/allow-kmssecrets-from=hanzo');
  await expect.poll(() => cluster.data('other', 'across-secrets'), { timeout: 5000 }).toEqual({ A: '1' });
});

/** What GitOps tools mark an object with that they applied. What bears it and is not in their repository, they delete. */
const TRACKING = {
  labels: {
    'app.kubernetes.io/instance': 'tracked',
    'argocd.argoproj.io/instance': 'tracked',
    'kustomize.toolkit.fluxcd.io/name': 'tracked',
    'kustomize.toolkit.fluxcd.io/namespace': 'flux-system',
  },
  annotations: { 'argocd.argoproj.io/tracking-id': 'tracked:secrets.lux.network/KMSSecret:hanzo/tracked-kms-sync' },
};

test.each(['argocd-controller', 'kustomize-controller'])(
  'what %s marks a KMSSecret with is not on its Secret, and applying it again changes nothing',
  async (manager) => {
    const slug = `tracked-${manager.split('-')[0]}`;
    await cluster.service(slug, namespace, { A: '1' });
    const manifest = JSON.stringify({
      apiVersion: 'secrets.lux.network/v1alpha1',
      kind: 'KMSSecret',
      metadata: { name: `${slug}-kms-sync`, namespace, ...TRACKING },
      spec: {
        hostAPI: cluster.url,
        authentication: {
          universalAuth: {
            credentialsRef: { secretName: `${slug}-kms-auth`, secretNamespace: namespace },
            secretsScope: { projectSlug: slug, envSlug: 'production' },
          },
        },
        managedSecretReference: { secretName: `${slug}-secrets`, secretNamespace: namespace },
      },
    });
    const apply = () => cluster.apply(manifest, `--field-manager=${manager}`);
    await apply();
    await expect.poll(() => reason(slug)).toBe('Synced');
    const secret = () => cluster.api.get(Secrets, { namespace, name: `${slug}-secrets` });
    const marks = Object.keys({ ...TRACKING.labels, ...TRACKING.annotations });
    const { labels = {}, annotations = {} } = (await secret()).metadata;
    expect(marks.filter((mark) => mark in labels || mark in annotations)).toEqual([]);
    // What others mark the Secret with stays.
    await cluster.kubectl('-n', namespace, 'label', 'secret', `${slug}-secrets`, 'helm.sh/chart=gateway-1', 'team=a');
    const versions = async () => ({
      secret: (await secret()).metadata.resourceVersion,
      kmsSecret: (await cluster.api.get(KmsSecrets, { namespace, name: `${slug}-kms-sync` })).metadata.resourceVersion,
    });
    const before = await versions();
    for (let round = 0; round < 3; round++) await apply();
    expect(await versions()).toEqual(before);
    // Another KMSSecret is dealt with afterwards: so was this one.
    await cluster.kubectl(
      '-n',
      namespace,
      'label',
      'kmssecret',
      `${slug}-kms-sync`,
      'argocd.argoproj.io/instance=other',
      '--overwrite',
      '--field-manager',
      manager,
    );
    await cluster.service(`${slug}-probe`, namespace, { A: '1' });
    await cluster.kmsSecret(`${slug}-probe`, namespace);
    await expect.poll(() => reason(`${slug}-probe`)).toBe('Synced');
    expect((await versions()).secret).toBe(before.secret);
    expect((await secret()).metadata.labels).toMatchObject({ 'helm.sh/chart': 'gateway-1', team: 'a' });
  },
);

test('a pruner that goes by its own mark deletes the KMSSecret it applied before, and never the Secret', async () => {
  await cluster.service('pruned', namespace, { A: '1' });
  await cluster.kmsSecret('pruned', namespace);
  await expect.poll(() => data('pruned')).toEqual({ A: '1' });
  await cluster.kubectl('-n', namespace, 'label', 'kmssecret', 'pruned-kms-sync', 'app.kubernetes.io/instance=pruned');
  const marked = await cluster.kubectl(
    '-n',
    namespace,
    'get',
    'secrets,kmssecrets',
    '-l',
    'app.kubernetes.io/instance=pruned',
    '-o',
    'name',
  );
  expect(marked).toBe('kmssecret.secrets.lux.network/pruned-kms-sync\n');
});
