import { EventEmitter, once } from 'node:events';
import type { Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { endStalled, lookEveryMs } from '../../../server/http/stalled.ts';
import { startServer, type TestServer } from '../../support/server.ts';

/** Clients that harm by being slow, deaf or many. The limits are the product's, scaled down to seconds. */

let server: TestServer;
let port: number;
let project: { id: string };
let begun = 0;
const sockets: Socket[] = [];

beforeAll(async () => {
  server = await startServer({
    connections: { requestMs: 1_500, stalledMs: 1_500, perAddress: 20 },
    prepare: (app) =>
      app.addHook('onRequest', async () => {
        begun++;
      }),
  });
  await server.app.listen({ host: '127.0.0.1', port: 0 });
  port = (server.app.server.address() as AddressInfo).port;
  project = await server.project('gateway');
  const big = 'x'.repeat(200_000);
  for (let n = 0; n < 40; n++) await server.setSecrets(project.id, 'dev', { [`BIG_${n}`]: big });
});
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await server.close();
});

async function open(): Promise<{ socket: Socket; closed: Promise<unknown>; got: () => string }> {
  const socket = connect(port, '127.0.0.1');
  sockets.push(socket);
  socket.on('error', () => undefined);
  const closed = once(socket, 'close', { signal: AbortSignal.timeout(20_000) });
  closed.catch(() => undefined);
  await once(socket, 'connect');
  let text = '';
  socket.on('data', (piece) => {
    text += piece.toString('latin1');
  });
  return { socket, closed, got: () => text };
}
const status = async () => (await fetch(`http://127.0.0.1:${port}/api/status`)).status;

test('a client that sends a byte at a time is cut off, and holds up nobody', async () => {
  const { socket, closed, got } = await open();
  socket.write('GET /api/status HTTP/1.1\r\nhost: kms\r\nx: ');
  const dripping = setInterval(() => socket.writable && socket.write('a'), 100);
  expect(await status()).toBe(200);
  await closed.finally(() => clearInterval(dripping));
  expect(got()).toMatch(/^HTTP\/1\.1 408 /);
  expect(got()).toContain('RequestTimeout');
});

test('a body that drips is cut off too', async () => {
  const { socket, closed, got } = await open();
  const head = 'POST /api/v1/auth/universal-auth/login HTTP/1.1\r\nhost: kms\r\ncontent-type: application/json\r\n';
  socket.write(`${head}content-length: 5000\r\n\r\n{`);
  const dripping = setInterval(() => socket.writable && socket.write(' '), 100);
  await closed.finally(() => clearInterval(dripping));
  expect(got()).toMatch(/^HTTP\/1\.1 408 /);
});

test('a client that never reads is cut off, and others are served meanwhile', async () => {
  const url = `/api/v4/secrets?projectId=${project.id}&environment=dev`;
  const { socket, closed } = await open();
  socket.removeAllListeners('data');
  socket.pause();
  const ask = `GET ${url} HTTP/1.1\r\nhost: kms\r\nauthorization: Bearer ${server.admin}\r\n\r\n`;
  const [begunBefore, memoryBefore] = [begun, process.memoryUsage().rss];
  // Far more than the buffers of both sides hold; the answers to all of it would be 160 MB.
  socket.write(ask.repeat(20));
  await expect.poll(() => begun).toBeGreaterThan(begunBefore);
  expect(await status()).toBe(200);
  const gone = expect
    .poll(() => new Promise<number>((resolve) => server.app.server.getConnections((_, n) => resolve(n))), {
      timeout: 15_000,
    })
    .toBeLessThanOrEqual(1);
  await gone;
  // The status was asked too. What the buffers of both sides take is an answer or two.
  expect(begun - begunBefore).toBeLessThanOrEqual(5);
  expect(process.memoryUsage().rss - memoryBefore).toBeLessThan(120 * 1024 * 1024);
  socket.destroy();
  await closed;
  expect(await status()).toBe(200);
});

test.each<{ name: string; moves?: (look: number) => number; endsAtMs: number | undefined }>([
  { name: 'on which nothing moves ends after its time, and not after twice of it', endsAtMs: 65_000 },
  { name: 'that moves now and then goes on', moves: (look) => Math.floor(look / 8), endsAtMs: undefined },
  { name: 'that moved once has its time from there', moves: (look) => (look > 8 ? 1 : 0), endsAtMs: 100_000 },
])('a connection $name', ({ moves = () => 0, endsAtMs }) => {
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const each = new EventEmitter();
  endStalled(each as Server, 60_000);
  const socket = { timeout: lookEveryMs(60_000), bytesRead: 100, bytesWritten: 9_000, writableLength: 5_000 };
  let endedAtMs: number | undefined;
  const asSocket = Object.assign(socket, { setTimeout: vi.fn(), destroy: () => (endedAtMs ??= look * socket.timeout) });
  let look = 0;
  // The first of Node's looks finds that something left since the answer was written, and tells nobody.
  for (look = 2; look < 60 && endedAtMs === undefined; look++) {
    vi.advanceTimersByTime(socket.timeout);
    socket.writableLength = 5_000 - moves(look);
    each.emit('timeout', asSocket);
  }
  expect(endedAtMs).toBe(endsAtMs);
});

test('requests that came at once are answered in their order', async () => {
  const { socket, got } = await open();
  const paths = Array.from({ length: 50 }, (_, n) => `/api/none-${n}-`);
  socket.write(paths.map((path) => `GET ${path} HTTP/1.1\r\nhost: kms\r\n\r\n`).join(''));
  await expect.poll(() => got().match(/none-\d+-/g)).toEqual(paths.map((path) => path.slice(5)));
  socket.destroy();
});

test('a connection on which a thousand requests wait is ended', async () => {
  const { socket, closed } = await open();
  socket.removeAllListeners('data');
  const before = begun;
  socket.write('GET /api/status HTTP/1.1\r\nhost: kms\r\n\r\n'.repeat(1_000));
  socket.resume();
  await closed;
  expect(begun - before).toBeLessThan(1_000);
});

test('one address has only so many connections', async () => {
  const many = await Promise.all(Array.from({ length: 30 }, open));
  await expect.poll(() => many.filter(({ socket }) => socket.closed).length).toBeGreaterThanOrEqual(10);
  for (const { socket } of many) socket.destroy();
  await expect.poll(status).toBe(200);
});

test.each<{ method: string; url: string; status: number }>([
  { method: 'HEAD', url: '/api/status', status: 200 },
  { method: 'OPTIONS', url: '/api/v4/secrets', status: 404 },
  { method: 'TRACE', url: '/api/status', status: 404 },
])('$method $url answers $status, and nothing of other origins', async ({ method, url, status: expected }) => {
  const answer = await server.app.inject({
    method: method as 'HEAD',
    url,
    headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' },
  });
  expect(answer.statusCode).toBe(expected);
  expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
  if (method === 'HEAD') expect(answer.body).toBe('');
});

test('every answer carries the headers that browsers obey', async () => {
  for (const url of ['/api/status', '/api/nowhere', '/api/v1/organization']) {
    const { headers } = await server.send('GET', url);
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'SAMEORIGIN',
      'strict-transport-security': expect.stringContaining('max-age'),
      'referrer-policy': 'no-referrer',
    });
    expect(headers['x-powered-by']).toBeUndefined();
  }
});
