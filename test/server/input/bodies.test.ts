import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startServer, type TestServer } from '../../support/server.ts';
import { expectDocumented } from './documented.ts';
import { type Route, routesOf, urlOf } from './routes.ts';
import { makeWorld, rightValue, type World } from './world.ts';

const MIB = 1024 * 1024;

let server: TestServer;
let world: World;
let routes: Route[];

beforeAll(async () => {
  server = await startServer();
  world = await makeWorld(server, 'bodies');
  routes = (await routesOf(server.app)).filter(({ body }) => body !== undefined);
  expect(routes.length, 'routes that take a body').toBeGreaterThan(40);
});
afterAll(() => server.close());

async function sendTo(route: Route, body: string | Buffer, type = 'application/json') {
  const params = Object.fromEntries(route.params.map((name) => [name, String(rightValue(world, name))]));
  const answer = await server.app.inject({
    method: route.method,
    url: urlOf(route, params),
    headers: { authorization: `Bearer ${server.admin}`, 'content-type': type },
    payload: body,
  });
  return { status: answer.statusCode, text: answer.body };
}

const nested = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;

describe.each<{ name: string; body: string | Buffer; status: number }>([
  { name: 'one byte over 1 MiB', body: Buffer.alloc(MIB + 1, 0x20), status: 413 },
  { name: 'of invalid UTF-8', body: Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]), status: 400 },
  { name: 'with an overlong encoding', body: Buffer.from([0x22, 0xc0, 0xaf, 0x22]), status: 400 },
  { name: 'with a surrogate in UTF-8', body: Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), status: 400 },
  { name: 'that ends too early', body: '{"name": "a', status: 400 },
  { name: 'with a raw NUL', body: '{"name": "a\u0000b"}', status: 400 },
  { name: 'that is no JSON', body: 'name=a', status: 400 },
  { name: 'with NaN', body: '{"position": NaN}', status: 400 },
  { name: 'that sets a prototype', body: '{"__proto__": {"admin": true}}', status: 400 },
  { name: 'that sets a nested prototype', body: '{"name": {"__proto__": {}}}', status: 400 },
  { name: 'that reaches a prototype', body: '{"constructor": {"prototype": {"a": 1}}}', status: 400 },
  { name: 'nested 20,000 deep', body: nested, status: 422 },
  { name: 'that is a number', body: '1', status: 422 },
  { name: 'that is a text', body: '"{}"', status: 422 },
  { name: 'that is a list', body: '[]', status: 422 },
  { name: 'that is a truth', body: 'true', status: 422 },
])('a body $name', ({ body, status }) => {
  test(`is refused with ${status} on every route`, async () => {
    for (const route of routes) {
      const answer = await sendTo(route, body);
      expect({ route: route.name, status: answer.status }).toEqual({ route: route.name, status });
      expectDocumented(answer, status);
    }
  });
});

test('1 MiB of white space is not too large', async () => {
  for (const route of routes) expect((await sendTo(route, Buffer.alloc(MIB, 0x20))).status).toBe(400);
});

test.each([
  'text/plain',
  'application/xml',
  'multipart/form-data; boundary=x',
  'application/jsonx',
  'json',
  'a/b/c',
  '*/*',
])('the content type %s is refused on every route', async (type) => {
  for (const route of routes) {
    const answer = await sendTo(route, '{}', type);
    expect({ route: route.name, status: answer.status }).toEqual({ route: route.name, status: 415 });
    expectDocumented(answer, 415);
  }
});

test.each([
  { name: 'a prototype', form: '__proto__=1&constructor=1' },
  { name: 'broken escapes', form: 'a=%zz&name=%00&email=%ff' },
  { name: 'nothing but separators', form: '&&&=&=' },
  { name: '5,000 fields', form: 'a=1&'.repeat(5_000) },
])('a form with $name is never a fault', async ({ form }) => {
  for (const route of routes.filter(({ method }) => method !== 'DELETE')) {
    const answer = await sendTo(route, form, 'application/x-www-form-urlencoded');
    if (answer.status !== 200) expectDocumented(answer);
  }
});
