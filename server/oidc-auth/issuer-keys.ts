import type { JWK, JWTVerifyGetKey } from 'jose';
import { z } from 'zod';
import { OutboundFailure } from '../outbound/failure.ts';
import type { Outbound } from '../outbound/outbound.ts';

/** An issuer, as it is configured: where it is described or where its keys lie, and the CA that vouches for it there. */
export type Issuer = { readonly caCert: string } & ({ readonly discoveryUrl: string } | { readonly jwksUri: string });

interface Known {
  readonly keys: JWTVerifyGetKey;
  /** Milliseconds of this process. */
  readonly at: number;
}

interface Entry {
  known?: Known;
  /** The fetch that is under way, which everyone waits for. */
  fetching?: Promise<Known>;
  failed?: { readonly at: number; readonly error: unknown };
}

export interface IssuerKeysOptions {
  /** How long keys are used without asking again, in milliseconds. @default 600000 */
  readonly freshMs?: number;
  /** How soon an unknown key, or a failure, is worth another fetch. Strangers choose key ids. @default 10000 */
  readonly againMs?: number;
}

const ISSUERS_AT_MOST = 500;
const KEYS_AT_MOST = 100;
/** While the issuer does not answer, its last keys serve this long. */
const STALE_MS = 3_600_000;
const BODY_BYTES = 256 * 1024;
/** 8192 bits in base64url. Larger keys would make each check a matter of milliseconds. */
const MODULUS_CHARACTERS = 1366;

const Discovery = z.object({ jwks_uri: z.string().max(2048) });
const KeySet = z.object({ keys: z.array(z.object({ kty: z.string() }).catchall(z.unknown())).max(KEYS_AT_MOST) });

/** The public keys of token issuers, of machines and of people alike, fetched when needed and kept for a while. */
export class IssuerKeys {
  readonly #outbound: Outbound;
  readonly #entries = new Map<string, Entry>();
  readonly #freshMs: number;
  readonly #againMs: number;

  constructor(outbound: Outbound, { freshMs = 600_000, againMs = 10_000 }: IssuerKeysOptions = {}) {
    this.#outbound = outbound;
    this.#freshMs = freshMs;
    this.#againMs = againMs;
  }

  /** The keys of an issuer. @throws OutboundFailure when there are none, and the issuer does not answer */
  async of(issuer: Issuer): Promise<JWTVerifyGetKey> {
    const entry = this.#entry(issuer);
    const now = performance.now();
    if (entry.known && now - entry.known.at < this.#freshMs) return entry.known.keys;
    try {
      return (await this.#fetch(issuer, entry)).keys;
    } catch (error) {
      if (entry.known && now - entry.known.at < STALE_MS) return entry.known.keys;
      throw error;
    }
  }

  /** The keys after a token came with one that is not known; nothing when they were fetched just now. */
  async newer(issuer: Issuer): Promise<JWTVerifyGetKey | undefined> {
    const entry = this.#entry(issuer);
    if (!entry.fetching && entry.known && performance.now() - entry.known.at < this.#againMs) return undefined;
    return (await this.#fetch(issuer, entry)).keys;
  }

  #entry(issuer: Issuer): Entry {
    const name = `${placeOf(issuer)}\n${issuer.caCert}`;
    const entry = this.#entries.get(name) ?? {};
    this.#entries.delete(name);
    this.#entries.set(name, entry);
    if (this.#entries.size > ISSUERS_AT_MOST) this.#entries.delete(this.#entries.keys().next().value!);
    return entry;
  }

  async #fetch(issuer: Issuer, entry: Entry): Promise<Known> {
    if (entry.failed && performance.now() - entry.failed.at < this.#againMs) throw entry.failed.error;
    entry.fetching ??= this.#load(issuer).finally(() => {
      delete entry.fetching;
    });
    try {
      entry.known = await entry.fetching;
      delete entry.failed;
      return entry.known;
    } catch (error) {
      entry.failed = { at: performance.now(), error };
      throw error;
    }
  }

  async #load(issuer: Issuer): Promise<Known> {
    const request = { ca: issuer.caCert || undefined, maxBytes: BODY_BYTES };
    const uri = 'jwksUri' in issuer ? issuer.jwksUri : await this.#described(issuer.discoveryUrl, request);
    const keySet = KeySet.safeParse(await this.#outbound.json(uri, request));
    if (!keySet.success) throw new OutboundFailure('bad-answer', `${placeOf(issuer)} names keys that are no key set`);
    const { createLocalJWKSet } = await import('jose');
    const keys = (keySet.data.keys as unknown as JWK[]).filter(isUsable);
    return { keys: createLocalJWKSet({ keys }), at: performance.now() };
  }

  async #described(discoveryUrl: string, request: Parameters<Outbound['json']>[1]): Promise<string> {
    const described = Discovery.safeParse(await this.#outbound.json(descriptionOf(discoveryUrl), request));
    if (described.success) return described.data.jwks_uri;
    throw new OutboundFailure('bad-answer', `${discoveryUrl} describes no issuer: jwks_uri is missing`);
  }
}

const placeOf = (issuer: Issuer) => ('jwksUri' in issuer ? issuer.jwksUri : descriptionOf(issuer.discoveryUrl));

/** Public keys alone. A symmetric one in a public place is no key, and a private one is nobody's business. */
const isUsable = ({ kty, n }: JWK) =>
  ['RSA', 'EC', 'OKP'].includes(kty!) && (n === undefined || n.length <= MODULUS_CHARACTERS);

const WELL_KNOWN = '/.well-known/openid-configuration';
const descriptionOf = (url: string) => (url.endsWith(WELL_KNOWN) ? url : `${url.replace(/\/+$/, '')}${WELL_KNOWN}`);
