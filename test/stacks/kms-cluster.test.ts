import * as pulumi from '@pulumi/pulumi';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { services } from '../../stacks/hanzo-k8s/services.ts';
import { KmsCluster } from '../../stacks/index.ts';

interface Registered {
  readonly type: string;
  readonly name: string;
  readonly inputs: Record<string, any>;
}
let registered: Registered[] = [];

beforeAll(async () => {
  await pulumi.runtime.setMocks({
    newResource: ({ type, name, inputs }) => {
      registered.push({ type, name, inputs });
      return { id: name, state: inputs };
    },
    call: ({ inputs }) => inputs,
  });
});
beforeEach(() => {
  registered = [];
});

const settled = <Value>(output: pulumi.Output<Value>) => new Promise<Value>((resolve) => output.apply(resolve));

async function deploy(args: ConstructorParameters<typeof KmsCluster>[1] = { services }) {
  const cluster = new KmsCluster('kms', args);
  const outputs = {
    namespace: await settled(cluster.namespace),
    url: await settled(cluster.url),
    secretNames: await settled(cluster.secretNames),
  };
  await pulumi.runtime.disconnect();
  return outputs;
}

test('every object of the constructs becomes one resource of a stable name', async () => {
  await deploy();
  const names = registered.map(({ name }) => name).filter((name) => name !== 'kms');
  expect(new Set(names).size).toBe(names.length);
  expect(names.sort()).toEqual(
    [
      'customresourcedefinition-kmssecrets.secrets.lux.network',
      'deployment-hanzo-kms',
      'service-hanzo-kms',
      'serviceaccount-hanzo-kms',
      'deployment-hanzo-kms-operator',
      'serviceaccount-hanzo-kms-operator',
      ...['clusterrole-kms-operator', 'clusterrolebinding-kms-operator'],
      ...['role', 'rolebinding'].flatMap((kind) => [
        `${kind}-hanzo-kms-operator`,
        `${kind}-hanzo-kms-operator-secrets`,
      ]),
      'validatingadmissionpolicy-kmssecrets.secrets.lux.network',
      'validatingadmissionpolicybinding-kmssecrets.secrets.lux.network',
      ...services.map(({ name }) => `kmssecret-hanzo-${name}-kms-sync`),
    ].sort(),
  );
});

test('the resources are typed, and KMSSecrets are custom', async () => {
  await deploy({ services: [{ name: 'gateway' }] });
  const typeOf = (name: string) => registered.find((resource) => resource.name === name)?.type;
  expect(typeOf('deployment-hanzo-kms')).toBe('kubernetes:apps/v1:Deployment');
  expect(typeOf('kmssecret-hanzo-gateway-kms-sync')).toBe('kubernetes:secrets.lux.network/v1alpha1:KMSSecret');
});

test("no Secret and no namespace is Pulumi's to delete", async () => {
  await deploy();
  expect(registered.filter(({ type }) => /:(Secret|Namespace)$/.test(type))).toEqual([]);
  const deployment = registered.find(({ name }) => name === 'deployment-hanzo-kms');
  expect(deployment?.inputs.spec.template.spec.containers[0].envFrom).toEqual([{ secretRef: { name: 'kms-secrets' } }]);
});

test('the outputs say where KMS is and which Secrets it keeps', async () => {
  expect(await deploy({ services: [{ name: 'gateway' }], namespace: 'lux' })).toEqual({
    namespace: 'lux',
    url: 'http://kms.lux.svc:8080',
    secretNames: { gateway: 'gateway-secrets' },
  });
});

test('a wrong setting is refused with the construct and the reason', () => {
  expect(() => new KmsCluster('kms', { services: [{ name: 'gateway', project: 'Gateway' }] })).toThrow(
    /\[secrets\/gateway\].*projectSlug: a slug/,
  );
});
