import { timingSafeEqual } from 'node:crypto';

/** Whether two MACs are equal, in a time that tells nobody how many bytes they guessed. Their length is no secret. */
export function sameMac(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
