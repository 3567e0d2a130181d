import { expect, test } from 'vitest';
import { KEPT_BY_ANNOTATION, type KmsSecret, targetsOf } from '../../operator/kms-secret.ts';
import { Owners } from '../../operator/sync/owners.ts';

const kmsSecret = (namespace: string, name: string, to: string, age: number): KmsSecret =>
  ({
    metadata: { namespace, name, uid: `${namespace}/${name}`, creationTimestamp: `2026-01-0${age}T00:00:00Z` },
    spec: {
      authentication: { universalAuth: { credentialsRef: { secretName: 'auth', secretNamespace: namespace } } },
      managedSecretReference: { secretName: 'gateway-secrets', secretNamespace: to, creationPolicy: 'Orphan' },
    },
  }) as unknown as KmsSecret;

const evil = kmsSecret('evil', 'first', 'hanzo', 1);
const good = kmsSecret('hanzo', 'gateway', 'hanzo', 2);
const [target] = targetsOf(good) as [ReturnType<typeof targetsOf>[number]];
const nobody = () => false;

function owners(...kmsSecrets: KmsSecret[]): Owners {
  const made = new Owners();
  for (const one of kmsSecrets) made.change(undefined, one);
  return made;
}

test('who may not write an object keeps nobody from it by naming it first', () => {
  expect(owners(evil, good).rivalOf(good, target, undefined, nobody)).toBeUndefined();
});

test('nor by a mark on it', () => {
  const marked = { metadata: { annotations: { [KEPT_BY_ANNOTATION]: 'evil/first' } } };
  expect(owners(evil, good).rivalOf(good, target, marked, nobody)).toBeUndefined();
});

test('where it may, the first of the two keeps it', () => {
  const allows = (namespace: string, from: string) => namespace === 'hanzo' && from === 'evil';
  expect(owners(evil, good).rivalOf(good, target, undefined, allows)).toBe('evil/first');
  expect(owners(evil, good).rivalOf(evil, target, undefined, allows)).toBeUndefined();
});

test('what nobody may name is not followed', () => {
  const far = kmsSecret('evil', 'far', 'kube-system', 3);
  expect([...owners(evil, good, far).objects(nobody)].toSorted()).toEqual([
    'Secret/evil/auth',
    'Secret/hanzo/auth',
    'Secret/hanzo/gateway-secrets',
  ]);
});
