import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type Answer, startServer, type TestServer } from '../../support/server.ts';
import { thorough } from '../../support/thorough.ts';
import { expectDocumented } from './documented.ts';
import { type Route, routesOf, type Schema, urlOf } from './routes.ts';
import { makeWorld, rightValue, type World } from './world.ts';

// Each test asks every route there is, and some of them in many ways.
vi.setConfig({ testTimeout: 90_000 });

let server: TestServer;
let world: World;
let routes: Route[];

beforeAll(async () => {
  server = await startServer();
  world = await makeWorld(server, 'fields');
  routes = await routesOf(server.app);
});
afterAll(() => server.close());

type Fields = Record<string, unknown>;

const requiredOf = (schema: Schema | undefined): Fields =>
  Object.fromEntries((schema?.required ?? []).map((name) => [name, rightValue(world, name) ?? 'x']));

/** A request that passes validation, but for what the arguments put in place of it. */
function right(route: Route, more: { body?: unknown; query?: Fields | string; params?: Fields } = {}): Promise<Answer> {
  const params = Object.fromEntries(
    route.params.map((name) => [name, encodeURIComponent(String(rightValue(world, name)))]),
  );
  const query = more.query ?? named(requiredOf(route.query), route.query);
  return server.send(route.method, urlOf(route, { ...params, ...(more.params as object) }, queryText(query)), {
    token: server.admin,
    ...(route.body === undefined ? {} : { body: more.body ?? rightBody(route) }),
  });
}

const rightBody = (route: Route): Fields => named(requiredOf(route.body), route.body);

// Which of the ways to name a project, or to write a rule, is used is no part of the schema's "required".
function named(fields: Fields, schema: Schema | undefined): Fields {
  const { projectId, orgId, privilegePermission } = schema?.properties ?? {};
  return {
    ...fields,
    ...(projectId ? { projectId: world.projectId } : {}),
    ...(orgId ? { orgId: world.organizationId } : {}),
    ...(privilegePermission ? { permissions: [] } : {}),
  };
}

const queryText = (query: Fields | string) =>
  typeof query === 'string' ? query : new URLSearchParams(query as Record<string, string>).toString();

const typesOf = (schema: Schema): readonly string[] =>
  schema.anyOf?.flatMap(typesOf) ?? (Array.isArray(schema.type) ? schema.type : [schema.type ?? 'string']);

/** Values of every type that is not the field's. */
function wrong(schema: Schema): unknown[] {
  const types = typesOf(schema);
  const given: Record<string, unknown[]> = {
    string: ['\u0000', '\ud800'],
    number: [4.5],
    boolean: [true],
    array: [[], [[]], ['x', { a: 1 }]],
    object: [{}, { length: 1 }],
  };
  const others = Object.entries(given).filter(
    ([type]) => !types.includes(type) && !(type === 'number' && types.includes('integer')),
  );
  const within = types.includes('integer') ? [4.5, -1, 1e308, Number.MAX_SAFE_INTEGER + 1] : [];
  return [...others.flatMap(([, values]) => values), ...within];
}

/** Fields that are compared and never stored: any text gets its answer from the comparison. */
const OPAQUE = new Set([
  ...['clientSecret', 'accessToken', 'password', 'clientId', 'credential'],
  ...['oldPassword', 'newPassword', 'code', 'mfaToken', 'mfaMethod', 'selectedMfaMethod', 'recoveryCode', 'totp'],
]);

thorough('a field of another type is an issue that names it', async () => {
  for (const route of routes) {
    for (const [name, schema] of Object.entries(route.body?.properties ?? {})) {
      for (const value of wrong(schema)) {
        const answer = await right(route, { body: { ...rightBody(route), [name]: value } });
        const { message } = expectDocumented(answer, 422);
        expect({ route: route.name, name, value, issues: message }).toMatchObject({
          issues: expect.arrayContaining([expect.objectContaining({ path: expect.arrayContaining([name]) })]),
        });
      }
    }
  }
});

