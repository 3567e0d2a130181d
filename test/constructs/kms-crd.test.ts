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
  return [{ path, node }, ...children, ...(node.items ? nodes(node.items, `${path}[]`) : [])];
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

test('no node uses what a structural schema forbids', () => {
  const forbidden = [
    '$ref',
    '$schema',
    'additionalProperties',
    'anyOf',
    'oneOf',
    'allOf',
    'not',
    'const',
    'definitions',
  ];
  const found = nodes(schema).flatMap(({ path, node }) =>
    forbidden.filter((keyword) => keyword in node).map((keyword) => `${path}: ${keyword}`),
  );
  expect(found).toEqual([]);
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

test('what HIP-27 always gives is required', () => {
  expect(schema.properties.spec.required).toEqual(['authentication', 'managedSecretReference']);
});

test('people see state, source and target in a list', () => {
  expect(version.additionalPrinterColumns.map(({ name }: { name: string }) => name)).toEqual([
    'Ready',
    'Project',
    'Environment',
    'Secret',
    'Synced',
    'Age',
  ]);
});

test.each([
  [
    'a union',
    z.strictObject({ a: z.union([z.strictObject({ b: z.string() }), z.strictObject({ c: z.string() })]) }),
    /schema\.a: a structural schema has no anyOf/,
  ],
  ['an untyped node', z.strictObject({ a: z.unknown() }), /schema\.a: every node of a structural schema has a type/],
])('%s is told before the cluster tells', (_name, given, problem) => {
  expect(() => structuralSchema(given)).toThrow(problem);
});

test('renders as it did', () => {
  expect(crd).toMatchSnapshot();
});
