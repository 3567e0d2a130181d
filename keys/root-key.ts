import { fromBase64url } from './base64.ts';
import { deriveKey } from './derive.ts';
import { KeyFormatError } from './errors.ts';
import { type RootKey, takeSecret } from './secret.ts';

const KEY_BYTES = 32;
const HOW_TO_MAKE_ONE = 'make one with: openssl rand -base64 32';

/**
 * Reads ROOT_ENCRYPTION_KEY: 256 bits as 64 hex digits, or as base64 or base64url with or without padding. White space
 * around it is dropped, because files and `kubectl create secret` add line ends.
 *
 * @throws KeyFormatError on anything else, and on keys that are visibly no random bytes: someone who has the database
 *   would try zeros and patterns first.
 */
export function parseRootKey(text: string): RootKey {
  const bytes = decode(text.trim());
  if (bytes?.length !== KEY_BYTES) {
    throw new KeyFormatError(`ROOT_ENCRYPTION_KEY must be 256 bits, as 64 hex digits or base64; ${HOW_TO_MAKE_ONE}`);
  }
  if (isPattern(bytes)) {
    bytes.fill(0);
    throw new KeyFormatError(`ROOT_ENCRYPTION_KEY is a pattern that can be guessed; ${HOW_TO_MAKE_ONE}`);
  }
  return takeSecret(bytes);
}

function decode(text: string): Buffer | undefined {
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, 'hex');
  const unpadded = text.replace(/^(.{43})=$/, '$1');
  if (/^[A-Za-z0-9+/]{43}$/.test(unpadded)) return fromBase64url(unpadded.replaceAll('+', '-').replaceAll('/', '_'));
  return fromBase64url(unpadded);
}

/** Repeats itself at some distance, or counts up or down in equal steps. Random bytes do so once in 2^120 keys. */
function isPattern(bytes: Buffer): boolean {
  const step = bytes[1]! - bytes[0]!;
  const counts = bytes.every((byte, i) => i === 0 || byte === ((bytes[i - 1]! + step) & 0xff));
  const repeats = Array.from({ length: KEY_BYTES / 2 }, (_, i) => i + 1).some((distance) =>
    bytes.subarray(distance).equals(bytes.subarray(0, -distance)),
  );
  return counts || repeats;
}

/**
 * The name under which people tell root keys apart, in logs and on the recovery kit: `kms-0123-4567-89ab-cdef`. Not a
 * secret: it comes out of HKDF under a label of its own, so it leads back to the key only by trying all 2^256.
 */
export function rootFingerprint(root: RootKey): string {
  const hex = deriveKey(root, 'fingerprint').export().toString('hex', 0, 8);
  return `kms-${hex.match(/.{4}/g)!.join('-')}`;
}

/**
 * What a database keeps to recognize the root key that it was made with (32 bytes; compare with `sameMac`). The
 * fingerprint's 64 bits are for people's eyes; this has 256, so that no second key passes for the first.
 */
export function keyCheck(root: RootKey): Buffer {
  return deriveKey(root, 'key-check').export();
}
