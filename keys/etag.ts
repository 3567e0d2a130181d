import { createHmac, type KeyObject } from 'node:crypto';

const TAG_BYTES = 16;

/**
 * The strong ETag of an answer (RFC 9110, section 8.8.3), quotes included. Keyed (`deriveKey(root, 'content-tag')`, equal
 * on all replicas): ETags end up in proxies' and clients' logs, and against a plain hash anyone could test guesses of a short value.
 */
export function contentTag(key: KeyObject, body: Buffer): string {
  return `"${createHmac('sha256', key).update(body).digest().toString('base64url', 0, TAG_BYTES)}"`;
}
