import { readFileSync } from 'node:fs';
import * as pulumi from '@pulumi/pulumi';
import { App } from 'cdk8s';
import { beforeAll, expect, test } from 'vitest';
import { KmsInstallation } from '../../constructs/index.ts';
import { KmsCluster, type KmsClusterArgs } from '../../stacks/index.ts';

/** The component with Pulumi's mocks, for every option. */

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

const inventory = readFileSync(new URL('../../examples/hanzo/kms.yaml', import.meta.url), 'utf8');
const services = [{ name: 'gateway' }, { name: 'iam', project: 'hanzo-iam' }];
const settled = <Value>(output: pulumi.Output<Value>) => new Promise<Value>((resolve) => output.apply(resolve));

async function deployAnew(args: KmsClusterArgs) {
  registered = [];
  const cluster = new KmsCluster('kms', args);
  const outputs = {
    namespace: await settled(cluster.namespace),
    namespaces: await settled(cluster.namespaces),
    url: await settled(cluster.url),
    publicUrl: await settled(cluster.publicUrl),
    secretNames: await settled(cluster.secretNames),
    nextSteps: await settled(cluster.nextSteps),
  };
  await pulumi.runtime.disconnect();
  return { outputs, registered };
}

const deployed = new Map<KmsClusterArgs, ReturnType<typeof deployAnew>>();

/** Of one and the same settings once: what was registered is looked at by many tests. */
async function deploy(args: KmsClusterArgs) {
  const run = deployed.get(args) ?? deployAnew(args);
  deployed.set(args, run);
  const { outputs } = await run;
  ({ registered } = await run);
  return outputs;
}

const everything: KmsClusterArgs = {
  namespaces: ['team'],
  tls: { enabled: true, issuer: { name: 'inside' } },
  ingress: { controller: 'traefik' },
  postgres: { mode: 'bundled' },
  redis: { mode: 'bundled' },
  operator: { autoReloadNamespaces: ['hanzo'] },
  availability: { autoscaling: { minReplicas: 2, maxReplicas: 6 } },
  monitoring: { enabled: true },
  services: [...services, { name: 'flow', namespace: 'team' }],
  bootstrap: { enabled: true, inventory, makeSecrets: { enabled: true } },
};

const cnpg: KmsClusterArgs = {
  kubernetesVersion: '1.29',
  operator: { onlyNamed: true },
  services,
  postgres: {
    mode: 'cloudnativepg',
    backup: { destinationPath: 's3://hanzo-backups/kms', credentialsSecretName: 'backups' },
  },
  redis: { mode: 'none' },
};

const address = ({ kind, metadata }: any) => `${kind} ${metadata.namespace ?? ''}/${metadata.name}`;
const objects = () => registered.filter(({ type }) => type.startsWith('kubernetes:'));

test.each<[string, KmsClusterArgs]>([
  ['hanzo-k8s', { services, monitoring: { enabled: true }, bootstrap: { enabled: true, inventory } }],
  ['everything that comes with it', everything],
  ['CloudNativePG', cnpg],
  ['the least', { ingress: { enabled: false }, operator: { enabled: false }, networkPolicies: { enabled: false } }],
])('of %s every rendered object is one resource, and equal to it', async (_, args) => {
  await deploy(args);
  const rendered = new KmsInstallation(new App(), 'kms', args).toJson();
  const byAddress = new Map(objects().map(({ inputs }) => [address(inputs), inputs]));
  expect([...byAddress.keys()].sort()).toEqual(rendered.map(address).sort());
  expect(new Set(registered.map(({ name }) => name)).size).toBe(registered.length);
  for (const object of rendered) {
    const { metadata, ...rest } = byAddress.get(address(object))!;
    const annotations = Object.fromEntries(
      Object.entries(metadata.annotations).filter(([name]) => !name.startsWith('pulumi.com/')),
    );
    expect({ ...rest, metadata: { ...metadata, annotations } }).toEqual(
      JSON.parse(
        JSON.stringify({
          ...object,
          // A Secret's own class adds nothing; others add what they are.
          metadata: { ...object.metadata, annotations: object.metadata.annotations ?? {} },
        }),
      ),
    );
  }
});

