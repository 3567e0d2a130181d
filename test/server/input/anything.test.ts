import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startServer, type TestServer } from '../../support/server.ts';
import { everything } from '../../support/thorough.ts';
import { anything } from './anything.ts';
import { expectDocumented } from './documented.ts';
import { type Route, routesOf, urlOf } from './routes.ts';
import { HIDDEN, makeWorld, type World } from './world.ts';

/** For a longer search: ODD_REQUESTS=500. */
const REQUESTS_A_ROUTE = Number(process.env.ODD_REQUESTS ?? (everything ? 15 : 4));

let server: TestServer;
let world: World;
let routes: Route[];
/** What the log says of the server's own faults: where each happened, without which a 500 of chance says nothing. */
const failures: string[] = [];

beforeAll(async () => {
  const write = (line: string) => void (line.includes('"request failed"') && failures.push(line));
  server = await startServer({ logStream: { write } });
  world = await makeWorld(server, 'anything');
  routes = await routesOf(server.app);
});
afterAll(() => server.close());

test('no request at all makes a fault or tells a value', async () => {
  const statuses = new Map<number, number>();
  for (const route of routes) {
    await fc.assert(
      fc.asyncProperty(anything(route, world), async ({ params, query, body, headers }) => {
        const answer = await server.app.inject({
          method: route.method,
          url: urlOf(route, params, query),
          headers: {
            ...headers,
            authorization: `Bearer ${server.admin}`,
            ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          },
          ...(body === undefined ? {} : { payload: JSON.stringify(body) }),
        });
        const { statusCode: status, body: text } = answer;
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        if (status === 200 || status === 304) return;
        if (status >= 500) throw new Error(`${route.name} answers ${status}: ${failures.at(-1)}`);
        expectDocumented({ status, text });
        expect(text).not.toContain(HIDDEN);
        expect(text).not.toContain(server.admin);
      }),
      { numRuns: REQUESTS_A_ROUTE },
    );
  }
  // Had nothing got past validation, this would show little.
  for (const status of [200, 404, 422]) expect(statuses.get(status), `answers with ${status}`).toBeGreaterThan(30);
}, 600_000);
