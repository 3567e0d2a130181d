import { createPrivateKey, type KeyObject } from 'node:crypto';
import { deriveKey } from './derive.ts';
import { frame } from './frame.ts';
import { gcmOpen, gcmSeal } from './gcm.ts';
import { type ConfigKey, type DataKey, type RootKey, takeSecret } from './secret.ts';

/** What each wrapped key is, once unwrapped. */
export interface Unwrapped {
  'wrap-project-key': DataKey;
  'wrap-client-secret-mac-key': KeyObject;
  /** One that recognizes client secrets from before, and makes nothing any more: it must not pass for the one that does. */
  'wrap-former-client-secret-mac-key': KeyObject;
  'wrap-audit-signing-key': KeyObject;
  'wrap-config-key': ConfigKey;
}
/** What a wrapped key is for; the label is part of what is authenticated, so that none opens as another. */
export type WrapLabel = keyof Unwrapped;

/** Whose key is wrapped: the project's id (or another owner's name), and the version of the key. */
export interface WrapContext {
  readonly id: string;
  readonly version: number;
}

const SECRET_BYTES = 32;

/**
 * Wraps a key for the database. Layout: format 0x01 | nonce 12 | ciphertext | tag 16; the audit signing key goes in as
 * PKCS #8 DER, the others as their 32 bytes, and a Buffer holds just that. Purpose, owner and version are authenticated:
 * someone who can write the table but has no root key could otherwise put the key of a project that they can read where
 * another project's belongs.
 *
 * @throws TypeError when the key is not of the kind that the label names.
 */
export function wrapKey(root: RootKey, label: WrapLabel, key: KeyObject | Buffer, context: WrapContext): Buffer {
  const material = materialOf(Buffer.isBuffer(key) ? keyOf(label, Buffer.from(key)) : key, label);
  const wrapped = gcmSeal(deriveKey(root, label), contextBytes(label, context), material);
  material.fill(0);
  return wrapped;
}

/**
 * Unwraps a key that `wrapKey` wrapped under the same root key for the same purpose, owner and version.
 *
 * @throws SealBroken, UnknownFormat; TypeError when what was wrapped is no such key.
 */
export function unwrapKey<Label extends WrapLabel>(
  root: RootKey,
  label: Label,
  wrapped: Buffer,
  context: WrapContext,
): Unwrapped[Label] {
  return keyOf(label, gcmOpen(deriveKey(root, label), contextBytes(label, context), wrapped)) as Unwrapped[Label];
}

/** The bytes of a key, which is of the kind that its label names. */
function materialOf(key: KeyObject, label: WrapLabel): Buffer {
  if (label === 'wrap-audit-signing-key') {
    if (key.type === 'private' && key.asymmetricKeyType === 'ed25519')
      return key.export({ format: 'der', type: 'pkcs8' });
    throw new TypeError(`${label} takes an Ed25519 private key`);
  }
  if (key.type === 'secret' && key.symmetricKeySize === SECRET_BYTES) return key.export();
  throw new TypeError(`${label} takes a secret key of ${SECRET_BYTES} bytes`);
}

/** The key of these bytes, which are overwritten. */
function keyOf(label: WrapLabel, material: Buffer): KeyObject {
  try {
    if (label === 'wrap-audit-signing-key') return createPrivateKey({ key: material, format: 'der', type: 'pkcs8' });
    if (material.length === SECRET_BYTES) return takeSecret(material);
  } catch {
    // OpenSSL says where its parser stopped, which helps nobody.
  } finally {
    material.fill(0);
  }
  throw new TypeError(`these bytes are no key for ${label}`);
}

/** The authenticated form of a key's purpose, owner and version. */
export function contextBytes(label: WrapLabel, context: WrapContext): Buffer {
  return frame(['hanzo-kms/v1/wrap', label, context.id, context.version]);
}
