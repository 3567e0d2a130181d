import { generateKeySync } from 'node:crypto';
import { frame } from './frame.ts';
import { gcmOpen, gcmSeal } from './gcm.ts';
import type { DataKey } from './secret.ts';

/** A new random data key. It is stored wrapped only (`wrapKey`). */
export function newDataKey(): DataKey {
  return generateKeySync('aes', { length: 256 }) as DataKey;
}

/** Where a sealed text belongs. Ids are compared as text: pass them as the database writes them. */
export interface Place {
  readonly projectId: string;
  readonly environmentId: string;
  readonly folderId: string;
  readonly secretId: string;
  /** The secret's name: a rename seals anew. */
  readonly keyName: string;
  /** The secret's version. */
  readonly version: number;
  readonly field: 'value' | 'comment' | 'metadata';
  /** The version of the project's data key. */
  readonly keyVersion: number;
}

/**
 * Where a person's own value belongs: to that person alone, in place of one shared secret. The secret's name and folder are
 * not in it: it follows the shared secret, whose own seal says where it is.
 */
export interface PersonalPlace {
  readonly projectId: string;
  /** The shared secret that it stands in for. */
  readonly secretId: string;
  readonly ownerId: string;
  /** The personal value's own version. */
  readonly version: number;
  readonly field: 'value' | 'comment';
  readonly keyVersion: number;
}

/** Longest text that is sealed, in bytes: above contracts' longest value, below what would stall the event loop. */
const MOST_BYTES = 1_048_576;

/**
 * Seals one value, comment or list of metadata for one place. Layout: format 0x01 | nonce 12 | ciphertext | tag 16.
 * The place is authenticated with the value: someone who can write the table but has no key could otherwise copy
 * another project's value over this one, or an old version over the present one, and the server would serve it.
 * Not caught here: a whole old row put back (the audit finds that). Not hidden: the length of the value.
 *
 * @throws RangeError when the text has more than 1 MiB.
 */
export function sealValue(key: DataKey, place: Place | PersonalPlace, plaintext: Buffer): Buffer {
  if (plaintext.length > MOST_BYTES) throw new RangeError(`a sealed text has at most ${MOST_BYTES} bytes`);
  return gcmSeal(key, placeBytes(place), plaintext);
}

/**
 * Opens what was sealed for exactly this place.
 *
 * @throws SealBroken when a byte of it, the place or the key is another; UnknownFormat when a newer version sealed it.
 */
export function openValue(key: DataKey, place: Place | PersonalPlace, sealed: Buffer): Buffer {
  return gcmOpen(key, placeBytes(place), sealed);
}

/** The authenticated form of a place. The label comes first: a wrapped key under the same key would still be no value. */
export function placeBytes(place: Place | PersonalPlace): Buffer {
  if ('ownerId' in place) {
    const { projectId, secretId, ownerId, version, field, keyVersion } = place;
    return frame(['hanzo-kms/v1/seal-personal', projectId, secretId, ownerId, version, field, keyVersion]);
  }
  return frame([
    'hanzo-kms/v1/seal',
    place.projectId,
    place.environmentId,
    place.folderId,
    place.secretId,
    place.keyName,
    place.version,
    place.field,
    place.keyVersion,
  ]);
}