test('names follow from kind, namespace and name', async () => {
  await deploy({ ...everything, services: [{ name: 'gateway' }] });
  expect(registered.map(({ name }) => name)).toEqual(
    expect.arrayContaining([
      'customresourcedefinition-kmssecrets.secrets.lux.network',
      'deployment-hanzo-kms',
      'statefulset-hanzo-kms-postgres',
      'clusterrole-kms-operator',
      'kmssecret-hanzo-gateway-kms-sync',
      'namespace-team',
    ]),
  );
});

test('another inventory is a replacement of the Job, and no stranger', async () => {
  const named = async (text: string) => {
    await deploy({ services, bootstrap: { enabled: true, inventory: text } });
    const found = objects().filter(({ inputs }) => /^(Job|ConfigMap)$/.test(inputs.kind));
    return found.map(({ name, inputs }) => [name, inputs.metadata.name]);
  };
  const [before, after] = [await named(inventory), await named(`${inventory}\n# more\n`)];
  expect(after.map(([resource]) => resource)).toEqual(before.map(([resource]) => resource));
  expect(before.map(([resource]) => resource)).toEqual([
    'configmap-hanzo-kms-bootstrap-inventory',
    'job-hanzo-kms-bootstrap',
  ]);
  expect(after.map(([, name]) => name)).not.toEqual(before.map(([, name]) => name));
});

