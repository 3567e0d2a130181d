import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { startServer, type TestServer } from '../../support/server.ts';
import { expectDocumented } from './documented.ts';

/** Over real sockets: what an injected request cannot say, because it is no request. */

let server: TestServer;
let port: number;

beforeAll(async () => {
  server = await startServer();
  await server.app.listen({ host: '127.0.0.1', port: 0 });
  port = (server.app.server.address() as AddressInfo).port;
});
afterAll(() => server.close());

const KIB = 1024;
const LOGIN =
  'POST /api/v1/auth/universal-auth/login HTTP/1.1\r\nhost: kms\r\nconnection: close\r\ncontent-type: application/json\r\n';
const STATUS = 'GET /api/status HTTP/1.1\r\nhost: kms\r\n';

/** Sends these bytes and gives back all that came until the server closed, which it does within 2 seconds. */
async function wire(...pieces: readonly (string | Buffer)[]): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  const got: Buffer[] = [];
  socket.on('data', (piece) => got.push(piece));
  socket.on('error', () => undefined);
  const closed = once(socket, 'close', { signal: AbortSignal.timeout(2_000) });
  for (const piece of pieces) {
    if (socket.writable) socket.write(piece);
    await sleep(1);
  }
  await closed.finally(() => socket.destroy());
  return Buffer.concat(got).toString('latin1');
}

function parse(answer: string) {
  const [head, text] = answer.split('\r\n\r\n') as [string, string];
  return { status: Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1]), text };
}

test.each<{ name: string; bytes: string | Buffer; status: number }>([
  { name: 'no HTTP at all', bytes: 'GARBAGE\r\n\r\n', status: 400 },
  { name: 'another protocol', bytes: Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00]), status: 400 },
  { name: 'an unknown version', bytes: 'GET / HTTP/9.9\r\nhost: kms\r\n\r\n', status: 400 },
  { name: 'a NUL in the path', bytes: 'GET /api/\0status HTTP/1.1\r\nhost: kms\r\n\r\n', status: 400 },
  { name: 'a NUL in a header', bytes: `${STATUS}x: a\0b\r\n\r\n`, status: 400 },
  { name: 'a header without a name', bytes: `${STATUS}: x\r\n\r\n`, status: 400 },
  { name: 'a header name with a space', bytes: `${STATUS}x y: z\r\n\r\n`, status: 400 },
  { name: 'a URL of 20 KiB', bytes: `GET /${'a'.repeat(20 * KIB)} HTTP/1.1\r\nhost: kms\r\n\r\n`, status: 431 },
  { name: 'a header of 20 KiB', bytes: `${STATUS}x: ${'a'.repeat(20 * KIB)}\r\n\r\n`, status: 431 },
  { name: '2,000 headers', bytes: `${STATUS}${'x: abcdefgh\r\n'.repeat(2000)}\r\n`, status: 431 },
  { name: 'two lengths', bytes: `${LOGIN}content-length: 2\r\ncontent-length: 3\r\n\r\n{}`, status: 400 },
  { name: 'a negative length', bytes: `${LOGIN}content-length: -1\r\n\r\n{}`, status: 400 },
  {
    name: 'a length and chunks',
    bytes: `${LOGIN}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
    status: 400,
  },
  { name: 'chunks of no size', bytes: `${LOGIN}transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n`, status: 400 },
  { name: 'a length of over 1 MiB', bytes: `${LOGIN}content-length: 1048577\r\n\r\n`, status: 413 },
  { name: 'a broken escape', bytes: 'GET /api/%zz HTTP/1.1\r\nhost: kms\r\nconnection: close\r\n\r\n', status: 400 },
  { name: 'a body that ends too early', bytes: `${LOGIN}content-length: 9\r\n\r\n{"clientI`, status: 400 },
  {
    name: 'a method of WebDAV',
    bytes: 'PROPFIND /api/status HTTP/1.1\r\nhost: kms\r\nconnection: close\r\n\r\n',
    status: 404,
  },
  {
    name: 'a path out of the root',
    bytes: 'GET /../../etc/passwd HTTP/1.1\r\nhost: kms\r\nconnection: close\r\n\r\n',
    status: 404,
  },
  {
    name: 'a URL of another host',
    bytes: 'GET http://x/api/v1/nothing HTTP/1.1\r\nhost: kms\r\nconnection: close\r\n\r\n',
    status: 404,
  },
])('$name gets $status and the documented body', async ({ bytes, status }) => {
  expectDocumented(parse(await wire(bytes)), status);
});

test('a chunked body over 1 MiB is cut off with 413', async () => {
  const chunk = `10000\r\n${' '.repeat(64 * KIB)}\r\n`;
  const answer = await wire(`${LOGIN}transfer-encoding: chunked\r\n\r\n`, ...Array<string>(20).fill(chunk));
  expectDocumented(parse(answer), 413);
});

test('a request byte by byte is answered, and holds up nobody', async () => {
  const body = '{"clientId":"x","clientSecret":"y"}';
  const slow = wire(...`${LOGIN}content-length: ${body.length}\r\n\r\n${body}`);
  const began = performance.now();
  expect((await fetch(`http://127.0.0.1:${port}/api/status`)).status).toBe(200);
  expect(performance.now() - began).toBeLessThan(1_000);
  expectDocumented(parse(await slow), 401);
});

test('a request that never ends is given a limit', () => {
  expect(server.app.server.requestTimeout).toBe(30_000);
  expect(server.app.server.headersTimeout).toBeLessThanOrEqual(15_000);
});

test('clients that leave in the middle harm nobody', async () => {
  const before = server.app.faults.refusals.of('badRequest');
  const halves = ['', 'POST', LOGIN, `${LOGIN}content-length: 100\r\n\r\n{"a`, `${STATUS}\r\n`];
  for (const half of halves.flatMap((one) => Array<string>(20).fill(one))) {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    socket.write(half);
    socket.resetAndDestroy();
  }
  expect((await fetch(`http://127.0.0.1:${port}/api/status`)).status).toBe(200);
  const { refusals } = server.app.faults;
  // Those who left behind half a body were heard; an outage, which somebody would be woken for, was not.
  const cutOff = 20;
  await vi.waitFor(() => expect(refusals.of('badRequest') - before).toBeGreaterThanOrEqual(cutOff));
  expect(refusals.of('unavailable')).toBe(0);
});

test('garbage behind a request ends the connection, not the server', async () => {
  // Node may answer the garbage first: the request is still under way. Nobody who sends garbage can tell whose answer it is.
  expect(parse(await wire(`${STATUS}\r\nGARBAGE\r\n\r\n`)).status).toSatisfy(
    (status) => status === 200 || status === 400,
  );
  expect((await fetch(`http://127.0.0.1:${port}/api/status`)).status).toBe(200);
});
