import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { App } from 'cdk8s';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { KmsInstallation } from '../../constructs/index.ts';
import { VERSION } from '../../contracts/index.ts';
import { chartFiles, withStackSettings, withValues } from '../../tools/chart/chart.ts';
import type { SchemaNode } from '../../tools/chart/values.ts';
import { ChartValues, type ChartValuesInput, installationOf } from '../../tools/chart/values-schema.ts';
import { CHART, Helm, isHelmAtHand, objectsIn, withHelm } from './support/helm.ts';
import { HIP_27, VALUE_SETS } from './support/value-sets.ts';

/** The chart's own files, and what Helm makes of values that are right and wrong. */

const fileOf = (path: string) => readFileSync(join(CHART, path), 'utf8');
const AGAIN = 'run node tools/chart.mjs';

test.each(Object.entries(chartFiles()))(`%s is as the constructs have it (${AGAIN})`, (path, text) => {
  expect(fileOf(path)).toBe(text);
});

test.each([
  ['helm', withValues],
  ['pulumi', withStackSettings],
])(`the table of docs/%s.md has every value (${AGAIN})`, (name, filled) => {
  const page = readFileSync(new URL(`../../docs/${name}.md`, import.meta.url), 'utf8');
  expect(filled(page)).toBe(page);
});

test('the values that take the place of those of other charts are there', () => {
  const page = readFileSync(new URL('../../docs/helm.md', import.meta.url), 'utf8');
  const rows = page.slice(page.indexOf('| There | Here |')).split('\n\n')[0]!.split('\n').slice(2);
  const here = rows.flatMap((row) => [...row.split(' | ')[1]!.matchAll(/`([a-z]\w+(?:\.\w+)*)(?:: \w+)?`/g)]);
  const known = Object.keys(flat(JSON.parse(fileOf('values.schema.json'))));
  expect(here.length).toBeGreaterThan(12);
  for (const [, path] of here) expect(known).toContain(path);
});

test('the chart is of the version of the package', () => {
  expect(parse(fileOf('Chart.yaml'))).toMatchObject({ version: VERSION, appVersion: VERSION });
});

test('values.yaml says what the schema takes for granted', () => {
  // Helm would add its own labels to those of others, so that these are a comment there.
  const { labels: _, ...monitoring } = ChartValues.parse({}).monitoring;
  expect(ChartValues.parse(parse(fileOf('values.yaml')))).toEqual(ChartValues.parse({}));
  expect(parse(fileOf('values.yaml'))).toEqual(JSON.parse(JSON.stringify({ ...ChartValues.parse({}), monitoring })));
});

/** What somebody may write in the place of a value. */
const ODD = [
  ...[null, 0, -1, 1, 2, 1.5, 1e9, true, false, [], {}, ['x'], ['X y'], [1], { a: 'b' }, { A: 'b' }, { A: 1 }],
  ...['', 'x', ' x', 'X', 'a.b', 'a b', 'latest', '1', '1.30', '1.27', '1Gi', '1m', 'x'.repeat(300), 'https://a'],
  ...['https://a:b@c', 'a@b', 's3://b', '10.0.0.0/8', '/a', '30d', '* * * * * *'],
];

test('the schema refuses what the constructs refuse, value by value', () => {
  const schema = JSON.parse(fileOf('values.schema.json'));
  const takes = new Ajv({ strict: false, validateFormats: false }).compile(schema);
  const different: string[] = [];
  for (const path of Object.keys(flat(schema)).filter((path) => path !== 'global'))
    for (const odd of ODD) {
      const values = withValue(path, odd);
      const problems = ChartValues.safeParse(values).error?.issues.map(({ message }) => message) ?? [];
      // What is wrong between two values is told by the templates.
      if (problems.some((message) => /above the limit|is beside|name it, or/.test(message))) continue;
      if (takes(values) !== (problems.length === 0)) different.push(`${path} ${JSON.stringify(odd)} ${problems}`);
    }
  expect(different).toEqual([]);
});

test('no template asks for the time, for chance, or for what is in the cluster', () => {
  for (const name of readdirSync(join(CHART, 'templates'))) {
    const expressions = fileOf(`templates/${name}`).match(/\{\{[^}]*\}\}/g) ?? [];
    for (const expression of expressions)
      expect(expression).not.toMatch(/\b(now|date\w*|rand\w*|uuidv4|gen\w+|derivePassword|bcrypt|htpasswd|lookup)\b/);
  }
});