test('each of Kubernetes’ own kinds is typed, and only those of others are custom', async () => {
  await deploy(everything);
  for (const { type, inputs } of objects()) {
    const group = inputs.apiVersion.includes('/') ? inputs.apiVersion : `core/${inputs.apiVersion}`;
    expect(type).toBe(`kubernetes:${group}:${inputs.kind}`);
  }
  const source = readFileSync(new URL('../../stacks/objects.ts', import.meta.url), 'utf8');
  const typed = [...source.matchAll(/^ {2}'(\S+) (\S+)': \(/gm)].map(([, version, kind]) => `${version} ${kind}`);
  const custom = objects().filter(({ inputs }) => !typed.includes(`${inputs.apiVersion} ${inputs.kind}`));
  expect(new Set(custom.map(({ inputs }) => inputs.apiVersion.split('/')[0]))).toEqual(
    new Set(['secrets.lux.network', 'monitoring.coreos.com', 'traefik.io', 'cert-manager.io']),
  );
});

test("no Secret, and no namespace of the root key, is Pulumi's", async () => {
  await deploy(everything);
  expect(objects().filter(({ type }) => /:(Secret|SecretPatch)$/.test(type))).toEqual([]);
  const namespaces = objects().filter(({ type }) => type.endsWith(':Namespace'));
  expect(namespaces.map(({ inputs }) => inputs.metadata.name)).toEqual(['team']);
  const deployment = registered.find(({ name }) => name === 'deployment-hanzo-kms');
  expect(deployment?.inputs.spec.template.spec.containers[0].envFrom).toEqual([{ secretRef: { name: 'kms-secrets' } }]);
});

test('values that Pulumi is to hold are secret before they are anything else, and never stringData', async () => {
  const values = {
    rootEncryptionKey: 'the-root-key',
    authSecret: 'the-auth-secret',
    dbConnectionUri: 'postgresql://db',
  };
  await deploy({ services, secrets: values });
  const secret = registered.find(({ name }) => name === 'secret-hanzo-kms-secrets')!;
  expect(secret.type).toBe('kubernetes:core/v1:Secret');
  const { data, ...rest } = secret.inputs;
  expect(JSON.stringify(rest)).not.toMatch(/stringData|the-root-key/);
  expect(await pulumi.isSecret(pulumi.output(data))).toBe(false);
  const { managedSecret } = await import('../../stacks/managed-secrets.ts');
  const { settings } = new KmsInstallation(new App(), 'kms');
  const made = managedSecret(settings, values) as unknown as { data: Record<string, pulumi.Output<string>> };
  for (const value of Object.values(made.data)) expect(await pulumi.isSecret(value)).toBe(true);
  expect(Buffer.from(await settled(made.data.AUTH_SECRET!), 'base64').toString()).toBe('the-auth-secret');
});

test('every object wins over a field that was set by hand, under one manager', async () => {
  await deploy(everything);
  for (const { inputs } of objects())
    expect(inputs.metadata.annotations).toMatchObject({
      'pulumi.com/patchForce': 'true',
      'pulumi.com/patchFieldManager': 'hanzo-kms',
    });
});

test('a KMSSecret is not waited for, since what makes it ready comes after it, and all else is', async () => {
  await deploy(everything);
  const skipped = objects().filter(({ inputs }) => inputs.metadata.annotations['pulumi.com/skipAwait'] === 'true');
  expect(new Set(skipped.map(({ inputs }) => inputs.kind))).toEqual(new Set(['KMSSecret']));
  expect(skipped).toHaveLength(3);
});

test('nothing is taken from Helm, nor from Secrets that are there', async () => {
  await deploy(everything);
  expect(objects().filter(({ type }) => type.includes('helm'))).toEqual([]);
  const { readdirSync } = await import('node:fs');
  for (const folder of [
    'stacks',
    'constructs',
    'stacks/hanzo-k8s',
    'constructs/installation',
    'constructs/bootstrap',
  ]) {
    const url = new URL(`../../${folder}/`, import.meta.url);
    for (const file of readdirSync(url).filter((name) => name.endsWith('.ts')))
      expect(readFileSync(new URL(file, url), 'utf8')).not.toMatch(
        /kubernetes\.helm\b|new (Helm|Include)\(|Secret\.get\(|stringData:/,
      );
  }
});

test('an autoscaled Deployment names no number of replicas', async () => {
  const replicas = async (args: KmsClusterArgs) => {
    await deploy(args);
    return registered.find(({ name }) => name === 'deployment-hanzo-kms')!.inputs.spec.replicas;
  };
  expect(await replicas({ replicas: 3 })).toBe(3);
  expect(await replicas({ availability: { autoscaling: { minReplicas: 2, maxReplicas: 6 } } })).toBeUndefined();
});

test('the outputs say where KMS is, which Secrets it keeps, and what to run next', async () => {
  const outputs = await deploy({
    namespace: 'lux',
    services: [{ name: 'gateway' }, { name: 'flow', namespace: 'team' }],
  });
  expect(outputs).toEqual({
    namespace: 'lux',
    namespaces: ['lux', 'team'],
    url: 'http://kms.lux.svc:8080',
    publicUrl: 'https://kms.hanzo.ai',
    secretNames: { gateway: 'gateway-secrets', flow: 'flow-secrets' },
    nextSteps: [
      'kubectl -n lux rollout status deployment/kms',
      'KMS_URL=https://kms.hanzo.ai npx kms-bootstrap apply -f kms.yaml',
      'kubectl -n lux wait --for=condition=Ready kmssecret --all --timeout=5m',
      'kubectl -n team wait --for=condition=Ready kmssecret --all --timeout=5m',
    ],
  });
  const { nextSteps } = await deploy({ services, bootstrap: { enabled: true, inventory } });
  expect(nextSteps[1]).toMatch(/^kubectl -n hanzo logs job\/kms-bootstrap-[0-9a-f]{10}$/);
});

test('everything that is wrong is refused at once, with its place', () => {
  expect(() => new KmsCluster('kms', { replicas: 0, services: [{ name: 'Gateway' }] })).toThrow(
    /replicas: .*\n\s+services\.0\.name: must be a name/,
  );
  expect(() => new KmsCluster('kms', { services: [{ name: 'gateway', project: 'Gateway' }] })).toThrow(
    /services\.0\.project: a slug/,
  );
});
