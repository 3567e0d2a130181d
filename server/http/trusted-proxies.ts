import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** The header that the proxies write. The other one is not read at all: a proxy that knows only one lets the other through. */
export type ForwardedHeader = 'x-forwarded-for' | 'forwarded';

/** Whose word is taken for where a request came from. */
export interface TrustedProxiesOptions {
  /** Networks in CIDR notation, or single addresses. */
  readonly networks: readonly string[];
  /** @default 'x-forwarded-for' */
  readonly header?: ForwardedHeader | undefined;
}

type Network = [ipaddr.IPv4 | ipaddr.IPv6, number];

const REMEMBERED = 2_000;

/**
 * Reads a network. A network of everybody is refused: whoever connects could then say any address.
 *
 * @returns undefined when the text is none
 */
export function parseNetwork(text: string): Network | undefined {
  const [address = '', prefix, ...rest] = text.trim().split('/');
  const parsed = parseAddress(address);
  if (parsed === undefined || rest.length > 0) return undefined;
  const bits = parsed.kind() === 'ipv4' ? 32 : 128;
  if (prefix === undefined) return [parsed, bits];
  if (!/^\d{1,3}$/.test(prefix) || Number(prefix) < 1 || Number(prefix) > bits) return undefined;
  return [parsed, Number(prefix)];
}

/** Strict where ipaddr.js is not: `127.1` and `0x7f.0.0.1` are no addresses. IPv4 within IPv6 comes out as IPv4. */
function parseAddress(text: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  const plain = text.replace(/%.*$/, '');
  return isIP(plain) === 0 ? undefined : ipaddr.process(plain);
}

/**
 * An address in the one form that lists, limits and the audit compare: IPv4 over an IPv6 socket is IPv4, IPv6 is written
 * short, and without a zone (`fe80::1%eth0`), which is this machine's own affair and no inet.
 */
export function canonicalAddress(text: string): string | undefined {
  // Nearly every address is this already, and a regular expression costs less than parsing.
  if (/^\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(text) && isIP(text) === 4) return text;
  return parseAddress(text)?.toString();
}

/**
 * Tells the caller's address behind proxies. The list that they write is read from its right end, the part that the
 * nearest proxy wrote, and only as long as each speaker is itself trusted; what stands further left is the client's own
 * word, and lands nowhere.
 */
export class TrustedProxies {
  readonly #networks: readonly Network[];
  readonly #header: ForwardedHeader;
  readonly #trusted = new Map<string, boolean>();
  readonly #clients = new Map<string, string>();

  constructor(options: TrustedProxiesOptions) {
    this.#networks = options.networks.map((text) => {
      const network = parseNetwork(text);
      if (network === undefined) throw new Error('a trusted proxy is no address or network');
      return network;
    });
    this.#header = options.header ?? 'x-forwarded-for';
  }

  /** Whether this address is a proxy's. */
  trusts(address: string): boolean {
    const known = this.#trusted.get(address);
    if (known !== undefined) return known;
    const parsed = parseAddress(address);
    const trusted =
      parsed !== undefined &&
      this.#networks.some(
        ([network, prefix]) => parsed.kind() === network.kind() && parsed.match([network, prefix] as never),
      );
    remember(this.#trusted, address, trusted);
    return trusted;
  }

  /** @param socket the address at the other end of the connection */
  clientOf(socket: string, headers: Readonly<Record<string, string | string[] | undefined>>): string {
    const given = headers[this.#header];
    if (given === undefined || !this.trusts(socket)) return socket;
    const header = typeof given === 'string' ? given : given.join(',');
    const name = `${socket} ${header}`;
    const known = this.#clients.get(name);
    if (known !== undefined) return known;
    const client = this.#walk(socket, header);
    // A longer one is most likely an attack, and costs its parsing each time instead of memory.
    if (name.length <= 256) remember(this.#clients, name, client);
    return client;
  }

  #walk(socket: string, header: string): string {
    const entries = this.#header === 'forwarded' ? forwardedFor(header) : header.split(',');
    let client = socket;
    for (let n = entries.length - 1; n >= 0 && this.trusts(client); n--) {
      const next = addressIn(entries[n]!);
      // A hop that hides its client (`unknown`, `_hidden`) or says what nobody understands: the hop itself is all that is known.
      if (next === undefined) break;
      client = next;
    }
    return client;
  }
}

function remember<Value>(map: Map<string, Value>, name: string, value: Value): void {
  if (map.size >= REMEMBERED) map.clear();
  map.set(name, value);
}

/** `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:4711`; nothing else is an entry. */
function addressIn(entry: string): string | undefined {
  const text = entry.trim();
  const bracketed = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(text)?.[1];
  if (bracketed !== undefined) return isIP(bracketed) === 6 ? canonicalAddress(bracketed) : undefined;
  return canonicalAddress(/^([\d.]+):\d{1,5}$/.exec(text)?.[1] ?? text);
}

const PAIR = /^\s*([\w!#$%&'*+.^`|~-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s",;=]*))\s*$/;

/** The `for` of every element of RFC 7239's header; an element without one, or a broken one, gives an entry that nobody reads. */
function forwardedFor(header: string): string[] {
  return splitOutsideQuotes(header, ',').map((element) => {
    const found = splitOutsideQuotes(element, ';').flatMap((pair) => {
      const [, name, quoted, plain] = PAIR.exec(pair) ?? [];
      return name?.toLowerCase() === 'for' ? [quoted?.replace(/\\(.)/g, '$1') ?? plain ?? ''] : [];
    });
    return found.length === 1 ? found[0]! : '';
  });
}

function splitOutsideQuotes(text: string, separator: ',' | ';'): string[] {
  const parts: string[] = [];
  let quoted = false;
  let from = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (quoted && character === '\\') at++;
    else if (character === '"') quoted = !quoted;
    else if (character === separator && !quoted) {
      parts.push(text.slice(from, at));
      from = at + 1;
    }
  }
  parts.push(text.slice(from));
  return parts;
}
