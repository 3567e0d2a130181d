import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { type KmsSecret, KmsSecrets } from '../../operator/kms-secret.ts';
import { KubernetesError } from '../../operator/kubernetes/errors.ts';
import { TestCluster } from './support/cluster.ts';

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start();
  await cluster.namespace('hanzo');
});
afterAll(() => cluster.close());

const fixture = (name: string, service: string) =>
  parse(
    readFileSync(new URL(`../constructs/fixtures/${name}.yaml`, import.meta.url), 'utf8')
      .replaceAll('<service>', service)
      .replaceAll('<project-slug>', service),
  );

test.each(['hip-27-full', 'hip-27-migration'])('%s is accepted as it stands, and gets the defaults', async (name) => {
  const manifest = fixture(name, name);
  manifest.metadata.name = name;
  const made = await cluster.api.create(KmsSecrets, 'hanzo', manifest);
  expect(made.spec).toMatchObject(manifest.spec);
  expect(made.spec).toMatchObject({ instantUpdates: true, suspend: false });
  expect(made.spec.managedSecretReference).toMatchObject({ creationPolicy: 'Orphan' });
});

type Change = (spec: any) => void;

/** One wrong thing each: what it is, how it gets there, and what the API server's message names. */
const wrong: [string, Change, RegExp][] = [
  ['hostAPI without a scheme', (spec) => (spec.hostAPI = 'kms.hanzo.ai'), /spec\.hostAPI/],
  ['hostAPI with a password', (spec) => (spec.hostAPI = 'https://a:b@kms.hanzo.ai'), /spec\.hostAPI/],
  ['hostAPI that is a number', (spec) => (spec.hostAPI = 7), /spec\.hostAPI/],
  ['resyncInterval below 5', (spec) => (spec.resyncInterval = 4), /spec\.resyncInterval.*5/],
  ['resyncInterval over a day', (spec) => (spec.resyncInterval = 86_401), /spec\.resyncInterval/],
  ['resyncInterval as text', (spec) => (spec.resyncInterval = '60s'), /spec\.resyncInterval/],
  ['instantUpdates as text', (spec) => (spec.instantUpdates = 'yes'), /spec\.instantUpdates/],
  ['suspend as text', (spec) => (spec.suspend = 'no'), /spec\.suspend/],
  ['no authentication', (spec) => delete spec.authentication, /spec\.authentication/],
  ['no way to log in', (spec) => (spec.authentication = {}), /universalAuth/],
  ['no credentialsRef', (spec) => delete spec.authentication.universalAuth.credentialsRef, /credentialsRef/],
  [
    'credentials without a name',
    (spec) => delete spec.authentication.universalAuth.credentialsRef.secretName,
    /credentialsRef\.secretName/,
  ],
  [
    'credentials without a namespace',
    (spec) => delete spec.authentication.universalAuth.credentialsRef.secretNamespace,
    /credentialsRef\.secretNamespace/,
  ],
  [
    'credentials of a name in capitals',
    (spec) => (spec.authentication.universalAuth.credentialsRef.secretName = 'Auth'),
    /credentialsRef\.secretName/,
  ],
  ['no secretsScope', (spec) => delete spec.authentication.universalAuth.secretsScope, /secretsScope/],
  [
    'no project',
    (spec) => delete spec.authentication.universalAuth.secretsScope.projectSlug,
    /exactly one of projectSlug and projectId/,
  ],
  [
    'a project by slug and by id',
    (spec) => (spec.authentication.universalAuth.secretsScope.projectId = 'c3f1ae62-95b5-4a3b-9d0f-3c1f3ad1f2a4'),
    /exactly one of projectSlug and projectId/,
  ],
  [
    'a project slug with a space',
    (spec) => (spec.authentication.universalAuth.secretsScope.projectSlug = 'a b'),
    /secretsScope\.projectSlug/,
  ],
  [
    'a project id that is none',
    (spec) => {
      delete spec.authentication.universalAuth.secretsScope.projectSlug;
      spec.authentication.universalAuth.secretsScope.projectId = 'gateway';
    },
    /secretsScope\.projectId/,
  ],
  ['no environment', (spec) => delete spec.authentication.universalAuth.secretsScope.envSlug, /secretsScope\.envSlug/],
  [
    'an environment in capitals',
    (spec) => (spec.authentication.universalAuth.secretsScope.envSlug = 'Prod'),
    /secretsScope\.envSlug/,
  ],
  [
    'a path that is not absolute',
    (spec) => (spec.authentication.universalAuth.secretsScope.secretsPath = 'app'),
    /secretsScope\.secretsPath/,
  ],
  [
    'recursive as text',
    (spec) => (spec.authentication.universalAuth.secretsScope.recursive = 'true'),
    /secretsScope\.recursive/,
  ],
  [
    'one secret and recursive',
    (spec) => Object.assign(spec.authentication.universalAuth.secretsScope, { recursive: true, secretName: 'A' }),
    /leave out recursive/,
  ],
  [
    'a secret without a name',
    (spec) => (spec.authentication.universalAuth.secretsScope.secretName = ''),
    /secretsScope\.secretName/,
  ],
  [
    'renewal that is neither on nor off',
    (spec) => (spec.authentication.universalAuth.renewal = {}),
    /renewal\.enabled/,
  ],
  ['nothing to keep', (spec) => delete spec.managedSecretReference, /name what is to be kept up to date/],
  [
    'a Secret without a name',
    (spec) => delete spec.managedSecretReference.secretName,
    /managedSecretReference\.secretName/,
  ],
  [
    'a Secret without a namespace',
    (spec) => delete spec.managedSecretReference.secretNamespace,
    /managedSecretReference\.secretNamespace/,
  ],
  [
    'a Secret with an empty type',
    (spec) => (spec.managedSecretReference.secretType = ''),
    /managedSecretReference\.secretType/,
  ],
  [
    'a type that has a token put into the Secret',
    (spec) => (spec.managedSecretReference.secretType = 'kubernetes.io/service-account-token'),
    /secretType.*must be Opaque, a type of your own, or one of kubernetes.io\/tls/,
  ],
  [
    'a type that lets nodes join',
    (spec) =>
      (spec.managedKubeSecretReferences = [
        { secretName: 'a', secretNamespace: 'hanzo', secretType: 'bootstrap.kubernetes.io/token' },
      ]),
    /secretType.*must be Opaque/,
  ],
  ['another creationPolicy', (spec) => (spec.managedSecretReference.creationPolicy = 'Keep'), /creationPolicy.*Owner/],
  [
    'a template that takes nothing',
    (spec) => (spec.managedSecretReference.template = { includeAllSecrets: 'all' }),
    /includeAllSecrets/,
  ],
  ['a template with a number', (spec) => (spec.managedSecretReference.template = { data: { A: 1 } }), /template\.data/],
  [
    'the same Secret twice',
    (spec) => (spec.managedKubeSecretReferences = [spec.managedSecretReference, spec.managedSecretReference]),
    /managedKubeSecretReferences/,
  ],
  [
    'the first Secret again in the list',
    (spec) => (spec.managedKubeSecretReferences = [spec.managedSecretReference]),
    /managedSecretReference.*again/,
  ],
  [
    'a ConfigMap without a name',
    (spec) => (spec.managedKubeConfigMapReferences = [{ configMapNamespace: 'hanzo' }]),
    /configMapName/,
  ],
  ['tls without a certificate', (spec) => (spec.tls = {}), /tls\.caRef/],
  ['a certificate without a Secret', (spec) => (spec.tls = { caRef: { key: 'ca.crt' } }), /tls\.caRef\.secret/],
  ['required keys that are one text', (spec) => (spec.requiredKeys = 'A'), /requiredKeys/],
  ['a required key twice', (spec) => (spec.requiredKeys = ['A', 'A']), /requiredKeys/],
];

