import { expect, test } from 'vitest';
import { isPublic } from '../../../server/outbound/addresses.ts';
import { AllowList } from '../../../server/outbound/allow-list.ts';

test.each([
  '1.1.1.1',
  '8.8.8.8',
  '100.63.255.255',
  '100.128.0.0',
  '172.15.255.255',
  '172.32.0.1',
  '2606:4700::1111',
  '2a00:1450::1',
])('%s is of the open internet', (address) => expect(isPublic(address)).toBe(true));

test.each([
  ['this host', '0.0.0.0'],
  ['private', '10.1.2.3'],
  ['private', '172.16.0.1'],
  ['private', '192.168.1.1'],
  ['shared by a carrier', '100.64.0.1'],
  ['loopback', '127.0.0.1'],
  ['loopback', '127.255.255.254'],
  ['cloud metadata', '169.254.169.254'],
  ["Alibaba's metadata", '100.100.100.200'],
  ['protocol assignments', '192.0.0.192'],
  ['benchmarks', '198.19.0.1'],
  ['documentation', '203.0.113.7'],
  ['multicast', '224.0.0.1'],
  ['reserved', '240.0.0.1'],
  ['broadcast', '255.255.255.255'],
  ['unspecified', '::'],
  ['loopback', '::1'],
  ['IPv4 mapped', '::ffff:127.0.0.1'],
  ['IPv4 mapped, in hex', '::ffff:7f00:1'],
  ['IPv4 compatible', '::127.0.0.1'],
  ['NAT64', '64:ff9b::a9fe:a9fe'],
  ['NAT64 of a network', '64:ff9b:1::a00:1'],
  ['6to4', '2002:7f00:1::'],
  ['Teredo', '2001:0:7f00:1::'],
  ['unique local', 'fd00::1'],
  ["Amazon's metadata", 'fd00:ec2::254'],
  ['link-local', 'fe80::1'],
  ['site-local', 'fec0::1'],
  ['multicast', 'ff02::1'],
  ['documentation', '2001:db8::1'],
  ['no address', 'localhost'],
])('%s is not: %s', (_what, address) => expect(isPublic(address)).toBe(false));

test.each<[entry: string, host: string, address: string, permitted: boolean]>([
  ['10.0.0.0/8', 'idp.internal', '10.2.3.4', true],
  ['10.0.0.0/8', 'idp.internal', '::ffff:10.2.3.4', true],
  ['10.0.0.0/8', 'idp.internal', '192.168.0.1', false],
  ['fd12::/16', 'idp.internal', 'fd12::9', true],
  ['idp.internal', 'idp.internal', '192.168.0.1', true],
  ['idp.internal', 'other.internal', '192.168.0.1', false],
  ['idp.internal', 'evil.idp.internal', '192.168.0.1', false],
  ['*.internal', 'idp.internal', '192.168.0.1', true],
  ['*.internal', 'internal', '192.168.0.1', false],
  ['*.internal', 'evilinternal', '192.168.0.1', false],
  ['idp.internal', 'idp.internal', '169.254.169.254', false],
  ['idp.internal', 'idp.internal', '::ffff:169.254.169.254', false],
  ['idp.internal', 'idp.internal', 'fe80::1', false],
  ['169.254.0.0/16', 'idp.internal', '169.254.169.254', true],
  ['IDP.Internal', 'idp.internal', '127.0.0.1', true],
])('the entry %s: %s at %s is %s', (entry, host, address, permitted) =>
  expect(new AllowList([entry]).permits(host, address)).toBe(permitted),
);

test.each([
  '10.0.0.0/33',
  '10.0.0.0/x',
  '10.0.0',
  'https://idp.internal',
  '*',
  '*.*',
  'idp internal',
  'idp.internal/path',
  '',
])('the entry "%s" is refused by name', (entry) =>
  expect(() => new AllowList([entry])).toThrow(`"${entry}" is no network, address or host`),
);
