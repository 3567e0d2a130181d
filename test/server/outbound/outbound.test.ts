import type { ServerResponse } from 'node:http';
import { afterAll, afterEach, expect, test } from 'vitest';
import { OutboundFailure } from '../../../server/outbound/failure.ts';
import { Outbound, type OutboundOptions, type OutboundRequest } from '../../../server/outbound/outbound.ts';
import { newAuthority } from '../../support/certificates.ts';
import { type Listener, listen } from '../../support/listener.ts';

/** What a caller may choose of a URL, and what the server must not do for it. */

const authority = newAuthority();
const certificate = authority.issue('idp.test', '127.0.0.1');
const open: (Outbound | Listener)[] = [];
afterEach(async () => void (await Promise.all(open.splice(0).map((one) => one.close()))));

function outbound(options: OutboundOptions = {}): Outbound {
  const made = new Outbound(options);
  open.push(made);
  return made;
}
async function server(...given: Parameters<typeof listen>): Promise<Listener> {
  const made = await listen(...given);
  open.push(made);
  return made;
}
const to =
  (...addresses: string[]) =>
  async () =>
    addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
const reason = (call: Promise<unknown>) =>
  call.then(
    () => 'made',
    (error) => (error instanceof OutboundFailure ? error.reason : error),
  );

const hello: Parameters<typeof listen>[0] = (_request, response) => void response.end('{"hello":"there"}');

test('an allowed host is called over TLS by its own CA', async () => {
  const { port } = await server(hello, certificate);
  const calls = outbound({ allow: ['idp.test'], resolve: to('127.0.0.1') });
  expect(await calls.json(`https://idp.test:${port}/keys`, { ca: authority.cert })).toEqual({ hello: 'there' });
});

test.each([
  'https://127.0.0.1',
  'https://2130706433',
  'https://0x7f000001',
  'https://0177.0.0.1',
  'https://127.1',
  'https://0',
  'https://[::1]',
  'https://[::ffff:127.0.0.1]',
  'https://[::ffff:7f00:1]',
  'https://[64:ff9b::7f00:1]',
  'https://169.254.169.254/latest/meta-data',
  'https://[fd00:ec2::254]',
  'https://１２７.0.0.1',
])('an address inside is refused however it is written: %s', async (url) => {
  expect(await reason(outbound().fetch(url))).toBe('not-allowed');
});

test.each([
  ['a scheme of another kind', 'file:///etc/passwd'],
  ['a scheme of another kind', 'gopher://idp.test'],
  ['a password in it', 'https://user:password@idp.test'],
  ['no URL', 'idp.test'],
  ['a URL too long', `https://idp.test/${'x'.repeat(3000)}`],
])('a URL with %s is refused', async (_what, url) => {
  expect(await reason(outbound().fetch(url))).toBe('bad-url');
});

test('a name that stands for an address inside is refused, and nothing is connected', async () => {
  const { port, seen } = await server(hello, certificate);
  const calls = outbound({ resolve: to('127.0.0.1') });
  expect(await reason(calls.fetch(`https://idp.test:${port}`, { ca: authority.cert }))).toBe('not-allowed');
  expect(seen).toEqual([]);
});

test('a name with one address inside among others is refused', async () => {
  const calls = outbound({ resolve: to('1.1.1.1', '127.0.0.1') });
  expect(await reason(calls.fetch('https://idp.test'))).toBe('not-allowed');
});

test('a name that changes its address after a check gains nothing', async () => {
  const { port, seen } = await server(hello, certificate);
  const answers = [['127.0.0.1'], ['169.254.169.254'], ['127.0.0.2']];
  const calls = outbound({ allow: ['127.0.0.1'], resolve: () => to(...answers.shift()!)() });
  const url = `https://idp.test:${port}`;
  const request = { ca: authority.cert, headers: { connection: 'close' } };
  expect([
    await reason(calls.fetch(url, request)),
    await reason(calls.fetch(url, request)),
    await reason(calls.fetch(url, request)),
  ]).toEqual(['made', 'not-allowed', 'not-allowed']);
  expect(seen).toHaveLength(1);
});

