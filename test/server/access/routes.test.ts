import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startServer, type TestServer } from '../../support/server.ts';

let server: TestServer;
let routes: string[];

beforeAll(async () => {
  server = await startServer({ allowUnprovenBootstrap: true });
  routes = readTree(server.app.printRoutes({ commonPrefix: false }));
});
afterAll(() => server.close());

/** `METHOD /path` of every route that the router itself knows, whoever registered it. */
function readTree(tree: string): string[] {
  const above: string[] = [];
  return tree.split('\n').flatMap((line) => {
    const [, indent, path, methods] = /^([│ ]*)[├└]── (\S+) \(([A-Z, ]+)\)$/.exec(line) ?? [];
    if (indent === undefined || path === undefined || methods === undefined) return [];
    const depth = indent.length / 4;
    above.splice(depth, above.length, path);
    return methods.split(', ').map((method) => `${method} ${above.join('')}`);
  });
}

/** Whoever adds to this list lets strangers in. */
const PUBLIC = [
  'GET /api/docs',
  'GET /api/docs/js/scalar.js',
  'GET /api/docs/json',
  'GET /api/status',
  'GET /api/v1/admin/config',
  'GET /api/v1/sso/oidc/callback',
  'GET /api/v1/sso/oidc/login',
  'GET /login/command-line',
  'GET /login/command-line.js',
  'GET /login/sso',
  'HEAD /api/docs',
  'HEAD /api/docs/js/scalar.js',
  'HEAD /api/docs/json',
  'HEAD /api/status',
  'HEAD /api/v1/admin/config',
  'POST /api/v1/admin/bootstrap',
  'POST /api/v1/admin/recovery-session',
  'POST /api/v1/admin/signup',
  'POST /api/v1/auth/command-line/token',
  'POST /api/v1/auth/kubernetes-auth/login',
  'POST /api/v1/auth/logout',
  'POST /api/v1/auth/oidc-auth/login',
  'POST /api/v1/auth/token/renew',
  'POST /api/v1/auth/token/revoke',
  'POST /api/v1/auth/universal-auth/client-secrets/renew',
  'POST /api/v1/auth/universal-auth/login',
  'POST /api/v1/invite-org/verify',
  'POST /api/v2/password/password-reset',
  'POST /api/v3/auth/login',
  'POST /api/v3/auth/login1',
  'POST /api/v3/auth/login2',
  'POST /api/v3/signup/complete-account/invite',
];

/** A route's address with an id in every place, or the first of the names that it has for one. */
const addressOf = (path: string) => path.replace(/:(\w+)(\|:\w+)?/g, () => randomUUID());

test('strangers reach these routes and no other', async () => {
  const reached: string[] = [];
  for (const route of routes) {
    const [method, path] = route.split(' ') as [string, string];
    const body = ['GET', 'HEAD'].includes(method) ? {} : { body: {} };
    const { status } = await server.send(method, addressOf(path), body);
    if (status !== 401) reached.push(route);
  }
  expect(routes.length).toBeGreaterThan(100);
  expect(reached.sort()).toEqual(PUBLIC);
});

test.each([
  ['a trailing slash', '/api/v1/organization/'],
  ['two slashes', '/api//v1/organization'],
  ['a dot segment', '/api/v1/./organization'],
  ['an encoded letter', '/api/v1/%6Frganization'],
  ['other letters', '/API/v1/organization'],
  ['a query', '/api/v1/organization?public=true'],
  ['a public route as query', '/api/v1/organization?/api/status'],
])('no token and %s gives nothing', async (_, url) => {
  const { status, body } = await server.send('GET', url);
  expect([status, body.error]).toEqual([status === 404 ? 404 : 401, status === 404 ? 'NotFound' : 'UnauthorizedError']);
});

test('an unknown route is a 404 that names it', async () => {
  for (const token of [undefined, server.admin]) {
    const { status, body } = await server.send('GET', '/api/v9/secrets?value=hidden', { token });
    expect([status, body]).toEqual([
      404,
      { reqId: expect.any(String), statusCode: 404, error: 'NotFound', message: 'Route GET:/api/v9/secrets not found' },
    ]);
  }
});

test('every route is in the document, with summary and answer', async () => {
  const { status, body } = await server.send('GET', '/api/docs/json');
  expect(status).toBe(200);
  const documented: string[] = [];
  const operations = Object.entries<Record<string, any>>(body.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ route: `${method.toUpperCase()} ${path}`, operation })),
  );
  for (const { route, operation } of operations) {
    // Routes that are not kept never succeed: what they document is their refusal.
    const content = operation.responses?.[operation.summary?.startsWith('Not kept: ') ? '400' : '200']?.content ?? {};
    // A stream of events, or of lines, has a form of its own.
    const schema = (content['application/json'] ?? Object.values<any>(content)[0])?.schema;
    expect([route, operation.summary, operation.tags?.length, typeof schema]).toEqual([
      route,
      expect.stringMatching(/^[A-Z].{5,}[^.]$/),
      1,
      'object',
    ]);
    documented.push(route.replace(/\{\w+\}/g, ':id'));
  }
  // Pages are for browsers.
  const known = routes.filter((route) => !/^HEAD |\/api\/docs|^GET \/login\//.test(route));
  expect(documented.sort()).toEqual(known.map((route) => route.replace(/:(\w+)(\|:\w+)?/g, ':id')).sort());
});

test('refusals have one shape', async () => {
  const answers = [
    await server.send('GET', '/api/v1/organization'),
    await server.send('GET', '/api/nowhere'),
    await server.send('POST', '/api/v1/projects', { token: server.admin, body: {} }),
    await server.send('GET', `/api/v1/projects/${randomUUID()}`, { token: server.admin }),
    await server.send('POST', '/api/v1/admin/bootstrap', { body: { email: 'z@hanzo.ai', organization: 'Hanzo' } }),
  ];
  expect(answers.map(({ status }) => status)).toEqual([401, 404, 422, 404, 422]);
  const ids = new Set();
  for (const { status, body, headers } of answers) {
    expect(Object.keys(body).sort()).toEqual(['error', 'message', 'reqId', 'statusCode']);
    expect(body.statusCode).toBe(status);
    expect(Array.isArray(body.message)).toBe(status === 422);
    expect(headers['content-type']).toBe('application/json; charset=utf-8');
    ids.add(body.reqId);
  }
  expect(ids.size).toBe(answers.length);
});
