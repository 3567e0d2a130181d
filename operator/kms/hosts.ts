import { type LookupAddress, type LookupOptions, lookup } from 'node:dns';
import { BlockList, isIP } from 'node:net';
import { SyncProblem } from '../sync/problem.ts';

/** Which servers client secrets are sent to: a KMSSecret names its own, and whoever writes one need not be allowed to read them. */
export class KmsHosts {
  readonly #allowed: readonly URL[];

  /** @param allowed addresses such as `https://kms.hanzo.ai`, with all below; none: any server */
  constructor(allowed: readonly string[]) {
    this.#allowed = allowed.map((address) => new URL(address));
  }

  /** @throws SyncProblem HostNotAllowed */
  check(hostAPI: string): void {
    if (!URL.canParse(hostAPI)) throw new SyncProblem('HostNotAllowed', `hostAPI ${hostAPI} is no address`);
    const url = new URL(hostAPI);
    const host = url.hostname.replace(/^\[|\]$/g, '');
    if (isIP(host) && isOfNoKms(host))
      throw new SyncProblem('HostNotAllowed', `hostAPI ${hostAPI} is an address that no KMS has`);
    if (this.#allowed.length === 0 || this.#allowed.some((allowed) => isBelow(url, allowed))) return;
    throw new SyncProblem(
      'HostNotAllowed',
      `hostAPI ${hostAPI} is not among the servers that the operator sends client secrets to, ${this.#allowed.map(({ href }) => href).join(', ')}: add it to hosts of KmsOperator (KMS_HOSTS)`,
    );
  }
}

/** One server, however its address is written. */
export function hostOf(hostAPI: string): string {
  return URL.canParse(hostAPI) ? new URL(hostAPI).href.replace(/\/+$/, '') : hostAPI;
}

function isBelow(url: URL, allowed: URL): boolean {
  const folder = allowed.pathname.replace(/\/*$/, '/');
  return url.origin === allowed.origin && `${url.pathname}/`.startsWith(folder);
}

/** Metadata of clouds, which hold credentials of the node, and what a host reaches on its own link. */
const NO_KMS = new BlockList();
for (const [network, prefix] of [
  ['169.254.0.0', 16],
  ['100.100.100.200', 32],
  ['168.63.129.16', 32],
  ['0.0.0.0', 8],
] as const)
  NO_KMS.addSubnet(network, prefix, 'ipv4');
for (const [network, prefix] of [
  ['fe80::', 10],
  ['fd00:ec2::', 32],
  ['::', 128],
] as const)
  NO_KMS.addSubnet(network, prefix, 'ipv6');

function isOfNoKms(address: string): boolean {
  return NO_KMS.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

/** A name is looked up anew for each connection, and only then is it seen where it leads to. */
export function lookupOfKms(
  name: string,
  options: LookupOptions,
  done: (error: Error | null, address: string | LookupAddress[], family?: number) => void,
): void {
  lookup(name, options, (error, address, family) => {
    if (error) return done(error, address, family);
    const all = Array.isArray(address) ? (address as LookupAddress[]).map((each) => each.address) : [address];
    if (all.some(isOfNoKms)) return done(new Error(`${name} leads to an address that no KMS has`), '');
    done(null, address, family);
  });
}
