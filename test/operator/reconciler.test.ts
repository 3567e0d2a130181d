import { expect, test } from 'vitest';
import type { KmsSecret, Target } from '../../operator/kms-secret.ts';
import { KubernetesError } from '../../operator/kubernetes/errors.ts';
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
function world(
  onLook: (reconciler: Reconciler, asked: number) => void,
  parts: {
    isSteady?: boolean;
    allows?: ReconcilerParts['allows'];
    get?: (of: { kind: string }, place: { name: string }) => unknown;
  } = {},
) {
  const digest = (value: string | Buffer) => String(value);
  const kept = new Map<string, KeptObject>();
  const events: { reason: string; note: string }[] = [];
  const said: string[] = [];
  const told: KmsSecret['status'][] = [];
  const auth = { data: { clientId: 'aWQ=', clientSecret: 'c2VjcmV0' }, metadata: { name: 'a-kms-auth' } };
  let asked = 0;
  const look = async () => {
    asked++;
    const secrets = [{ secretKey: 'A', secretValue: String(parts.isSteady || asked), secretPath: '/' }];
    onLook(reconciler, asked);
    return {
      secrets,
      imports: [],
      folder: { id: 'f', projectId: 'p', changeId: String(parts.isSteady || asked) },
      etag: String(asked),
    };
  };
  const apply = async (_of: unknown, object: Secret) => {
    const { status } = object as unknown as KmsSecret;
    const synced = status?.conditions?.find(({ type }) => type === 'Synced');
    if (synced) {
      said.push(synced.reason);
      told.push(status);
      return { ...object, metadata: { ...object.metadata, uid: 'u', resourceVersion: String(said.length) } };
    }
    if (object.data) kept.set(object.metadata.name, keepSecret(object, digest));
    return object;
  };
  const client = { key: 'k', kms: { identityId: 'i', secrets: { look } } };
  const reconciler = new Reconciler({
    ...{ digest, owners: new Owners(), leading: new AbortController().signal },
    api: { get: async (of: never, at: never) => parts.get?.(of, at) ?? auth, apply, now: () => new Date() },
    objects: { ready: async () => {}, get: (_kind: string, _namespace: string, name: string) => kept.get(name) },
    clients: { use: () => client, release: () => {}, hasSuccessor: () => false },
    streams: { listen: () => {}, release: () => {} },
    events: { record: async (_about: unknown, event: { reason: string; note: string }) => events.push(event) },
    ...{ isCurrent: () => true, allows: parts.allows ?? (() => true), lagging: async () => undefined },
    isReserved: () => false,
    ...{ renewal: () => undefined, onSynced: () => {} },
  } as unknown as ReconcilerParts);
  return { reconciler, kept, events, said, told, asked: () => asked };
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

const abroad = {
  ...kmsSecret,
  spec: {
    ...kmsSecret.spec,
    managedSecretReference: { ...kmsSecret.spec.managedSecretReference!, secretNamespace: 'b' },
  },
};

test('a namespace that takes back what it allowed, while KMS takes its time, is not written to', async () => {
  let isAllowed = true;
  const { reconciler, kept, said } = world(() => (isAllowed = false), { allows: () => isAllowed });
  await expect(reconciler.reconcile(abroad)).rejects.toMatchObject({ reason: 'NamespaceNotAllowed' });
  expect(kept.size).toBe(0);
  expect(said).toEqual(['NamespaceNotAllowed']);
});

test('what it names no more, and has no right to any more, stays: said once, and what it names is in sync', async () => {
  let asked = 0;
  const { reconciler, events, said } = world(() => {}, {
    get: (_of, { name }) => {
      if (name !== 'former') return undefined;
      asked++;
      throw new KubernetesError(403, 'Forbidden', 'secrets "former" is forbidden');
    },
  });
  const former: Target = {
    kind: 'Secret',
    namespace: 'hanzo',
    name: 'former',
    creationPolicy: 'Owner',
    template: undefined,
  };
  reconciler.stray('hanzo/a', former);
  await reconciler.reconcile(kmsSecret);
  await reconciler.reconcile(kmsSecret);
  expect(asked).toBe(1);
  expect(events.filter(({ reason }) => reason === 'KubernetesRefused').map(({ note }) => note)).toEqual([
    'Secret/hanzo/former is named no more, and stays as it is: secrets "former" is forbidden',
  ]);
  expect(new Set(said)).toEqual(new Set(['Synced']));
});

test('what it cannot let go of for another reason is tried again', async () => {
  let asked = 0;
  const { reconciler } = world(() => {}, {
    get: (_of, { name }) => {
      if (name === 'former' && ++asked === 1) throw new KubernetesError(500, '', 'etcd is away');
      return name === 'former' ? { metadata: { name } } : undefined;
    },
  });
  reconciler.stray('hanzo/a', {
    kind: 'Secret',
    namespace: 'hanzo',
    name: 'former',
    creationPolicy: 'Orphan',
    template: undefined,
  });
  await expect(reconciler.reconcile(kmsSecret)).rejects.toThrow('etcd is away');
  await reconciler.reconcile(kmsSecret);
  await reconciler.reconcile(kmsSecret);
  expect(asked).toBe(2);
});

test('a status that was written and is not seen yet is the one that is compared with', async () => {
  let isAllowed = true;
  const { reconciler, said, told } = world(() => {}, { isSteady: true, allows: () => isAllowed });
  await reconciler.reconcile(abroad);
  // As the watch of KMSSecrets has it from now on: behind by what follows.
  const seen: KmsSecret = { ...abroad, metadata: { ...abroad.metadata, resourceVersion: '1' }, status: told.at(-1)! };
  isAllowed = false;
  await expect(reconciler.reconcile(seen)).rejects.toMatchObject({ reason: 'NamespaceNotAllowed' });
  isAllowed = true;
  await reconciler.reconcile(seen);
  expect(said).toEqual(['Synced', 'NamespaceNotAllowed', 'Synced']);
});
