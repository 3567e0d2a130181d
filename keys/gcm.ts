import { createCipheriv, createDecipheriv, type KeyObject, randomBytes } from 'node:crypto';
import { SealBroken, UnknownFormat } from './errors.ts';

const ALGORITHM = 'aes-256-gcm';
const FORMAT = 0x01;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const OVERHEAD = 1 + NONCE_BYTES + TAG_BYTES;
// A short tag would be accepted otherwise, and a 4-byte tag is guessed in 2^32 tries.
const OPTIONS = { authTagLength: TAG_BYTES } as const;

/**
 * AES-256-GCM in the one layout that everything sealed here has: format 0x01 | nonce 12 | ciphertext | tag 16.
 *
 * The nonce is random unless given. Two equal nonces under one key would give whoever reads the table the XOR of two
 * contents, and the means to forge. The chance of that is 2^-33 after 2^32 seals (NIST SP 800-38D, 8.3): a project would
 * have to take a thousand writes a second for fifty days under one version of its key. Who passes a nonce answers for
 * its being new: `MemorySeal` counts, tests of the format fix one, and the index of keys/ leads nobody here.
 */
export function gcmSeal(key: KeyObject, place: Buffer, content: Buffer, nonce = randomBytes(NONCE_BYTES)): Buffer {
  if (nonce.length !== NONCE_BYTES) throw new TypeError(`a nonce has ${NONCE_BYTES} bytes`);
  const cipher = createCipheriv(ALGORITHM, key, nonce, OPTIONS);
  cipher.setAAD(place);
  const sealed = Buffer.allocUnsafe(OVERHEAD + content.length);
  sealed[0] = FORMAT;
  nonce.copy(sealed, 1);
  cipher.update(content).copy(sealed, 1 + NONCE_BYTES);
  cipher.final();
  cipher.getAuthTag().copy(sealed, sealed.length - TAG_BYTES);
  return sealed;
}

/**
 * Opens what `gcmSeal` sealed under the same key for the same place.
 *
 * @throws UnknownFormat, SealBroken. Nothing of the content leaves before the tag is verified.
 */
export function gcmOpen(key: KeyObject, place: Buffer, sealed: Buffer): Buffer {
  const format = sealed[0];
  if (format !== undefined && format !== FORMAT) throw new UnknownFormat(format);
  if (sealed.length < OVERHEAD) throw new SealBroken('sealed content is cut short');
  const end = sealed.length - TAG_BYTES;
  const decipher = createDecipheriv(ALGORITHM, key, sealed.subarray(1, 1 + NONCE_BYTES), OPTIONS);
  decipher.setAAD(place);
  decipher.setAuthTag(sealed.subarray(end));
  const content = decipher.update(sealed.subarray(1 + NONCE_BYTES, end));
  try {
    decipher.final();
  } catch {
    content.fill(0);
    throw new SealBroken('sealed content does not open: altered, moved, or sealed under another key');
  }
  return content;
}
