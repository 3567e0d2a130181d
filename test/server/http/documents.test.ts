import { afterAll, beforeAll, expect, test } from 'vitest';
import { startServer, type TestServer } from '../../support/server.ts';

/** The document itself: what OpenAPI 3.1 asks of one, and what generators of clients stumble over. */

let server: TestServer;
let document: any;
let operations: { name: string; method: string; path: string; operation: any }[];

beforeAll(async () => {
  server = await startServer();
  document = (await server.send('GET', '/api/docs/json')).body;
  operations = Object.entries<Record<string, any>>(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      name: `${method.toUpperCase()} ${path}`,
      method,
      path,
      operation,
    })),
  );
  expect(operations.length).toBeGreaterThan(90);
});
afterAll(() => server.close());

/** Every object within, with the keys that lead to it. */
function* within(value: unknown, at = '#'): Generator<[string, Record<string, unknown>]> {
  if (Array.isArray(value)) for (const [n, one] of value.entries()) yield* within(one, `${at}/${n}`);
  else if (value !== null && typeof value === 'object') {
    yield [at, value as Record<string, unknown>];
    for (const [name, one] of Object.entries(value)) yield* within(one, `${at}/${name}`);
  }
}

test('it is OpenAPI 3.1 with a title and a version', () => {
  expect(document).toMatchObject({
    openapi: expect.stringMatching(/^3\.1\.\d+$/),
    info: { title: 'Hanzo KMS', version: expect.stringMatching(/^\d+\.\d+\.\d+/) },
  });
  expect(document.components.securitySchemes.bearer).toMatchObject({ type: 'http', scheme: 'bearer' });
});

test('every reference leads to something in it', () => {
  let references = 0;
  for (const [at, { $ref }] of within(document)) {
    if (typeof $ref !== 'string') continue;
    references++;
    expect($ref, at).toMatch(/^#\/components\/schemas\//);
    expect(document.components.schemas, at).toHaveProperty([$ref.split('/').at(-1)!]);
  }
  expect(references).toBeGreaterThan(100);
});

test('operation ids are unique, and names that a program can have', () => {
  const ids = operations.map(({ operation }) => operation.operationId as string);
  for (const id of ids) expect(id).toMatch(/^[a-z][A-Za-z0-9]+$/);
  expect(ids.filter((id, n) => ids.indexOf(id) !== n)).toEqual([]);
});

test('operation ids stay what they are', () => {
  const idOf = (name: string) => operations.find((one) => one.name === name)?.operation.operationId;
  expect(idOf('GET /api/v3/secrets/raw')).toBe('getV3SecretsRaw');
  expect(idOf('POST /api/v4/secrets/{secretName}')).toBe('postV4SecretsBySecretName');
  expect(idOf('POST /api/v1/auth/universal-auth/login')).toBe('postV1AuthUniversalAuthLogin');
});

test('the parameters of a path are those that it documents', () => {
  for (const { name, path, operation } of operations) {
    const documented = (operation.parameters ?? []).filter((one: any) => one.in === 'path');
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter!);
    expect(documented.map((one: any) => one.name).sort(), name).toEqual(inPath.sort());
    for (const { required, schema } of documented)
      expect([name, required, typeof schema]).toEqual([name, true, 'object']);
  }
});

test('no two paths mean the same', () => {
  const shapes = Object.keys(document.paths).map((path) => path.replace(/\{\w+\}/g, '{}'));
  expect(shapes.filter((shape, n) => shapes.indexOf(shape) !== n)).toEqual([]);
});

test('every operation has a tag, a summary, and answers with a description', () => {
  for (const { name, operation } of operations) {
    expect(operation.tags, name).toHaveLength(1);
    expect(operation.summary, name).toMatch(/^[A-Z]/);
    for (const [status, response] of Object.entries<any>(operation.responses)) {
      expect(status).toMatch(/^[1-5]\d\d$/);
      expect(response.description, `${name} ${status}`).toEqual(expect.any(String));
    }
  }
});

test('every operation tells how it refuses', () => {
  for (const { name, method, operation } of operations) {
    const statuses = Object.keys(operation.responses).map(Number);
    const isPublic = operation.security?.length === 0;
    const needed = [400, 403, 404, 429, 500, 503];
    if (!isPublic || method !== 'get') needed.push(401);
    if (method !== 'get') needed.push(409, 413, 415);
    if (operation.parameters || operation.requestBody) needed.push(422);
    expect(statuses, name).toEqual(expect.arrayContaining(needed));
    for (const status of needed) {
      const schema = operation.responses[status].content?.['application/json']?.schema;
      expect([name, status, schema]).toEqual([name, status, { $ref: '#/components/schemas/Error' }]);
    }
  }
});

test('an operation wants no token exactly where strangers are let in', async () => {
  for (const { name, method, path, operation } of operations) {
    const isPublic = operation.security !== undefined && operation.security.length === 0;
    const url = path.replace(/\{\w+\}/g, '00000000-0000-4000-8000-000000000000');
    const body = method === 'get' ? {} : { body: {} };
    const answer = await server.send(method.toUpperCase(), url, body);
    const wantsToken = answer.status === 401 && answer.body.message.startsWith('this route needs a token');
    expect([name, wantsToken]).toEqual([name, !isPublic]);
  }
});

test('nothing in it is beyond JSON Schema', () => {
  const types = ['string', 'number', 'integer', 'boolean', 'object', 'array', 'null'];
  for (const [at, { type, required, properties, $schema }] of within(document)) {
    if (at.includes('/properties') && at.endsWith('/properties')) continue;
    if (/\/(properties|example|default)\/[^/]+$/.test(at) && typeof type === 'object' && !Array.isArray(type)) continue;
    if (at.startsWith('#/components/securitySchemes')) continue;
    if (type !== undefined && !(typeof type === 'object' && !Array.isArray(type)))
      for (const one of [type].flat()) expect(types, at).toContain(one);
    if (Array.isArray(required) && properties)
      for (const name of required) expect(properties, at).toHaveProperty([name]);
    expect($schema, at).toBeUndefined();
  }
});
