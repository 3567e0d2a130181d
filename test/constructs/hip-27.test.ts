import { readFileSync } from 'node:fs';
import { App, Chart } from 'cdk8s';
import { expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { Kms, KmsSecret } from '../../constructs/index.ts';
import { KmsSecret as KmsSecretSchema } from '../../contracts/index.ts';

/** HIP-27's own YAML, field by field. */

const fixture = (name: string) => readFileSync(new URL(`fixtures/${name}.yaml`, import.meta.url), 'utf8');
const chart = () => new Chart(new App(), 'chart');
const named = (yaml: string, service: string, project: string) =>
  yaml.replaceAll('<service>', service).replaceAll('<project-slug>', project);

/** Every leaf of a document with its path: `spec.replicas` and 2. */
function leaves(value: unknown, path = ''): [string, unknown][] {
  if (typeof value !== 'object' || value === null) return [[path, value]];
  return Object.entries(value).flatMap(([key, child]) => leaves(child, path ? `${path}.${key}` : key));
}

function at(value: unknown, path: string): unknown {
  return path.split('.').reduce((node: any, key) => node?.[key], value);
}

test("a service's name alone renders HIP-27's KMSSecret", () => {
  const here = chart();
  new KmsSecret(here, 'gateway');
  expect(here.toJson()).toEqual([parse(named(fixture('hip-27-full'), 'gateway', 'gateway'))]);
});

test('a service with another project slug differs in that alone', () => {
  const here = chart();
  new KmsSecret(here, 'iam', { projectSlug: 'hanzo-iam' });
  expect(here.toJson()).toEqual([parse(named(fixture('hip-27-full'), 'iam', 'hanzo-iam'))]);
});

test.each(['hip-27-full', 'hip-27-migration'])('%s is valid as it stands', (name) => {
  const manifest = parse(named(fixture(name), 'gateway', 'gateway'));
  expect(KmsSecretSchema.parse(manifest)).toMatchObject(manifest);
});

const [deployment, affinity, resources, probes] = parseAllDocuments(fixture('hip-27-deployment')).map((document) =>
  document.toJS(),
);
const rows = [
  ...leaves(deployment),
  ...leaves(affinity).map(([path, value]) => [`spec.template.spec.${path}`, value]),
  ...leaves(resources).map(([path, value]) => [`spec.template.spec.containers.0.${path}`, value]),
  ...leaves(probes).map(([path, value]) => [`spec.template.spec.containers.0.${path}`, value]),
] as [string, unknown][];

test.each(rows)('the Deployment has HIP-27 at %s: %s', (path, value) => {
  const here = chart();
  new Kms(here, 'kms');
  const rendered = here.toJson().find(({ kind }) => kind === 'Deployment');
  expect(at(rendered, path)).toEqual(value);
});

test('the comparison knows every field of the fixture', () => {
  expect(rows).toHaveLength(21);
});
