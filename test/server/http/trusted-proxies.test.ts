import { expect, test } from 'vitest';
import { type ForwardedHeader, parseNetwork, TrustedProxies } from '../../../server/http/trusted-proxies.ts';

const networks = ['10.0.0.0/8', '192.0.2.7', 'fd00::/8'];
const PROXY = '10.0.0.1';

function clientOf(socket: string, value: string | string[] | undefined, header: ForwardedHeader = 'x-forwarded-for') {
  return new TrustedProxies({ networks, header }).clientOf(socket, { [header]: value });
}

test.each<{ name: string; socket?: string; header: string | string[] | undefined; client: string }>([
  { name: 'no header', header: undefined, client: PROXY },
  { name: 'one entry', header: '203.0.113.9', client: '203.0.113.9' },
  { name: 'a stranger that forges one', socket: '203.0.113.9', header: '198.51.100.1', client: '203.0.113.9' },
  { name: 'a stranger that names a proxy', socket: '203.0.113.9', header: '10.0.0.2', client: '203.0.113.9' },
  { name: 'a forged entry on the left', header: '198.51.100.1, 203.0.113.9', client: '203.0.113.9' },
  { name: 'a forged entry that is a proxy', header: '10.9.9.9, 203.0.113.9', client: '203.0.113.9' },
  { name: 'a forged pair behind the own address', header: '1.1.1.1, 10.0.0.2, 203.0.113.9', client: '203.0.113.9' },
  { name: 'two proxies', header: '203.0.113.9, 192.0.2.7', client: '203.0.113.9' },
  { name: 'a forged entry before two proxies', header: '1.1.1.1, 203.0.113.9, 192.0.2.7', client: '203.0.113.9' },
  { name: 'proxies alone', header: '10.1.1.1, 10.2.2.2', client: '10.1.1.1' },
  { name: 'two headers, joined', header: ['1.1.1.1', '203.0.113.9'], client: '203.0.113.9' },
  { name: 'the same address twice', header: '203.0.113.9, 203.0.113.9', client: '203.0.113.9' },
  { name: 'a port', header: '203.0.113.9:4711', client: '203.0.113.9' },
  { name: 'IPv6', header: '2001:DB8:0:0:0:0:0:1', client: '2001:db8::1' },
  { name: 'IPv6 in brackets', header: '[2001:db8::1]', client: '2001:db8::1' },
  { name: 'IPv6 with a port', header: '[2001:db8::1]:443', client: '2001:db8::1' },
  { name: 'an IPv6 proxy', socket: 'fd00::5', header: '203.0.113.9', client: '203.0.113.9' },
  { name: 'an IPv4 proxy over IPv6', socket: '::ffff:10.0.0.1', header: '203.0.113.9', client: '203.0.113.9' },
  { name: 'IPv4 within IPv6', header: '::ffff:203.0.113.9', client: '203.0.113.9' },
  { name: 'IPv4 within IPv6, in hex', header: '::ffff:cb00:7109', client: '203.0.113.9' },
  { name: 'a proxy as IPv4 within IPv6', header: '203.0.113.9, ::ffff:10.0.0.2', client: '203.0.113.9' },
  { name: 'a zone', header: 'fe80::1%eth0', client: 'fe80::1' },
  { name: 'white space', header: ' \t203.0.113.9 ', client: '203.0.113.9' },
  { name: 'an empty header', header: '', client: PROXY },
  { name: 'commas alone', header: ',,,', client: PROXY },
  { name: 'a word', header: 'unknown', client: PROXY },
  { name: 'a word right of an address', header: '203.0.113.9, unknown', client: PROXY },
  { name: 'an address left of a word and a proxy', header: '203.0.113.9, unknown, 192.0.2.7', client: '192.0.2.7' },
  { name: 'a short form of IPv4', header: '127.1', client: PROXY },
  { name: 'an octal form of IPv4', header: '0300.0.2.1', client: PROXY },
  { name: 'a number', header: '3405803785', client: PROXY },
  { name: 'a host', header: 'localhost', client: PROXY },
  { name: 'an address out of range', header: '203.0.113.256', client: PROXY },
  { name: 'an address and more', header: '203.0.113.9 203.0.113.8', client: PROXY },
  { name: 'a network', header: '203.0.113.0/24', client: PROXY },
  { name: 'IPv4 in brackets', header: '[203.0.113.9]', client: PROXY },
  { name: 'a port without a number', header: '203.0.113.9:http', client: PROXY },
  { name: 'SQL', header: "203.0.113.9'; drop table audit_log; --", client: PROXY },
  { name: 'a prototype', header: '__proto__', client: PROXY },
  { name: '1,000 forged entries', header: `${'1.1.1.1, '.repeat(1000)}203.0.113.9`, client: '203.0.113.9' },
  { name: '1,000 proxies', header: `203.0.113.9${', 10.0.0.2'.repeat(1000)}`, client: '203.0.113.9' },
])('$name behind a proxy is $client', ({ socket = PROXY, header, client }) => {
  expect(clientOf(socket, header)).toBe(client);
  const proxies = new TrustedProxies({ networks });
  const twice = [1, 2].map(() => proxies.clientOf(socket, { 'x-forwarded-for': header }));
  expect(twice).toEqual([client, client]);
});

