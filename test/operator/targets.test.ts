import { expect, test } from 'vitest';
import { KEPT_BY_ANNOTATION, type KmsSecret, MADE_ANNOTATION, type Target } from '../../operator/kms-secret.ts';
import { type KeptObject, keepSecret } from '../../operator/kubernetes/kept-object.ts';
import type { KubernetesObject, Metadata, Secret } from '../../operator/kubernetes/resources.ts';
import { isAsWanted, mayWrite, writeTarget } from '../../operator/sync/targets.ts';

/** Who may write KMSSecrets need not be allowed to write, change or delete Secrets. */

const owner = { metadata: { namespace: 'hanzo', name: 'a', uid: 'u' } } as KmsSecret;
const target: Target = {
  ...{ kind: 'Secret', namespace: 'hanzo', name: 's', type: 'Opaque' },
  ...{ creationPolicy: 'Owner', template: undefined },
};
const nobody = { keeper: undefined, reader: undefined, isReserved: false };
const live = (metadata: Partial<Metadata>, data: Secret['data'] = {}): KeptObject =>
  keepSecret({ metadata: { name: 's', namespace: 'hanzo', ...metadata }, type: 'Opaque', data }, String);

async function applied(as: Target, over: KeptObject | undefined): Promise<Metadata> {
  const bodies: KubernetesObject[] = [];
  const api = { apply: async (_of: unknown, body: KubernetesObject) => bodies.push(body) };
  await writeTarget(api as never, owner, as, new Map(), over);
  return bodies[0]!.metadata;
}

test('a Secret that was there before is adopted, and never deleted with its KMSSecret', async () => {
  const byHand = live({ resourceVersion: '1' });
  const { ownerReferences, annotations } = await applied(target, byHand);
  expect(ownerReferences).toBeUndefined();
  expect(annotations).toEqual({ [KEPT_BY_ANNOTATION]: 'hanzo/a' });
  const adopted = live({ annotations: annotations!, labels: { 'app.kubernetes.io/managed-by': 'kms-operator' } });
  expect(isAsWanted(adopted, owner, target, new Map())).toBe(true);
});

test('one that it made is, also when the KMSSecret wants that later', async () => {
  const made = await applied({ ...target, creationPolicy: 'Orphan' }, undefined);
  expect(made).toMatchObject({ annotations: { [MADE_ANNOTATION]: 'true' } });
  expect(made.ownerReferences).toBeUndefined();
  expect((await applied(target, live(made))).ownerReferences).toMatchObject([{ uid: 'u' }]);
});

test.each(['kept-by', 'made-by-operator', 'renewal', 'anything'])(
  "a template does not set the operator's own mark %s",
  (name) => {
    for (const of of ['labels', 'annotations']) {
      const metadata = { [of]: { [`secrets.lux.network/${name}`]: 'true' } };
      const marked = { ...target, template: { includeAllSecrets: true, metadata } };
      expect(() => mayWrite(undefined, marked, owner, nobody)).toThrow(/the operator's own/);
    }
  },
);

test.each([
  'kubernetes.io/service-account-token',
  'bootstrap.kubernetes.io/token',
  'kubernetes.io/anything',
  'node.k8s.io/x',
  'helm.sh/release.v1',
])('no Secret of the type %s is made, whatever the CRD lets through', (type) => {
  expect(() => mayWrite(undefined, { ...target, type }, owner, nobody)).toThrow(/makes things happen/);
});

test.each(['Opaque', 'kubernetes.io/tls', 'kubernetes.io/dockerconfigjson', 'example.com/mine', 'mykubernetes.io/x'])(
  'one of the type %s is',
  (type) => {
    expect(() => mayWrite(undefined, { ...target, type }, owner, nobody)).not.toThrow();
  },
);

test('what another KMSSecret logs in with is not adopted', () => {
  expect(() => mayWrite(live({}), target, owner, { ...nobody, reader: 'hanzo/b' })).toThrow(
    'the Secret hanzo/s holds what the KMSSecret hanzo/b logs in with',
  );
  const kept = live({ annotations: { [KEPT_BY_ANNOTATION]: 'hanzo/a' } });
  expect(() => mayWrite(kept, target, owner, { ...nobody, reader: 'hanzo/b' })).not.toThrow();
});

test('what KMS itself starts from is not adopted, nor made', () => {
  for (const there of [undefined, live({})])
    expect(() => mayWrite(there, target, owner, { ...nobody, isReserved: true })).toThrow('others live by');
});

test('a Secret of two hundred thousand keys is no more in memory than one of none', () => {
  const data = Object.fromEntries(Array.from({ length: 200_000 }, (_, n) => [`k${n}`, '']));
  const kept = live({}, data);
  expect(kept.digests.size).toBe(0);
  expect(() => mayWrite(kept, target, owner, nobody)).toThrow(/more than 5000 keys/);
});

test.each(['dockerconfigjson', 'dockercfg'])('no letter of a value that is no JSON is told for %s', async (type) => {
  const wanted = { ...target, type: `kubernetes.io/${type}` };
  const content = new Map([[`.${type}`, 'hunter2']]);
  const written = writeTarget({} as never, owner, wanted, content, undefined);
  await expect(written).rejects.toMatchObject({
    reason: 'KubernetesRefused',
    message: `the Secret hanzo/s of the type kubernetes.io/${type} holds no JSON in .${type}`,
  });
});