test('a missing field is an issue that names it', async () => {
  for (const route of routes) {
    for (const name of route.body?.required ?? []) {
      const { [name]: _left, ...rest } = rightBody(route);
      const { message } = expectDocumented(await right(route, { body: rest }), 422);
      expect(message, route.name).toContainEqual(expect.objectContaining({ path: [name] }));
    }
    for (const name of route.query.required ?? []) {
      const { [name]: _left, ...rest } = named(requiredOf(route.query), route.query);
      const { message } = expectDocumented(await right(route, { query: rest }), 422);
      expect(message, route.name).toContainEqual(expect.objectContaining({ path: [name] }));
    }
  }
});

test('NUL and lone surrogates are refused in every text', async () => {
  for (const route of routes) {
    for (const [name, schema] of Object.entries(route.body?.properties ?? {})) {
      if (!typesOf(schema).includes('string') || schema.enum) continue;
      for (const value of ['a\u0000b', '\u0000', 'a\ud800', '\udfffb']) {
        const answer = await right(route, { body: { ...rightBody(route), [name]: value } });
        if (OPAQUE.has(name)) {
          expect([route.name, name, answer.status < 500 && answer.status >= 400]).toEqual([route.name, name, true]);
          continue;
        }
        expect({ route: route.name, name, status: answer.status }).toEqual({ route: route.name, name, status: 422 });
      }
    }
    for (const name of Object.keys(route.query.properties ?? {})) {
      const query = `${queryText(named(requiredOf(route.query), route.query))}&${name}=a%00b`;
      expectDocumented(await right(route, { query }), 422);
    }
    for (const name of route.params) expectDocumented(await right(route, { params: { [name]: 'a%00b' } }), 422);
  }
});

/** What a provider sends along is any text, and is compared with what was kept. */
const isCompared = ({ path }: Route) => path === '/api/v1/sso/oidc/callback';

/** Parameters of the audit that take several values; repeated, they are a list like one with commas. */
const LISTS = new Set(['action', 'eventType', 'actor', 'actorType', 'environment', 'userAgentType']);
const isList = ({ path }: Route, name: string) => path.includes('/audit-logs') && LISTS.has(name);

thorough('a repeated query key is refused, and a broken escape too', async () => {
  for (const route of routes) {
    for (const name of Object.keys(route.query.properties ?? {})) {
      const rest = { ...named(requiredOf(route.query), route.query) };
      delete rest[name];
      for (const odd of [`${name}=1&${name}=2`, `${name}=%zz`, `${name}=%c0%af`, `${name}=%ff`]) {
        if (odd.includes('&') && isList(route, name)) continue;
        const answer = await right(route, { query: `${queryText(rest)}&${odd}` });
        // A free text may hold a percent sign, or the replacement character that stands for no UTF-8.
        if (answer.status !== 200 || odd.includes('&'))
          expectDocumented(answer, isCompared(route) && !odd.includes('&') ? 403 : 422);
      }
    }
  }
});

thorough('unknown fields are ignored, as their clients send them', async () => {
  const none = '00000000-0000-4000-8000-000000000000';
  for (const route of routes) {
    const params = Object.fromEntries(route.params.filter((name) => name.endsWith('Id')).map((name) => [name, none]));
    const more = { surprise: 1, toString: 'x', extras: { deep: [null] } };
    const query = `${queryText(named(requiredOf(route.query), route.query))}&surprise=1&toString=x&a[b]=c`;
    const answer = await right(route, { params, query, body: { ...rightBody(route), projectId: none, ...more } });
    expect(answer.status === 422 ? `${route.name}: ${answer.text}` : '').toBe('');
    if (answer.status !== 200) expectDocumented(answer);
  }
});

test('a broken escape in the path is a 400', async () => {
  for (const route of routes.filter(({ params }) => params.length > 0)) {
    for (const odd of ['%', '%zz', '%c3%28', '%ff', 'a%e2%82']) {
      const params = Object.fromEntries(route.params.map((name) => [name, odd]));
      expectDocumented(await right(route, { params }), 400);
    }
  }
});
