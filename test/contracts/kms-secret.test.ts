import { expect, test } from 'vitest';
import { KmsSecret } from '../../contracts/index.ts';

/** A KMSSecret with every field that has no default, changed by the case. */
function manifest(change: (resource: any) => void = () => {}) {
  const resource = {
    apiVersion: 'secrets.lux.network/v1alpha1',
    kind: 'KMSSecret',
    metadata: { name: 'zen-kms-sync' },
    spec: {
      authentication: {
        universalAuth: {
          credentialsRef: { secretName: 'zen-kms-auth', secretNamespace: 'hanzo' },
          secretsScope: { projectSlug: 'zen', envSlug: 'production' },
        },
      },
      managedSecretReference: { secretName: 'zen-secrets', secretNamespace: 'hanzo' },
    },
  };
  change(resource);
  return resource;
}

test('what is left out has its default', () => {
  const { spec } = KmsSecret.parse(manifest());
  expect(spec).toMatchObject({
    hostAPI: 'https://kms.hanzo.ai',
    resyncInterval: 60,
    authentication: { universalAuth: { secretsScope: { secretsPath: '/' } } },
    managedSecretReference: { secretType: 'Opaque' },
  });
});

test('the environment stays as it was written', () => {
  const { spec } = KmsSecret.parse(manifest());
  expect(spec.authentication.universalAuth.secretsScope.envSlug).toBe('production');
});

test.each<{ name: string; change: (resource: any) => void; at: string }>([
  { name: 'another version', change: (r) => (r.apiVersion = 'secrets.lux.network/v1'), at: 'apiVersion' },
  { name: 'another kind', change: (r) => (r.kind = 'InfisicalSecret'), at: 'kind' },
  { name: 'no spec', change: (r) => delete r.spec, at: 'spec' },
  { name: 'no name', change: (r) => delete r.metadata.name, at: 'metadata.name' },
  { name: 'a name in capitals', change: (r) => (r.metadata.name = 'Zen'), at: 'metadata.name' },
  { name: 'a mistyped field', change: (r) => (r.spec.resyncIntervall = 60), at: 'spec' },
  { name: 'an interval in words', change: (r) => (r.spec.resyncInterval = '60s'), at: 'spec.resyncInterval' },
  { name: 'four seconds', change: (r) => (r.spec.resyncInterval = 4), at: 'spec.resyncInterval' },
  { name: 'half a second', change: (r) => (r.spec.resyncInterval = 5.5), at: 'spec.resyncInterval' },
  { name: 'an address without a scheme', change: (r) => (r.spec.hostAPI = 'kms.hanzo.ai'), at: 'spec.hostAPI' },
  { name: 'an address with a password', change: (r) => (r.spec.hostAPI = 'https://a:b@kms'), at: 'spec.hostAPI' },
  {
    name: 'no credentials',
    change: (r) => delete r.spec.authentication.universalAuth.credentialsRef,
    at: 'spec.authentication.universalAuth.credentialsRef',
  },
  {
    name: 'a project in capitals',
    change: (r) => (r.spec.authentication.universalAuth.secretsScope.projectSlug = 'Zen'),
    at: 'spec.authentication.universalAuth.secretsScope.projectSlug',
  },
  {
    name: 'a path that climbs',
    change: (r) => (r.spec.authentication.universalAuth.secretsScope.secretsPath = '/../other'),
    at: 'spec.authentication.universalAuth.secretsScope.secretsPath',
  },
  { name: 'no target', change: (r) => delete r.spec.managedSecretReference, at: 'spec' },
  {
    name: 'a namespace with a dot',
    change: (r) => (r.spec.managedSecretReference.secretNamespace = 'a.b'),
    at: 'spec.managedSecretReference.secretNamespace',
  },
  {
    name: 'a target with an underscore',
    change: (r) => (r.spec.managedSecretReference.secretName = 'zen_secrets'),
    at: 'spec.managedSecretReference.secretName',
  },
])('a KMSSecret with $name is refused at its place', ({ change, at }) => {
  const { success, error } = KmsSecret.safeParse(manifest(change));
  expect(success).toBe(false);
  expect(error?.issues.map(({ path }) => path.join('.'))).toEqual([at]);
});