test.each<{ name: string; header: string; client: string }>([
  { name: 'an address', header: 'for=203.0.113.9', client: '203.0.113.9' },
  { name: 'all of it', header: 'For="203.0.113.9:47011";proto=https;by=10.0.0.3', client: '203.0.113.9' },
  { name: 'IPv6', header: 'for="[2001:DB8::1]:4711"', client: '2001:db8::1' },
  { name: 'a forged element on the left', header: 'for=1.1.1.1, for=203.0.113.9', client: '203.0.113.9' },
  { name: 'two proxies', header: 'for=203.0.113.9,for=192.0.2.7;proto=http', client: '203.0.113.9' },
  { name: 'a quoted comma', header: 'for="1.1.1.1, for=2.2.2.2";x="a,b", for=203.0.113.9', client: '203.0.113.9' },
  { name: 'a quoted quote', header: 'for="1.1.1.1\\", for=8.8.8.8", for=203.0.113.9', client: '203.0.113.9' },
  { name: 'a hidden client', header: 'for=203.0.113.9, for=_hidden', client: PROXY },
  { name: 'an element without for', header: 'for=203.0.113.9, proto=https', client: PROXY },
  { name: 'two for in one element', header: 'for=203.0.113.9;for=1.1.1.1', client: PROXY },
  { name: 'a quote that never ends', header: 'for="203.0.113.9', client: PROXY },
  { name: 'a plain address', header: '203.0.113.9', client: PROXY },
])('$name in Forwarded is $client', ({ header, client }) => {
  expect(clientOf(PROXY, header, 'forwarded')).toBe(client);
});

test('the header that the proxies do not write is not read', () => {
  const forged = { forwarded: 'for=198.51.100.1', 'x-real-ip': '198.51.100.1', 'cf-connecting-ip': '198.51.100.1' };
  const proxies = new TrustedProxies({ networks });
  expect(proxies.clientOf(PROXY, forged)).toBe(PROXY);
  const others = new TrustedProxies({ networks, header: 'forwarded' });
  expect(others.clientOf(PROXY, { 'x-forwarded-for': '198.51.100.1' })).toBe(PROXY);
});

test.each(['', 'localhost', '10.0.0.0/', '10.0.0.0/33', '::/129', '0.0.0.0/0', '::/0', '10.0.0.0/8/8', '10/8', '*'])(
  '"%s" is no network of proxies',
  (text) => {
    expect(parseNetwork(text)).toBeUndefined();
    expect(() => new TrustedProxies({ networks: [text] })).toThrow('no address or network');
  },
);
