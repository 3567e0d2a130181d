import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { Connections } from '../../operator/kms/connections.ts';
import { Kms } from '../../sdk/index.ts';

const servers: Server[] = [];
const open: Connections[] = [];
afterEach(async () => {
  for (const connections of open.splice(0)) connections.close();
  for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
});

async function serve(answer: RequestListener): Promise<{ server: Server; url: string }> {
  const server = createServer(answer);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

function clients(url: string, count: number): Kms[] {
  const connections = new Connections(url, undefined);
  open.push(connections);
  return Array.from({ length: count }, (_, n) => {
    const credentials = { token: `token-${n}` };
    return new Kms({ url, credentials, fetch: connections.fetch, retries: 0 });
  });
}

const at = { projectSlug: 'gateway', environment: 'prod' };
const EMPTY = JSON.stringify({ secrets: [], imports: [] });

test('identities share few connections, and each asks with its own token', async () => {
  const tokens = new Set<string | undefined>();
  let sockets = 0;
  const { server, url } = await serve((request, response) => {
    tokens.add(request.headers.authorization);
    response.setHeader('content-type', 'application/json').end(EMPTY);
  });
  server.on('connection', () => sockets++);
  await Promise.all(clients(url, 200).map((kms) => kms.secrets.look(at)));
  expect(tokens.size).toBe(200);
  expect(sockets).toBeLessThanOrEqual(32);
});

test('open streams leave connections to ask with', async () => {
  const { url } = await serve((request, response) => {
    if (request.url?.startsWith('/api/v1/events')) response.writeHead(200).write(': open\n\n');
    else response.setHeader('content-type', 'application/json').end(EMPTY);
  });
  const stop = new AbortController();
  const all = clients(url, 64);
  const ended: Promise<void>[] = [];
  for (const { events } of all)
    await new Promise<void>((onOpen) => {
      const stream = events.subscribe({ projectId: 'p', signal: stop.signal, onOpen });
      ended.push(stream.next().then(() => {}));
    });
  await expect(all[0]!.secrets.look(at)).resolves.toMatchObject({ secrets: [] });
  stop.abort();
  await Promise.all(ended);
});

test('a question on a connection that the server closed is asked once more', async () => {
  let asked = 0;
  const { url } = await serve((request, response) => {
    asked++;
    if (asked === 2) request.socket.destroy();
    else response.setHeader('content-type', 'application/json').end(EMPTY);
  });
  const [kms] = clients(url, 1) as [Kms];
  await kms.secrets.look(at);
  await expect(kms.secrets.look(at)).resolves.toMatchObject({ secrets: [] });
  expect(asked).toBe(3);
});

test('a token is not carried to where a redirect points', async () => {
  let followed = false;
  const { url } = await serve((request, response) => {
    if (request.url === '/elsewhere') followed = true;
    response.writeHead(302, { location: '/elsewhere' }).end();
  });
  const [kms] = clients(url, 1) as [Kms];
  await expect(kms.secrets.look(at)).rejects.toThrow(/302, a redirect/);
  expect(followed).toBe(false);
});