test.each(wrong)('%s is refused by the API server, which names the field', async (name, change, message) => {
  const manifest = fixture('hip-27-full', 'wrong');
  change(manifest.spec);
  const refusal = await cluster.api.create(KmsSecrets, 'hanzo', manifest).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(refusal, name).toBeInstanceOf(KubernetesError);
  expect(refusal).toMatchObject({ status: 422, message: expect.stringMatching(message) });
});

test('a field that nobody knows is refused to whoever asks for it, as kubectl does', async () => {
  const manifest = fixture('hip-27-full', 'typo');
  manifest.spec.resyncIntervall = 30;
  const path = `${cluster.plane.url}/apis/secrets.lux.network/v1alpha1/namespaces/hanzo/kmssecrets?fieldValidation=Strict`;
  expect(await cluster.raw('POST', path, manifest)).toMatchObject({
    status: 400,
    body: { message: expect.stringContaining('unknown field "spec.resyncIntervall"') },
  });
});

test('kubectl shows what people look for, by the short name and by the category', async () => {
  await cluster.api.create(KmsSecrets, 'hanzo', { ...fixture('hip-27-full', 'shown') } as KmsSecret);
  const table = await cluster.kubectl('get', 'kmss', '-n', 'hanzo', 'shown-kms-sync');
  expect(table.split('\n')[0]!.trim().split(/\s+/)).toEqual([
    'NAME',
    'READY',
    'PROJECT',
    'ENVIRONMENT',
    'SECRET',
    'SYNCED',
    'AGE',
  ]);
  expect(table).toMatch(/shown-kms-sync\s+shown\s+production\s+shown-secrets/);
  expect(await cluster.kubectl('get', 'hanzo', '-n', 'hanzo')).toContain('shown-kms-sync');
});

test('kubectl explains each field', async () => {
  const told = await cluster.kubectl('explain', 'kmssecret.spec.authentication.universalAuth.secretsScope');
  for (const field of ['projectSlug', 'projectId', 'envSlug', 'secretsPath', 'recursive', 'secretName'])
    expect(told).toContain(field);
  expect(told).toContain('Path within the environment');
});