describe.skipIf(!isHelmAtHand)(withHelm('the chart in Helm'), () => {
  let helm: Helm;
  beforeAll(() => {
    helm = new Helm();
  });
  afterAll(() => helm.close());

  test('helm lint has no complaint', async () => {
    const told = await helm.run('lint', '--strict', CHART, ...helm.values(HIP_27));
    expect(told).toContain('0 chart(s) failed');
    expect(told).not.toMatch(/\[(WARNING|ERROR)\]/);
  });

  test('rendering twice is byte-equal, out of a package, too', async () => {
    const { values } = VALUE_SETS['TLS everywhere, with traefik']!;
    const first = await helm.template(values);
    expect(await helm.template(values)).toBe(first);
    const archive = await helm.package();
    expect(await helm.run('template', 'kms', archive, '-n', 'hanzo', ...helm.values(values))).toBe(first);
  });

  test('what holds data outlives the release', async () => {
    const kept = async (values: ChartValuesInput) =>
      objectsIn(await helm.template(values))
        .filter(({ metadata }) => metadata.annotations?.['helm.sh/resource-policy'] === 'keep')
        .map(({ kind, metadata }) => `${kind} ${metadata.name}`);
    const crd = 'CustomResourceDefinition kmssecrets.secrets.lux.network';
    expect(await kept({ namespaces: ['team'] })).toEqual(['Namespace team', crd]);
    expect(await kept(VALUE_SETS['CloudNativePG with all of its settings']!.values)).toEqual([
      crd,
      'Cluster kms-postgres',
    ]);
  });

  test('KMSSecrets wait for their definition, where a cluster has none, and nobody waits for them', async () => {
    const { values } = VALUE_SETS['services with an inventory']!;
    const rendered = async (...served: string[]) => {
      const text = await helm.template(values, ...served.flatMap((api) => ['--api-versions', api]));
      return [objectsIn(text).some(({ kind }) => kind === 'KMSSecret'), text.includes('--wait')];
    };
    expect(await rendered()).toEqual([true, true]);
    expect(await rendered('apiregistration.k8s.io/v1')).toEqual([false, false]);
    expect(await rendered('apiregistration.k8s.io/v1', 'secrets.lux.network/v1alpha1')).toEqual([true, true]);
  });

  test('where the definition comes from elsewhere, a missing one is missed aloud', async () => {
    const values = { services: [{ name: 'gateway' }], crd: { enabled: false } };
    const text = await helm.template(values, '--api-versions', 'apiregistration.k8s.io/v1');
    expect(objectsIn(text).map(({ kind }) => kind)).toContain('KMSSecret');
  });

  test.each([
    ['1.27.9', /requires kubeVersion: >=1\.28\.0-0/],
    ['1.28.0', undefined],
    ['1.31.2-eks-1234', undefined],
    ['1.34.4', undefined],
  ])('Kubernetes %s', async (version, problem) => {
    const rendered = helm.template({}, '--kube-version', version);
    if (problem) await expect(rendered).rejects.toThrow(problem);
    else expect(await rendered).toContain(Number(version.split('.')[1]) < 30 ? 'v1beta1' : 'sleep:');
  });

  const BACKUP = { destinationPath: 's3://b', credentialsSecretName: 'b' };
  test.each<[name: string, values: object, problem: RegExp]>([
    ['a misspelt value', { replica: 3 }, /additional properties 'replica' not allowed/],
    ['a misspelt value inside', { ingress: { hostname: 'a.b' } }, /at '\/ingress': additional properties 'hostname'/],
    ['no replica', { replicas: 0 }, /at '\/replicas': minimum: got 0, want 1/],
    ['text for a number', { replicas: 'two' }, /at '\/replicas': got string, want integer/],
    [
      'an unknown controller',
      { ingress: { controller: 'nginxx' } },
      /at '\/ingress\/controller': value must be one of/,
    ],
    ['latest', { image: { version: 'latest' } }, /at '\/image\/version': 'not' failed/],
    [
      'a request above its limit',
      { resources: { requests: { memory: '4Gi' } } },
      /resources.requests.memory: 4Gi is above/,
    ],
    [
      'a limit below its request',
      { operator: { resources: { limits: { cpu: '0.04' } } } },
      /operator.resources.requests.cpu: 50m is above the limit, which is 0.04/,
    ],
    ['memory in thousandths', { resources: { limits: { memory: '512m' } } }, /at '\/resources\/limits\/memory'/],
    ['an e-mail address that is none', bootstrap({ additionalOrganizationAdminEmails: ['z'] }), /AdminEmails\/0'/],
    ['an old Kubernetes', { kubernetesVersion: '1.27' }, /at '\/kubernetesVersion'/],
    ['a secret among the variables', { environment: { AUTH_SECRET: 'x' } }, /AUTH_SECRET/],
    ['a variable of its own', { environment: { PORT: '1' } }, /PORT/],
    [
      'nobody as admin',
      bootstrap({ additionalOrganizationAdminEmails: [] }),
      /AdminEmails: name one, or give an inventory/,
    ],
    ['nothing to make', bootstrap({ additionalOrganizations: [] }), /additionalOrganizations: name one, or give/],
    [
      'services without identities',
      { ...HIP_27, services: [{ name: 'a' }] },
      /kms.autoBootstrap.inventory: the identities/,
    ],
    ['the namespace of KMS made', { namespaces: ['hanzo'] }, /namespaces: hanzo holds the root key/],
    ['a service twice', { services: [{ name: 'a' }, { name: 'a' }] }, /services: hanzo\/a is there twice/],
    ['a service on the root key', { services: [{ name: 'kms' }] }, /services: the Secret kms-secrets is of KMS itself/],
    [
      'a service on the token',
      {
        ...bootstrap({ inventory: 'version: 1', secretDestination: { name: 'a-secrets' } }),
        services: [{ name: 'a' }],
      },
      /services: the Secret a-secrets is of KMS itself/,
    ],
    [
      'a token on the password of Postgres',
      bootstrap({ secretDestination: { name: 'kms-postgres-auth' } }),
      /secretDestination.name: the Secret kms-postgres-auth is of KMS/,
    ],
    ['names of nothing', { operator: { onlyNamed: true } }, /operator.onlyNamed: names nothing/],
    [
      'names and whole namespaces',
      { operator: { onlyNamed: true, secretNamespaces: ['a'] }, services: [{ name: 'a' }] },
      /operator.secretNamespaces: opens whole namespaces/,
    ],
    [
      'a budget that allows nothing',
      { availability: { minAvailable: 2 } },
      /availability.minAvailable: allows no eviction/,
    ],
    ['CloudNativePG without backups', { postgres: { mode: 'cloudnativepg' } }, /postgres.backup: is needed/],
    [
      'a backup to nowhere',
      { postgres: { mode: 'cloudnativepg', backup: { ...BACKUP, destinationPath: '/tmp' } } },
      /destinationPath/,
    ],
    ['TLS without an authority', { redis: { tls: { enabled: true } } }, /redis.tls.caSecretName: name it/],
    [
      'two authorities',
      { postgres: { tls: { caSecretName: 'a', caConfigMapName: 'b' } } },
      /postgres.tls.caConfigMapName: is beside/,
    ],
    [
      'TLS to a bundled one',
      { postgres: { mode: 'bundled', tls: { enabled: true } } },
      /postgres.tls.enabled: is not for/,
    ],
  ])('%s is refused, by the constructs too', async (_, values, problem) => {
    const told = await helm.template(values).then(() => 'nothing', String);
    expect(told).toMatch(problem);
    const release = { namespace: 'hanzo', revision: 1, kubernetesVersion: '1.34' } as const;
    expect(() =>
      new KmsInstallation(new App(), 'kms', installationOf(values as ChartValuesInput, release)).toJson(),
    ).toThrow();
  });
});

/** Every value that a schema knows, by its path. */
function flat(schema: SchemaNode, path: readonly string[] = []): Record<string, SchemaNode> {
  const found = Object.entries(schema.properties ?? {}).map(([name, node]) => ({
    [[...path, name].join('.')]: node,
    ...flat(node, [...path, name]),
  }));
  return Object.assign({}, ...found);
}

/** The defaults, with one value of another kind. */
function withValue(path: string, value: unknown): object {
  const values = JSON.parse(JSON.stringify(ChartValues.parse({})));
  const steps = path.split('.');
  const parent = steps.slice(0, -1).reduce((node, step) => (node[step] ??= {}), values);
  parent[steps.at(-1)!] = value;
  return values;
}

function bootstrap(changes: object): object {
  return { kms: { autoBootstrap: { ...HIP_27.kms!.autoBootstrap, ...changes } } };
}
