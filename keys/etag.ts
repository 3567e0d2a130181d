import { createHmac, type KeyObject } from 'node:crypto';

const TAG_BYTES = 16;

/**
 * The strong ETag of an answer (RFC 9110, section 8.8.3), quotes included. Keyed, by a key that all replicas
 * derive from the root key: ETags end up in the logs of proxies and clients, and whoever reads a plain hash there could
 * try values until one matches. 128 bits: two contents with one tag cannot be looked for without the key.
 */
export function contentTag(key: KeyObject, body: Buffer): string {
  return `"${createHmac('sha256', key).update(body).digest().toString('base64url', 0, TAG_BYTES)}"`;
}
