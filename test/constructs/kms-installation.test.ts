import { readFileSync } from 'node:fs';
import { App } from 'cdk8s';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { KmsInstallation } from '../../constructs/index.ts';
import { Installation, type InstallationProps } from '../../contracts/index.ts';
import { servicesOf } from '../../examples/hanzo/services.ts';

const inventoryFile = new URL('../../examples/hanzo/kms.yaml', import.meta.url);
const inventory = readFileSync(inventoryFile, 'utf8');
const services = servicesOf(inventoryFile);

/** Everything that comes with KMS, so that nothing has to be there. */
const trial: InstallationProps = {
  postgres: { mode: 'bundled' },
  redis: { mode: 'bundled' },
  services,
  bootstrap: { enabled: true, inventory, makeSecrets: { enabled: true } },
};
const cnpg: InstallationProps = {
  postgres: {
    mode: 'cloudnativepg',
    backup: { destinationPath: 's3://hanzo-backups/kms', credentialsSecretName: 'backups' },
  },
};

const installed = (props: InstallationProps = {}) => new KmsInstallation(new App(), 'kms', props);
const objects = (props: InstallationProps = {}) => installed(props).toJson() as any[];
const named = (props: InstallationProps, kind: string, name = 'kms') =>
  objects(props).find((object) => object.kind === kind && object.metadata.name === name);
const container = (props: InstallationProps) => named(props, 'Deployment').spec.template.spec.containers[0];
const address = ({ kind, metadata }: any) => `${kind} ${metadata.namespace ?? ''}/${metadata.name}`;

test.each([
  ['hanzo-k8s', { services }],
  ['a trial', trial],
])('%s renders to the same bytes twice', (_, props) => {
  expect(JSON.stringify(objects(props))).toBe(JSON.stringify(objects(props)));
});

test.each([
  ['hanzo-k8s', { services }],
  ['a trial', trial],
  ['CloudNativePG', cnpg],
])('each object of %s has a name of its own', (_, props) => {
  const addresses = objects(props).map(address);
  expect(new Set(addresses).size).toBe(addresses.length);
});

test('the parts are in the order in which they need each other', () => {
  expect(installed({ ...trial, namespaces: ['team'] }).parts).toEqual([
    ...['namespaces', 'crd', 'stores', 'server', 'operator', 'services', 'bootstrap'],
  ]);
  expect(installed().parts).toEqual(['crd', 'server', 'operator']);
});

test.each([
  ['hanzo-k8s', {}],
  ['a trial', trial],
])('%s owns neither the namespace of the root key nor a Secret', (_, props) => {
  expect(objects(props).filter(({ kind }) => kind === 'Namespace' || kind === 'Secret')).toEqual([]);
});

test('the namespace of the root key cannot be made either', () => {
  expect(() => installed({ namespaces: ['hanzo'] })).toThrow(/namespaces: hanzo holds the root key/);
});

test('everything that is wrong is told at once', () => {
  const wrong = { replicas: 0, ingress: { host: 'KMS' }, image: { version: 'latest' }, postgres: { mode: 'mysql' } };
  expect(() => installed(wrong as never)).toThrow(
    /replicas: .*\n.*ingress\.host: must be a host name.*|image\.version: "latest" is not a version/s,
  );
  expect(Installation.safeParse(wrong).error?.issues).toHaveLength(4);
});

test.each<[string, InstallationProps, RegExp]>([
  ['a backup that is missing', { postgres: { mode: 'cloudnativepg' } }, /postgres\.backup: is needed/],
  ['TLS to an unknown authority', { postgres: { tls: { enabled: true } } }, /postgres\.tls\.caSecretName: name it/],
  [
    'two authorities',
    { redis: { tls: { caSecretName: 'a', caConfigMapName: 'b' } } },
    /redis\.tls\.caConfigMapName: is beside caSecretName/,
  ],
  [
    'a secret in a manifest',
    { environment: { AUTH_SECRET: 'x' } },
    /environment\.AUTH_SECRET: belongs into kms-secrets/,
  ],
  ['a variable of the mounts', { environment: { TLS_KEY_FILE: '/x' } }, /environment\.TLS_KEY_FILE: is set by Kms/],
  ['a service that is there twice', { services: [services[0]!, services[0]!] }, /services\.1\.name: .* is there twice/],
  ['a service on the root key', { services: [{ name: 'kms' }] }, /services\.0\.name: the Secret kms-secrets is of KMS/],
  [
    'a service on a Secret of that name',
    { secretName: 'a-kms-auth', services: [{ name: 'a' }] },
    /services\.0\.name: the Secret a-kms-auth is of KMS/,
  ],
  ['a budget that allows no eviction', { availability: { minAvailable: 2 } }, /availability\.minAvailable: allows no/],
  [
    'secrets that are made of nothing',
    { bootstrap: { enabled: true, inventory, makeSecrets: { enabled: true } } },
    /bootstrap\.makeSecrets\.database: name the Secret/,
  ],
  ['an unknown key', { replica: 2 } as never, /Unrecognized key: "replica"/],
])('%s is refused with its place', (_, props, message) => {
  expect(() => installed(props)).toThrow(message);
});

