import { fromBase64url } from './base64.ts';
import { deriveKey } from './derive.ts';
import { KeyFormatError } from './errors.ts';
import { isPublished } from './published.ts';
import { type RootKey, takeSecret } from './secret.ts';

const KEY_BYTES = 32;
const HOW_TO_MAKE_ONE = 'make one with: openssl rand -base64 32';

/**
 * Reads ROOT_ENCRYPTION_KEY: 256 bits as 64 hex digits, or as base64 or base64url with or without padding. White space
 * around it is dropped, because files and `kubectl create secret` add line ends.
 *
 * @throws KeyFormatError on anything else, and on keys that are patterns or were published: someone who has a copy of
 *   the database tries those first.
 */
export function parseRootKey(text: string): RootKey {
  const bytes = decode(text.trim());
  if (bytes?.length !== KEY_BYTES) {
    throw new KeyFormatError(`ROOT_ENCRYPTION_KEY must be 256 bits, as 64 hex digits or base64; ${HOW_TO_MAKE_ONE}`);
  }
  if (isPattern(bytes) || isPublished(bytes.toString('base64'))) {
    bytes.fill(0);
    throw new KeyFormatError(
      `ROOT_ENCRYPTION_KEY can be guessed, being a pattern or published as an example; ${HOW_TO_MAKE_ONE}`,
    );
  }
  return takeSecret(bytes);
}

function decode(text: string): Buffer | undefined {
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, 'hex');
  const unpadded = text.replace(/^(.{43})=$/, '$1');
  if (/^[A-Za-z0-9+/]{43}$/.test(unpadded)) return fromBase64url(unpadded.replaceAll('+', '-').replaceAll('/', '_'));
  return fromBase64url(unpadded);
}

/** Repeats itself at some distance, or counts up or down in equal steps. Of random keys, one in 2^127 does. */
function isPattern(bytes: Buffer): boolean {
  const step = bytes[1]! - bytes[0]!;
  const counts = bytes.every((byte, i) => i === 0 || byte === ((bytes[i - 1]! + step) & 0xff));
  const repeats = Array.from({ length: KEY_BYTES / 2 }, (_, i) => i + 1).some((distance) =>
    bytes.subarray(distance).equals(bytes.subarray(0, -distance)),
  );
  return counts || repeats;
}

/**
 * The name of a root key, for people, logs and the recovery kit: `kms-0123-4567-89ab-cdef`. No secret:
 * it comes out of HKDF under a label of its own, so it leads back to the key only by trying all 2^256. The 64 bits
 * are for people's eyes; the server goes by `keyCheck`.
 */
export function rootFingerprint(root: RootKey): string {
  const hex = deriveKey(root, 'fingerprint').export().toString('hex', 0, 8);
  return `kms-${hex.match(/.{4}/g)!.join('-')}`;
}

/**
 * What a database keeps to recognize the root key that it was made with (32 bytes; compare with `sameMac`), so that a
 * server with another key stops before it writes anything that the right key will not open. Whoever reads it in the
 * database learns as little about the key as from the fingerprint.
 */
export function keyCheck(root: RootKey): Buffer {
  return deriveKey(root, 'key-check').export();
}
