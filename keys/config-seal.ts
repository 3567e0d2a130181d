import { generateKeySync } from 'node:crypto';
import { SealBroken } from './errors.ts';
import { frame } from './frame.ts';
import { gcmOpen, gcmSeal } from './gcm.ts';
import type { ConfigKey } from './secret.ts';

/** A new random key for `sealConfig`. It is stored wrapped only (`wrapKey`). */
export function newConfigKey(): ConfigKey {
  return generateKeySync('aes', { length: 256 }) as ConfigKey;
}

/** What a sealed piece of configuration is for, and whose it is. */
export interface ConfigPlace {
  readonly instanceId: string;
  /** As `totp` or `oidc-client-secret`: a name for the column, which never changes. */
  readonly purpose: string;
  /** The id of the row that holds it. */
  readonly ownerId: string;
  /** The version of the instance's configuration key. */
  readonly keyVersion: number;
}

const VERSION_BYTES = 4;
/** Longest text that is sealed, in bytes. */
const MOST_BYTES = 1_048_576;

/**
 * Seals a secret that the instance itself needs, such as an OIDC client secret or a person's TOTP seed. Layout: key version
 * 4 (big endian) | format 0x01 | nonce 12 | ciphertext | tag 16. The version stands in front, so that one column is
 * enough; it is authenticated with purpose, owner and instance. Someone who can write the tables but has no key could
 * otherwise put their own TOTP seed where an admin's belongs.
 *
 * @throws RangeError when the text has more than 1 MiB.
 */
export function sealConfig(key: ConfigKey, place: ConfigPlace, plaintext: Buffer): Buffer {
  if (plaintext.length > MOST_BYTES) throw new RangeError(`a sealed text has at most ${MOST_BYTES} bytes`);
  const version = Buffer.alloc(VERSION_BYTES);
  version.writeUInt32BE(place.keyVersion);
  return Buffer.concat([version, gcmSeal(key, configPlaceBytes(place), plaintext)]);
}

/** The version of the key that something was sealed under. @throws SealBroken when it is too short to tell. */
export function configKeyVersion(sealed: Buffer): number {
  if (sealed.length < VERSION_BYTES) throw new SealBroken('sealed content is cut short');
  return sealed.readUInt32BE();
}

/**
 * Opens what was sealed for exactly this purpose and owner.
 *
 * @throws SealBroken when a byte of it, the place or the key is another; UnknownFormat when a newer version sealed it.
 */
export function openConfig(key: ConfigKey, place: ConfigPlace, sealed: Buffer): Buffer {
  if (configKeyVersion(sealed) !== place.keyVersion) throw new SealBroken('sealed under another version of the key');
  return gcmOpen(key, configPlaceBytes(place), sealed.subarray(VERSION_BYTES));
}

/** The authenticated form of a place. */
export function configPlaceBytes({ instanceId, purpose, ownerId, keyVersion }: ConfigPlace): Buffer {
  return frame(['hanzo-kms/v1/config', instanceId, purpose, ownerId, keyVersion]);
}