test.each<[string, InstallationProps, string[]]>([
  ['ingress', { ingress: { enabled: false } }, ['Ingress /kms']],
  ['crd', { crd: { enabled: false } }, ['CustomResourceDefinition /kmssecrets.secrets.lux.network']],
  [
    'admission',
    { admission: { enabled: false } },
    [
      'ValidatingAdmissionPolicy /kmssecrets.secrets.lux.network',
      'ValidatingAdmissionPolicyBinding /kmssecrets.secrets.lux.network',
    ],
  ],
  ['availability', { availability: { enabled: false } }, ['PodDisruptionBudget /kms']],
  ['a budget of one replica', { replicas: 1 }, ['PodDisruptionBudget /kms']],
  ['networkPolicies', { networkPolicies: { enabled: false } }, ['NetworkPolicy /kms', 'NetworkPolicy /kms-operator']],
])('without %s exactly that is missing', (_, props, missing) => {
  const left = objects(props).map(address);
  const all = objects().map(address);
  expect(all.filter((one) => !left.includes(one))).toEqual(
    missing.map((one) => one.replace(/ \/(kms(-operator)?)$/, ' hanzo/$1')),
  );
});

test('without the operator none of its objects is left but the rule of admission', () => {
  const left = objects({ operator: { enabled: false }, networkPolicies: { enabled: false } });
  expect(left.filter(({ metadata }) => /operator/.test(metadata.name))).toEqual([]);
  expect(left.map(({ kind }) => kind)).toContain('ValidatingAdmissionPolicy');
});

test('TLS in the server reaches the probes, the URL and what speaks to it', () => {
  const props: InstallationProps = {
    ...trial,
    tls: { enabled: true, issuer: { name: 'inside' } },
    ingress: { enabled: false },
  };
  expect(installed(props).url).toBe('https://kms.hanzo.svc:8080');
  const { env, readinessProbe, livenessProbe, volumeMounts } = container(props);
  expect(env).toContainEqual({ name: 'TLS_CERT_FILE', value: '/etc/kms/tls/tls.crt' });
  expect([readinessProbe, livenessProbe].map(({ httpGet }) => httpGet.scheme)).toEqual(['HTTPS', 'HTTPS']);
  expect(volumeMounts).toContainEqual({ name: 'tls', mountPath: '/etc/kms/tls', readOnly: true });
  expect(named(props, 'Certificate', 'kms-server').spec).toMatchObject({
    secretName: 'kms-server-tls',
    dnsNames: expect.arrayContaining(['kms.hanzo.svc']),
    issuerRef: { kind: 'ClusterIssuer', name: 'inside' },
  });
  expect(named(props, 'KMSSecret', 'gateway-kms-sync').spec).toMatchObject({
    hostAPI: 'https://kms.hanzo.svc:8080',
    tls: { caRef: { secretName: 'kms-server-tls', secretNamespace: 'hanzo', key: 'ca.crt' } },
  });
  const job = objects(props).find(({ kind }) => kind === 'Job').spec.template.spec;
  expect(job.containers[0].env).toContainEqual({ name: 'KMS_URL', value: 'https://kms.hanzo.svc:8080' });
  expect(job.volumes).toContainEqual(expect.objectContaining({ name: 'ca' }));
});

test.each([
  ['nginx', 'Ingress', { 'nginx.ingress.kubernetes.io/proxy-ssl-verify': 'on' }],
  ['haproxy', 'Ingress', { 'haproxy.org/server-ssl': 'true' }],
  ['traefik', 'Service', { 'traefik.ingress.kubernetes.io/service.serversscheme': 'https' }],
  ['contour', 'Service', { 'projectcontour.io/upstream-protocol.tls': '8080,http' }],
] as const)('%s is told at the %s that KMS speaks TLS', (controller, kind, annotations) => {
  const told = { tls: { enabled: true }, ingress: { controller } };
  expect(named(told, kind).metadata.annotations).toMatchObject(annotations);
  const [key] = Object.keys(annotations);
  expect(named({ ingress: { controller } }, kind).metadata.annotations ?? {}).not.toHaveProperty([key!]);
});

