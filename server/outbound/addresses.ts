import { BlockList, isIPv4, isIPv6 } from 'node:net';

/**
 * Which addresses are of the open internet. Everything else is somebody's inside: a URL that a caller chose and that
 * leads there would make this server the caller's hand in its own network.
 */

const SPECIAL_IPV4: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
];

/** Of 2000::/3, what is not plain unicast: Teredo and its neighbours, documentation, 6to4 (which carries an IPv4 address). */
const SPECIAL_IPV6: readonly (readonly [string, number])[] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
];

/** What no name may lead to, even one that is allowed: cloud metadata and what a host reaches on its own link. */
const METADATA: readonly string[] = ['169.254.0.0/16', 'fe80::/10', 'fd00:ec2::/32', '100.100.100.200/32', '0.0.0.0/8'];

const special = new BlockList();
for (const [network, prefix] of SPECIAL_IPV4) special.addSubnet(network, prefix, 'ipv4');
for (const [network, prefix] of SPECIAL_IPV6) special.addSubnet(network, prefix, 'ipv6');
const globalUnicast = new BlockList();
globalUnicast.addSubnet('2000::', 3, 'ipv6');
const metadata = networksOf(METADATA);

/** Whether an address is a plain one of the internet. IPv6 forms that carry an IPv4 address (mapped, NAT64, 6to4) are not. */
export function isPublic(address: string): boolean {
  if (isIPv4(address)) return !special.check(address, 'ipv4');
  return isIPv6(address) && globalUnicast.check(address, 'ipv6') && !special.check(address, 'ipv6');
}

/** Whether an address is one that only its own network opens, and no host name. */
export const isMetadata = (address: string): boolean => holds(metadata, address);

/** Whether a list of networks holds an address. `::ffff:10.0.0.1` is `10.0.0.1` to it. */
export function holds(networks: BlockList, address: string): boolean {
  return networks.check(address, isIPv4(address) ? 'ipv4' : 'ipv6');
}

/** Networks as CIDRs, or single addresses. */
export function networksOf(list: readonly string[]): BlockList {
  const networks = new BlockList();
  for (const text of list) {
    const [address, prefix] = text.split('/') as [string, string?];
    const family = isIPv4(address) ? 'ipv4' : 'ipv6';
    networks.addSubnet(address, Number(prefix ?? (family === 'ipv4' ? 32 : 128)), family);
  }
  return networks;
}
