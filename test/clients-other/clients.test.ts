import { afterAll, beforeAll, expect, test } from 'vitest';
import { startServer, type TestServer } from '../support/server.ts';
import { clients } from './clients.ts';
import { documentedRoutes } from './documented-routes.ts';
import { seedFor } from './seed.ts';
import { type Command, NotHere, run } from './toolchains.ts';

/** Clients of other languages and other versions, each in a process of its own, against a server that listens. */

let server: TestServer;
let url: string;
let asked = new Set<string>();

beforeAll(async () => {
  server = await startServer({
    prepare: (app) => {
      app.addHook('onResponse', (request, _reply, done) => {
        const { socket, method, routeOptions } = request;
        // Those that are injected have no socket of a network; they are ours.
        if (socket.remotePort !== undefined && routeOptions.url !== undefined)
          asked.add(`${method} ${routeOptions.url}`);
        done();
      });
    },
  });
  url = await server.app.listen({ host: '127.0.0.1', port: 0 });
  await server.do('PATCH', '/api/v1/admin/config', {
    body: { machineAuthMethods: ['universal-auth', 'token-auth', 'service-token'] },
  });
});
afterAll(() => server.close());

const all = process.env.KMS_CLIENTS_ALL === '1';

test.for(clients.filter(({ slow }) => all || !slow))(
  '$name works unchanged, on the routes that the docs name',
  async ({ name, steps, prepare }, { skip }) => {
    let command: Command;
    try {
      command = await prepare();
    } catch (error) {
      if (error instanceof NotHere) return skip(error.message);
      throw error;
    }
    const env = await seedFor(server, url, name.replaceAll(/[^a-z0-9]+/g, '-').replace(/^-/, ''));
    asked = new Set();
    const { code, output } = await run({ ...command, env: { ...command.env, ...env } }, 60);
    const lines = output.split('\n');
    expect({ code, failed: lines.filter((line) => line.startsWith('not ok')) }, output).toEqual({
      code: 0,
      failed: [],
    });
    expect(lines.filter((line) => line.startsWith('ok ')).length, output).toBe(steps);
    expect([...asked].sort()).toEqual(documentedRoutes().get(name));
  },
);
