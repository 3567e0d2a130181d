import { createPrivateKey, type KeyObject } from 'node:crypto';
import { deriveKey } from './derive.ts';
import { SealBroken } from './errors.ts';
import { frame } from './frame.ts';
import { gcmOpen, gcmSeal } from './gcm.ts';
import { type DataKey, type RootKey, takeSecret } from './secret.ts';

/** What each wrapped key is, once unwrapped. */
interface Unwrapped {
  'wrap-project-key': DataKey;
  'wrap-client-secret-mac-key': KeyObject;
  'wrap-audit-signing-key': KeyObject;
}
export type WrapLabel = keyof Unwrapped;

/** Whose key is wrapped: the project's id (or another owner's name), and the version of the key. */
export interface WrapContext {
  readonly id: string;
  readonly version: number;
}

const SECRET_BYTES = 32;

/**
 * Wraps a key for the database. Layout: format 0x01 | nonce 12 | ciphertext | tag 16; the audit signing key goes in as
 * PKCS #8 DER, the others as their 32 bytes. Purpose, owner and version are authenticated: someone who can write the
 * table but has no root key could otherwise put the key of a project that they read where another project's belongs,
 * and learn what is sealed from then on.
 *
 * @throws TypeError when the key is not of the kind that the label names.
 */
export function wrapKey(root: RootKey, label: WrapLabel, key: KeyObject | Buffer, context: WrapContext): Buffer {
  const material = Buffer.isBuffer(key) ? Buffer.from(key) : exportFor(label, key);
  try {
    if (label !== 'wrap-audit-signing-key' && material.length !== SECRET_BYTES) {
      throw new TypeError(`${label} takes a secret key of ${SECRET_BYTES} bytes`);
    }
    return gcmSeal(deriveKey(root, label), contextBytes(label, context), material);
  } finally {
    material.fill(0);
  }
}

/**
 * Unwraps a key that `wrapKey` wrapped under the same root key for the same purpose, owner and version.
 *
 * @throws SealBroken, UnknownFormat.
 */
export function unwrapKey<Label extends WrapLabel>(
  root: RootKey,
  label: Label,
  wrapped: Buffer,
  context: WrapContext,
): Unwrapped[Label] {
  const material = gcmOpen(deriveKey(root, label), contextBytes(label, context), wrapped);
  return importFor(label, material) as Unwrapped[Label];
}

function exportFor(label: WrapLabel, key: KeyObject): Buffer {
  if (label !== 'wrap-audit-signing-key') {
    if (key.type !== 'secret') throw new TypeError(`${label} takes a secret key of ${SECRET_BYTES} bytes`);
    return key.export();
  }
  if (key.asymmetricKeyType !== 'ed25519' || key.type !== 'private') {
    throw new TypeError(`${label} takes an Ed25519 private key`);
  }
  return key.export({ format: 'der', type: 'pkcs8' });
}

function importFor(label: WrapLabel, material: Buffer): KeyObject {
  if (label !== 'wrap-audit-signing-key') {
    if (material.length !== SECRET_BYTES) throw new SealBroken(`${label}: what was wrapped is not a key`);
    return takeSecret(material);
  }
  const key = createPrivateKey({ key: material, format: 'der', type: 'pkcs8' });
  material.fill(0);
  return key;
}

export function contextBytes(label: WrapLabel, context: WrapContext): Buffer {
  return frame(['hanzo-kms/v1/wrap', label, context.id, context.version]);
}
