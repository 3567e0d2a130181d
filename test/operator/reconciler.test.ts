import { expect, test } from 'vitest';
import type { KmsSecret } from '../../operator/kms-secret.ts';
import type { KeptObject } from '../../operator/kubernetes/kept-object.ts';
import { keepSecret } from '../../operator/kubernetes/kept-object.ts';
import type { Secret } from '../../operator/kubernetes/resources.ts';
import { Owners } from '../../operator/sync/owners.ts';
import { Reconciler, type ReconcilerParts } from '../../operator/sync/reconciler.ts';

const place = (name: string) => ({ secretName: name, secretNamespace: 'hanzo' });
const kmsSecret = {
  metadata: { name: 'a', namespace: 'hanzo', uid: 'u', generation: 1 },
  spec: {
    hostAPI: 'http://kms',
    resyncInterval: 3600,
    instantUpdates: true,
    suspend: false,
    authentication: {
      universalAuth: {
        credentialsRef: place('a-kms-auth'),
        secretsScope: { projectSlug: 'a', envSlug: 'prod', secretsPath: '/', recursive: false },
      },
    },
    managedSecretReference: { ...place('a-secrets'), secretType: 'Opaque', creationPolicy: 'Orphan' },
  },
} as unknown as KmsSecret;

/** A reconciler of one KMSSecret, in a cluster that holds what is applied, and with a KMS that says how often it was asked. */
function world(onLook: (reconciler: Reconciler, asked: number) => void) {
  const digest = (value: string | Buffer) => String(value);
  const kept = new Map<string, KeptObject>();
  const auth = { data: { clientId: 'aWQ=', clientSecret: 'c2VjcmV0' }, metadata: { name: 'a-kms-auth' } };
  let asked = 0;
  const look = async () => {
    asked++;
    const secrets = [{ secretKey: 'A', secretValue: String(asked), secretPath: '/' }];
    onLook(reconciler, asked);
    return { secrets, imports: [], folder: { id: 'f', projectId: 'p', changeId: String(asked) }, etag: String(asked) };
  };
  const apply = async (_of: unknown, object: Secret) => {
    if (object.data) kept.set(object.metadata.name, keepSecret(object, digest));
    return object;
  };
  const client = { key: 'k', kms: { identityId: 'i', secrets: { look } } };
  const reconciler = new Reconciler({
    ...{ digest, owners: new Owners(), leading: new AbortController().signal },
    api: { get: async () => auth, apply, now: () => new Date() },
    objects: { ready: async () => {}, get: (_kind: string, _namespace: string, name: string) => kept.get(name) },
    clients: { use: () => client, release: () => {}, hasSuccessor: () => false },
    streams: { listen: () => {}, release: () => {} },
    events: { record: async () => {} },
    ...{ isCurrent: () => true, allows: () => true, lagging: async () => undefined },
    ...{ renewal: () => undefined, onSynced: () => {} },
  } as unknown as ReconcilerParts);
  return { reconciler, asked: () => asked };
}

test('KMS is asked again when its interval is over, and not before', async () => {
  const { reconciler, asked } = world(() => {});
  const { againInMs } = await reconciler.reconcile(kmsSecret);
  expect(againInMs).toBeGreaterThan(1000 * 60);
  await reconciler.reconcile(kmsSecret);
  expect(asked()).toBe(1);
});

test('a change that is heard of while KMS answers has it asked once more', async () => {
  const { reconciler, asked } = world((made, count) => {
    if (count === 1) made.look('hanzo/a');
  });
  expect((await reconciler.reconcile(kmsSecret)).againInMs).toBe(0);
  await reconciler.reconcile(kmsSecret);
  expect(asked()).toBe(2);
  await reconciler.reconcile(kmsSecret);
  expect(asked()).toBe(2);
});
