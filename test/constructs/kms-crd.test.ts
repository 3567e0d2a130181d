import { App, Chart } from 'cdk8s';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { KmsCrd } from '../../constructs/index.ts';
import { structuralSchema } from '../../contracts/index.ts';

const chart = new Chart(new App(), 'chart');
new KmsCrd(chart, 'crd');
const crd = chart.toJson()[0];
const version = crd.spec.versions[0];
const schema = version.schema.openAPIV3Schema;

interface Node {
  readonly path: string;
  readonly node: Record<string, any>;
}

function nodes(node: Record<string, any>, path = 'schema'): Node[] {
  const children = Object.entries((node.properties ?? {}) as Record<string, any>).flatMap(([name, child]) =>
    nodes(child, `${path}.${name}`),
  );
  const items = node.items ? nodes(node.items, `${path}[]`) : [];
  const values = node.additionalProperties ? nodes(node.additionalProperties, `${path}{}`) : [];
  return [{ path, node }, ...children, ...items, ...values];
}

test('the CRD names the resource as HIP-27 does', () => {
  expect(crd.metadata.name).toBe('kmssecrets.secrets.lux.network');
  expect(crd.spec).toMatchObject({ group: 'secrets.lux.network', scope: 'Namespaced', names: { kind: 'KMSSecret' } });
  expect(version).toMatchObject({ name: 'v1alpha1', served: true, storage: true, subresources: { status: {} } });
});

test('every node of the schema has a type', () => {
  expect(
    nodes(schema)
      .filter(({ node }) => typeof node.type !== 'string')
      .map(({ path }) => path),
  ).toEqual([]);
});

/** Every keyword that JSONSchemaProps knows and a structural schema may use on any node. */
const keywords = new Set(
  [
    'type format nullable title description default enum properties required items additionalProperties',
    'minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minLength maxLength pattern',
    'minItems maxItems minProperties maxProperties',
    'x-kubernetes-list-type x-kubernetes-list-map-keys x-kubernetes-map-type x-kubernetes-validations',
  ].flatMap((line) => line.split(' ')),
);

test('no node uses what a structural schema forbids', () => {
  const found = nodes(schema).flatMap(({ path, node }) => [
    ...Object.keys(node)
      .filter((keyword) => !keywords.has(keyword))
      .map((keyword) => `${path}: ${keyword}`),
    ...('additionalProperties' in node && 'properties' in node ? [`${path}: properties and a map`] : []),
  ]);
  expect(found).toEqual([]);
});

test('every required field is declared, and has no default', () => {
  const wrong = nodes(schema).flatMap(({ path, node }) =>
    (node.required ?? [])
      .filter((name: string) => !node.properties[name] || 'default' in node.properties[name])
      .map((name: string) => `${path}.${name}`),
  );
  expect(wrong).toEqual([]);
});

test('a list keyed by fields requires those fields', () => {
  const lists = nodes(schema).filter(({ node }) => node['x-kubernetes-list-type'] === 'map');
  expect(lists.map(({ path }) => path)).toEqual([
    'schema.spec.managedKubeConfigMapReferences',
    'schema.spec.managedKubeSecretReferences',
    'schema.status.conditions',
  ]);
  for (const { node } of lists)
    expect(node.items.required).toEqual(expect.arrayContaining(node['x-kubernetes-list-map-keys']));
});

test('no category hides a resource of Kubernetes', () => {
  // kubectl looks at categories before resources: one called "secrets" would take `kubectl get secrets`.
  expect(crd.spec.names.categories).toEqual(['hanzo', 'kms']);
});

test.each([
  ['hostAPI', 'https://kms.hanzo.ai'],
  ['resyncInterval', 60],
  ['managedSecretReference.secretType', 'Opaque'],
  ['authentication.universalAuth.secretsScope.secretsPath', '/'],
])('%s has its default in the cluster', (path, value) => {
  const node = nodes(schema).find((candidate) => candidate.path === `schema.spec.${path}`)?.node;
  expect(node?.default).toBe(value);
});

test('a resync interval below 5 seconds is refused by the API server', () => {
  expect(schema.properties.spec.properties.resyncInterval).toMatchObject({
    type: 'integer',
    minimum: 5,
    maximum: 86_400,
  });
});

test('how to log in is required; what to keep is one of three, which a rule asks for', () => {
  expect(schema.properties.spec.required).toEqual(['authentication']);
  const rules = schema.properties.spec['x-kubernetes-validations'].map(({ message }: { message: string }) => message);
  expect(rules[0]).toMatch(/^name what is to be kept up to date: managedSecretReference, /);
});

test('people see state, source and target in a list, and the reason in a wide one', () => {
  const columns: { name: string; priority?: number }[] = version.additionalPrinterColumns;
  const named = (wide: boolean) => columns.filter(({ priority }) => (priority === 1) === wide).map(({ name }) => name);
  expect(named(false)).toEqual(['Ready', 'Project', 'Environment', 'Secret', 'Synced', 'Age']);
  expect(named(true)).toEqual(['Reason', 'Keys', 'Version']);
});

test.each([
  [
    'a union',
    z.strictObject({ a: z.union([z.strictObject({ b: z.string() }), z.strictObject({ c: z.string() })]) }),
    /schema\.a: a structural schema has no anyOf/,
  ],
  ['an untyped node', z.strictObject({ a: z.unknown() }), /schema\.a: every node of a structural schema has a type/],
  [
    'an open object',
    z.strictObject({ a: z.looseObject({ b: z.string() }) }),
    /schema\.a: .*an object or a map, not both/,
  ],
  [
    'a repeated item',
    z.array(z.string()).meta({ uniqueItems: true }),
    /schema: a structural schema has no uniqueItems/,
  ],
])('%s is told before the cluster tells', (_name, given, problem) => {
  expect(() => structuralSchema(given)).toThrow(problem);
});

test.each([
  ['a map', z.record(z.string(), z.string()), { type: 'object', additionalProperties: { type: 'string' } }],
  ['an open bound', z.number().gt(3), { type: 'number', minimum: 3, exclusiveMinimum: true }],
  ['one word', z.literal('a'), { type: 'string', enum: ['a'] }],
  ['what may be null', z.string().nullable(), { type: 'string', nullable: true }],
])("%s is written in Kubernetes' words", (_name, given, written) => {
  expect(structuralSchema(given)).toEqual(written);
});

test('renders as it did', () => {
  expect(crd).toMatchSnapshot();
});