test.each([301, 302, 303, 307, 308])('a redirect (%i) to cloud metadata is not followed', async (status) => {
  const inside = await server(hello, certificate);
  const { port } = await server((_request, response) => {
    response.writeHead(status, { location: `https://idp.test:${inside.port}/latest/meta-data` }).end();
  }, certificate);
  const calls = outbound({ allow: ['idp.test'], resolve: to('127.0.0.1') });
  expect(await reason(calls.fetch(`https://idp.test:${port}`, { ca: authority.cert }))).toBe('redirected');
  expect(inside.seen).toEqual([]);
});

/** Writes again and again, until nobody listens. */
const keepWriting = (response: ServerResponse, text: string, everyMs: number) => {
  const writing = setInterval(() => response.write(text), everyMs);
  response.on('close', () => clearInterval(writing));
};
const answers: [what: string, handle: Parameters<typeof listen>[0], request: OutboundRequest, expected: string][] = [
  ['a body that never ends', (_q, r) => keepWriting(r, 'x'.repeat(10_000), 1), {}, 'too-large'],
  [
    'a body announced too large',
    (_q, r) => void r.writeHead(200, { 'content-length': 1e9 }).write('x'),
    {},
    'too-large',
  ],
  ['a byte at a time', (_q, r) => keepWriting(r, 'x', 20), { timeoutMs: 200 }, 'too-slow'],
  ['no answer at all', () => undefined, { timeoutMs: 100 }, 'too-slow'],
  ['headers too large', (_q, r) => void r.writeHead(200, { big: 'x'.repeat(20_000) }).end(), {}, 'bad-answer'],
  ['a compressed body', (_q, r) => void r.writeHead(200, { 'content-encoding': 'gzip' }).end('x'), {}, 'bad-answer'],
  ['a connection that breaks', (q) => void q.socket.destroy(), {}, 'unreachable'],
];
test.each(answers)('%s is bounded', async (_what, handle, request, expected) => {
  const { port } = await server(handle, certificate);
  const calls = outbound({ allow: ['idp.test'], resolve: to('127.0.0.1') });
  expect(await reason(calls.fetch(`https://idp.test:${port}`, { ...request, ca: authority.cert }))).toBe(expected);
});

test.each([
  ['of the public ones, when a CA is given', newAuthority('Another').cert],
  ['given, when it is not public', undefined],
])('a certificate that no CA %s vouches for is refused', async (_what, ca) => {
  const { port } = await server(hello, certificate);
  const calls = outbound({ allow: ['idp.test'], resolve: to('127.0.0.1') });
  expect(await reason(calls.fetch(`https://idp.test:${port}`, { ca }))).toBe('tls');
});

test('a certificate for another name is refused', async () => {
  const { port } = await server(hello, certificate);
  const calls = outbound({ allow: ['other.test'], resolve: to('127.0.0.1') });
  expect(await reason(calls.fetch(`https://other.test:${port}`, { ca: authority.cert }))).toBe('tls');
});

test.each([
  ['idp.test', 'idp.test', 'not-allowed'],
  ['127.0.0.0/8', 'idp.test', 'not-allowed'],
  ['127.0.0.0/8', '127.0.0.1', 'not-allowed'],
  ['http://idp.test', 'idp.test', 'made'],
  ['http://127.0.0.0/8', 'idp.test', 'made'],
  ['http://127.0.0.0/8', '127.0.0.1', 'made'],
])('with %s allowed, plain http to %s is %s', async (entry, host, expected) => {
  const { port } = await server(hello);
  const calls = outbound({ allow: [entry], resolve: to('127.0.0.1') });
  expect(await reason(calls.fetch(`http://${host}:${port}`))).toBe(expected);
});

test('a refusal does not tell what a name stands for', async () => {
  const calls = outbound({ resolve: to('10.9.8.7') });
  await expect(calls.fetch('https://idp.test')).rejects.toThrow(/^(?!.*10\.9\.8\.7).*KMS_OUTBOUND_ALLOW/);
});

test('a status and a body that are not asked for are told apart', async () => {
  const { port } = await server((request, response) => {
    response.statusCode = request.url === '/503' ? 503 : 200;
    response.end('<html>');
  }, certificate);
  const calls = outbound({ allow: ['idp.test'], resolve: to('127.0.0.1') });
  const ca = authority.cert;
  await expect(calls.json(`https://idp.test:${port}/503`, { ca })).rejects.toThrow('status 503');
  await expect(calls.json(`https://idp.test:${port}/`, { ca })).rejects.toThrow('no JSON');
});

afterAll(() => expect(open).toEqual([]));
