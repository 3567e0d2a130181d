import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { Inventory, inventoryJsonSchema, recipeOf, type SecretKind, secretKinds } from '../../contracts/inventory.ts';

const withSecret = (secret: unknown) => ({
  version: 1,
  organizations: [{ slug: 'hanzo', projects: [{ slug: 'zen', secrets: { KEY: secret } }] }],
});
const secretOf = (secret: unknown) =>
  Inventory.parse(withSecret(secret)).organizations[0]?.projects[0]?.secrets.KEY as Record<string, unknown>;

test('the published JSON Schema equals the zod schema', async () => {
  const published = await readFile(new URL('../../contracts/inventory.schema.json', import.meta.url), 'utf8');
  expect(JSON.parse(published), 'run: node tools/inventory-schema.mjs').toEqual(inventoryJsonSchema());
});

test('the JSON Schema refuses unknown keys and has no field for a value', () => {
  const objects: Record<string, unknown>[] = [];
  const walk = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    const schema = node as Record<string, unknown>;
    if (schema.type === 'object' && schema.properties) objects.push(schema);
    Object.values(schema).forEach(walk);
  };
  walk(inventoryJsonSchema());
  expect(objects.length).toBeGreaterThan(5);
  expect(objects.filter((schema) => schema.additionalProperties !== false)).toEqual([]);
  expect(objects.filter((schema) => 'value' in (schema.properties as object))).toEqual([]);
});

test('a kind alone reads as a secret in the root folder', () => {
  expect(secretOf('api-key')).toEqual({ kind: 'api-key', path: '/' });
});

test('a project has dev, staging and prod by default', () => {
  const [project] = Inventory.parse(withSecret('value')).organizations[0]?.projects ?? [];
  expect(project?.environments.map(({ slug }) => slug)).toEqual(['dev', 'staging', 'prod']);
});

test('production is read as prod wherever an environment stands', () => {
  const project = {
    slug: 'zen',
    environments: ['production'],
    secrets: { A: { kind: 'value', environments: ['production'] } },
  };
  const access = { project: 'zen', role: 'viewer', environments: ['production'] };
  const organization = {
    slug: 'hanzo',
    projects: [project],
    identities: [{ name: 'zen-service', projects: [access] }],
  };
  expect(JSON.stringify(Inventory.parse({ version: 1, organizations: [organization] }))).not.toContain('production');
});

test('kinds are generated exactly where HIP-27 lets KMS rotate', () => {
  const generated = (Object.keys(secretKinds) as SecretKind[]).filter(recipeOf);
  expect(generated).toEqual(['database-password', 'encryption-key', 'jwt-signing-key']);
});

test.each([
  { name: 'a length for what is not generated', secret: { kind: 'api-key', length: 20 }, says: 'is not generated' },
  { name: 'a password shorter than 16', secret: { kind: 'database-password', length: 15 }, says: '16' },
  {
    name: 'a signing key shorter than 32 bytes',
    secret: { kind: 'jwt-signing-key', length: 16 },
    says: '32 to 128 bytes',
  },
  {
    name: 'a password in base64',
    secret: { kind: 'database-password', alphabet: 'base64' },
    says: 'alphanumeric, url-safe, hex',
  },
  {
    name: 'a key in letters',
    secret: { kind: 'encryption-key', alphabet: 'alphanumeric' },
    says: 'base64, base64url, hex',
  },
  { name: 'a value', secret: { kind: 'value', value: 'x' }, says: 'value' },
])('the schema refuses $name', ({ secret, says }) => {
  const result = Inventory.safeParse(withSecret(secret));
  expect(result.success).toBe(false);
  expect(JSON.stringify(result.error?.issues)).toContain(says);
});
