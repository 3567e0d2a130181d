import { createHash } from 'node:crypto';
import { App, Chart } from 'cdk8s';
import { expect, test } from 'vitest';
import { KmsBootstrapJob, type KmsBootstrapJobProps } from '../../constructs/index.ts';

const INVENTORY = `version: 1
organizations:
  - slug: hanzo
    admins: [z@hanzo.ai]
    identities: [{ name: gateway-service }, { name: chat-service }]
  - slug: lux
    identities: [{ name: chat-service }]
`;
const GATEWAY: KmsBootstrapJobProps = { inventory: INVENTORY, services: [{ name: 'gateway' }] };
/** HIP-27's values of the chart. */
const HIP: KmsBootstrapJobProps = {
  organizations: ['hanzo', 'lux', 'zoo', 'pars'],
  adminEmails: ['z@hanzo.ai'],
  token: { secretName: 'kms-bootstrap-secret', key: 'token' },
  makeSecrets: { database: 'bundled', redis: 'bundled' },
};

function bootstrap(props: KmsBootstrapJobProps) {
  const chart = new Chart(new App(), 'chart');
  const made = new KmsBootstrapJob(chart, 'bootstrap', props);
  const objects = chart.toJson();
  const of = (kind: string) => objects.filter((object) => object.kind === kind);
  const [job] = of('Job');
  return { made, objects, of, job, container: job.spec.template.spec.containers[0] };
}

/** By namespace and name of the Role: what it opens, as `verbs resource/name`. */
const rightsOf = (props: KmsBootstrapJobProps) =>
  Object.fromEntries(
    bootstrap(props)
      .of('Role')
      .map(({ metadata, rules }) => [
        `${metadata.namespace}/${metadata.name}`,
        rules.flatMap(({ verbs, resources, resourceNames = ['*'] }: Record<string, string[]>) =>
          resourceNames!.map((name) => `${verbs} ${resources}/${name}`),
        ),
      ]),
  );

test('it is told names alone, and takes the proof from kms-secrets', () => {
  const { container, job } = bootstrap(GATEWAY);
  expect(container.command).toEqual(['kms-bootstrap', 'provision']);
  expect(container.args.join(' ')).toBe(
    '--namespace hanzo --secret-name kms-secrets --file /etc/kms-bootstrap/kms.yaml ' +
      '--mint gateway-service=hanzo/gateway-kms-auth --wait hanzo/gateway-kms-sync',
  );
  expect(container.env).toContainEqual({ name: 'KMS_URL', value: 'http://kms.hanzo.svc:8080' });
  expect(container.env).toContainEqual({
    name: 'AUTH_SECRET',
    valueFrom: { secretKeyRef: { name: 'kms-secrets', key: 'AUTH_SECRET' } },
  });
  expect(JSON.stringify(job)).not.toContain('ROOT_ENCRYPTION_KEY');
});

test('HIP-27’s organizations need no inventory', () => {
  const { container, of } = bootstrap(HIP);
  expect(container.args.join(' ')).toBe(
    '--namespace hanzo --secret-name kms-secrets --make-secrets --bundled-postgres --bundled-redis ' +
      '--organization hanzo --organization lux --organization zoo --organization pars --admin-email z@hanzo.ai ' +
      '--token-secret kms-bootstrap-secret/token',
  );
  expect(container.env.map(({ name }: { name: string }) => name)).toEqual(['POD_NAME', 'KMS_URL']);
  expect(of('ConfigMap')).toEqual([]);
});

test('each right is on one named object', () => {
  const team = { name: 'till', namespace: 'team', identity: 'chat-service', organization: 'lux' };
  expect(rightsOf({ ...GATEWAY, services: [{ name: 'gateway' }, team] })).toEqual({
    'hanzo/kms-bootstrap': ['create leases/*', 'get,update leases/kms-bootstrap'],
    'hanzo/kms-bootstrap-services': [
      'get,create,patch secrets/gateway-kms-auth',
      'get namespaces/hanzo',
      'get kmssecrets/gateway-kms-sync',
    ],
    'team/kms-bootstrap-services': [
      'get,create,patch secrets/till-kms-auth',
      'get namespaces/team',
      'get kmssecrets/till-kms-sync',
    ],
  });
  expect(rightsOf(HIP)['hanzo/kms-bootstrap']).toEqual([
    'create leases/*',
    'get,update leases/kms-bootstrap',
    'get,create,patch secrets/kms-bootstrap-secret',
    'get,create,patch secrets/kms-postgres-auth',
    'get,create,patch secrets/kms-redis-auth',
    'get,create,patch secrets/kms-secrets',
    'get namespaces/hanzo',
  ]);
});

