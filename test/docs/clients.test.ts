import { afterAll, beforeAll, expect, test } from 'vitest';
import { documentedRoutes } from '../clients-other/documented-routes.ts';
import { startEmptyServer, type TestServer } from '../support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startEmptyServer();
});
afterAll(() => server.close());

test('every route that a client is known to call is documented', async () => {
  const { paths } = (await server.send('GET', '/api/docs/json')).body as { paths: Record<string, object> };
  const documented = new Set<string>();
  for (const [path, methods] of Object.entries(paths)) {
    for (const method of Object.keys(methods)) documented.add(`${method.toUpperCase()} ${path}`);
  }
  const called = [...documentedRoutes().values()].flat();
  expect(called.length).toBeGreaterThan(100);
  expect(called.map((route) => route.replaceAll(/:(\w+)/g, '{$1}')).filter((route) => !documented.has(route))).toEqual(
    [],
  );
});
