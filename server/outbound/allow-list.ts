import { type BlockList, isIP } from 'node:net';
import { holds, isMetadata, isPublic, networksOf } from './addresses.ts';

/** One entry of KMS_OUTBOUND_ALLOW, read. */
interface Entry {
  readonly plain: boolean;
  readonly networks?: BlockList;
  /** A host name in lower case; with a leading dot every name below it. */
  readonly host?: string;
}

const HOST = /^(?:\*\.)?(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;

/**
 * What this server may call beyond the open internet over https. An entry is a network (`10.20.0.0/16`), an address, a
 * host (`idp.internal`) or the names below one (`*.svc.cluster.local`); with `http://` before it, plain http is fine there too.
 * A host never opens cloud metadata or link-local addresses: only a network that is written out does.
 */
export class AllowList {
  readonly #entries: readonly Entry[];

  constructor(entries: readonly string[]) {
    this.#entries = entries.map(parse);
  }

  /** Whether a URL's host may be spoken to without TLS. An address is asked for when it is known. */
  mayBePlain(host: string, address?: string): boolean {
    return this.#entries.some((entry) => entry.plain && covers(entry, host, address));
  }

  /** Whether a connection to this address, which the host stands for, may be made. */
  permits(host: string, address: string): boolean {
    if (isPublic(address)) return true;
    return this.#entries.some((entry) =>
      entry.networks ? holds(entry.networks, address) : covers(entry, host) && !isMetadata(address),
    );
  }
}

function covers({ networks, host: named }: Entry, host: string, address?: string): boolean {
  if (networks) return address !== undefined && holds(networks, address);
  return named!.startsWith('.') ? host.endsWith(named!) : host === named;
}

/** @throws Error that says which entry is wrong, and how one is written */
function parse(text: string): Entry {
  const [, plain, rest] = /^(http:\/\/)?(.*)$/.exec(text.trim().toLowerCase()) as unknown as [string, string?, string?];
  const what = rest ?? '';
  const [address, prefix] = what.split('/') as [string, string?];
  const version = isIP(address);
  if (version !== 0) {
    const bits = version === 4 ? 32 : 128;
    if (prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bits)) {
      return { plain: plain !== undefined, networks: networksOf([what]) };
    }
  } else if (HOST.test(what) && !/^[\d.]+$/.test(what)) {
    return { plain: plain !== undefined, host: what.replace(/^\*/, '') };
  }
  throw new Error(
    `"${text.trim()}" is no network, address or host; write 10.20.0.0/16, idp.internal or http://idp.internal`,
  );
}