test('its pod fits the restricted standard and writes to no disk', () => {
  const { job, container } = bootstrap(GATEWAY);
  const { spec } = job.spec.template;
  expect(spec.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
  expect(container.securityContext).toMatchObject({
    readOnlyRootFilesystem: true,
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
  });
  expect(container.volumeMounts.every(({ readOnly }: { readOnly: boolean }) => readOnly)).toBe(true);
  expect(spec.volumes.some((volume: object) => 'emptyDir' in volume)).toBe(false);
  expect(job.spec).toMatchObject({ backoffLimit: 10, activeDeadlineSeconds: 3600 });
  expect(job.spec.ttlSecondsAfterFinished, 'it would be missed and made anew for ever').toBe(undefined);
});

test('the same content has the same name, and any other another', () => {
  const nameOf = (props: KmsBootstrapJobProps) => bootstrap(props).job.metadata.name;
  const others = [
    { inventory: INVENTORY.replace('z@', 'y@') },
    { version: '9.9.9' },
    { rerun: '2' },
    { url: 'https://kms.hanzo.ai' },
    { waitForSync: false },
    { resources: { limits: { memory: '1Gi', cpu: '1' } } },
  ].map((props) => nameOf({ ...GATEWAY, ...props }));
  expect(nameOf(GATEWAY)).toBe(nameOf(GATEWAY));
  expect(new Set([nameOf(GATEWAY), ...others]).size).toBe(7);
  for (const name of others) expect(name).toMatch(/^kms-bootstrap-[0-9a-f]{10}$/);
  const [map] = bootstrap(GATEWAY).of('ConfigMap');
  const digest = createHash('sha256').update(INVENTORY).digest('hex').slice(0, 10);
  expect([map.metadata.name, map.immutable]).toEqual([`kms-bootstrap-inventory-${digest}`, true]);
});

test.each<{ name: string; props: KmsBootstrapJobProps; says: string[] }>([
  { name: 'nothing to make', props: {}, says: ['organizations: name one', 'adminEmails: name one'] },
  {
    name: 'a service of no identity',
    props: { inventory: INVENTORY, services: [{ name: 'cloud' }] },
    says: ['services: cloud: the inventory has no identity cloud-service'],
  },
  {
    name: 'an identity of two organizations',
    props: { inventory: INVENTORY, services: [{ name: 'chat' }] },
    says: ['services: chat: several organizations have an identity chat-service'],
  },
  {
    name: 'a service on the root key',
    props: { inventory: INVENTORY, services: [{ name: 'gateway', credentialsSecretName: 'kms-secrets' }] },
    says: ['services: gateway: the Secret kms-secrets is of KMS itself'],
  },
  {
    name: 'two services on one Secret',
    props: {
      inventory: INVENTORY,
      services: [
        { name: 'gateway' },
        { name: 'b', identity: 'gateway-service', credentialsSecretName: 'gateway-kms-auth' },
      ],
    },
    says: ['services: b: another service has the Secret hanzo/gateway-kms-auth, too'],
  },
  {
    name: 'a token in kms-secrets',
    props: { ...HIP, token: { secretName: 'kms-secrets', key: 'token' } },
    says: ['token: the Secret kms-secrets is of KMS itself'],
  },
  { name: 'no inventory', props: { inventory: 'version: 2' }, says: ['services: the inventory is none: version: '] },
])('$name is refused', ({ props, says }) => {
  const made = new KmsBootstrapJob(new Chart(new App(), 'chart'), 'bootstrap', props);
  const found = made.node.validate();
  expect(found).toHaveLength(says.length);
  for (const [index, line] of says.entries()) expect(found[index]).toContain(line);
});
