import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto';
import { frame } from './frame.ts';

/** Whether two MACs are equal, in a time that tells nobody how many bytes they guessed. Their length is no secret. */
export function sameMac(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/**
 * A MAC of fields for one purpose (HMAC-SHA-256, 32 bytes). The purpose is part of what is authenticated: the MAC of a
 * link's token is never that of a browser's cookie, however somebody chooses the fields.
 */
export function macFor(key: KeyObject, purpose: string, ...fields: readonly (string | number | Buffer)[]): Buffer {
  return createHmac('sha256', key)
    .update(frame(['hanzo-kms/v1/mac', purpose, ...fields]))
    .digest();
}