test.each<[string, InstallationProps, object]>([
  [
    'a Secret',
    { postgres: { tls: { caSecretName: 'pg-ca', caKey: 'root.pem' } } },
    { name: 'postgres-ca', secret: { secretName: 'pg-ca', items: [{ key: 'root.pem', path: 'ca.crt' }] } },
  ],
  [
    'a ConfigMap',
    { redis: { tls: { enabled: true, caConfigMapName: 'redis-ca' } } },
    { name: 'redis-ca', configMap: { name: 'redis-ca', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
  ],
  ['CloudNativePG', cnpg, { name: 'postgres-ca', secret: expect.objectContaining({ secretName: 'kms-postgres-ca' }) }],
])('the authority of a database comes from %s', (_, props, volume) => {
  const { volumes, containers } = named(props, 'Deployment').spec.template.spec;
  expect(volumes).toContainEqual(volume);
  const file = volumes[1].name === 'redis-ca' ? 'REDIS_CA_FILE' : 'DB_CA_FILE';
  expect(containers[0].env.map(({ name }: { name: string }) => name)).toContain(file);
});

test('a trial holds its passwords in files, and its data outlives it', () => {
  const postgres = named(trial, 'StatefulSet', 'kms-postgres').spec;
  expect(postgres.persistentVolumeClaimRetentionPolicy).toEqual({ whenDeleted: 'Retain', whenScaled: 'Retain' });
  expect(postgres.volumeClaimTemplates[0].spec.resources.requests).toEqual({ storage: '50Gi' });
  const redis = named(trial, 'Deployment', 'kms-redis').spec;
  for (const { template } of [postgres, redis]) {
    const { securityContext, containers, volumes } = template.spec;
    expect(securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
    expect(containers[0].securityContext).toMatchObject({
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    expect(containers[0].env ?? []).not.toContainEqual(expect.objectContaining({ valueFrom: expect.anything() }));
    expect(containers[0].image).toMatch(/^docker\.io\/library\/(postgres|redis):\d+\.\d+/);
    expect(volumes).toContainEqual({
      name: 'auth',
      secret: { secretName: expect.stringMatching(/^kms-(postgres|redis)-auth$/), defaultMode: 0o440 },
    });
  }
  for (const store of ['kms-postgres', 'kms-redis'])
    expect(named(trial, 'NetworkPolicy', store).spec.ingress[0].from).toEqual([
      { podSelector: { matchLabels: { app: 'kms' } } },
    ]);
});

test.each<[string, InstallationProps, string]>([
  ['the host of the Ingress', {}, 'https://kms.hanzo.ai'],
  ['the Service, where there is no Ingress', { ingress: { enabled: false } }, 'http://kms.hanzo.svc:8080'],
  ['what was said', { hostApi: 'https://kms.lux.network' }, 'https://kms.lux.network'],
])('the operator finds KMS at %s', (_, props, hostAPI) => {
  expect(named({ ...props, services }, 'KMSSecret', 'gateway-kms-sync').spec.hostAPI).toBe(hostAPI);
});

test('the operator sends client secrets to the KMS that is installed, to further ones that are listed, and to no others', () => {
  const hosts = (props: InstallationProps) =>
    named(props, 'Deployment', 'kms-operator')
      .spec.template.spec.containers[0].env.find(({ name }: any) => name === 'KMS_HOSTS')
      .value.split(',');
  expect(hosts({})).toEqual(['https://kms.hanzo.ai', 'http://kms.hanzo.svc:8080']);
  expect(hosts({ ingress: { enabled: false } })).toEqual(['http://kms.hanzo.svc:8080']);
  const further = { hostApi: 'https://kms.lux.network', operator: { hosts: ['https://kms.zoo.example'] } };
  expect(hosts(further)).toEqual(['https://kms.lux.network', 'http://kms.hanzo.svc:8080', 'https://kms.zoo.example']);
  expect(() => objects({ hostApi: 'https://kms.example/,https://other.example' })).toThrow(
    'hostApi: must have no comma',
  );
});

test('the operator is let at the namespaces of the services, or at what they name alone', () => {
  const there = [{ name: 'gateway' }, { name: 'flow', namespace: 'team' }];
  const roles = (props: InstallationProps) =>
    objects(props).filter(({ kind, metadata }) => kind === 'Role' && metadata.name === 'kms-operator-secrets');
  expect(roles({ services: there }).map(({ metadata }) => metadata.namespace)).toEqual(['hanzo', 'team']);
  for (const { rules } of roles({ services: there, operator: { onlyNamed: true } }))
    for (const rule of rules.filter(({ resources }: any) => resources.includes('secrets')))
      expect(rule.resourceNames.length).toBeGreaterThan(0);
});

test('services of one name in two namespaces, and services with numbers for names, are all let in, in their order', () => {
  const there = [{ name: 'gateway' }, { name: 'gateway', namespace: 'team' }, { name: '123', namespace: 'aside' }];
  const props: InstallationProps = { services: there, operator: { onlyNamed: true } };
  const { env } = named(props, 'Deployment', 'kms-operator').spec.template.spec.containers[0];
  expect(env).toContainEqual({ name: 'SECRETS_BY_NAME', value: 'hanzo,team,aside' });
});

test('metrics are served where somebody looks at them', () => {
  const metrics = { name: 'KMS_METRICS_PORT', value: '9090' };
  expect(container({ monitoring: { enabled: true } }).env).toContainEqual(metrics);
  expect(container({}).env).not.toContainEqual(metrics);
});

test('every setting is described, for the documents that are made of it', () => {
  const bare: string[] = [];
  const look = (schema: any, path: string) => {
    for (const [key, child] of Object.entries<any>(schema.properties ?? {})) {
      if (!child.description) bare.push(`${path}${key}`);
      look(child, `${path}${key}.`);
    }
    if (schema.items) look(schema.items, `${path}[].`);
  };
  look(z.toJSONSchema(Installation, { io: 'input' }), '');
  expect(bare).toEqual([]);
});
