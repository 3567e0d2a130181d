import { createHash, createPublicKey, generateKeyPairSync, hkdfSync, type KeyObject, sign, verify } from 'node:crypto';
import { takeSecret } from './secret.ts';

/** A new Ed25519 private key for signing audit heads. It is stored wrapped only (`wrapKey`). */
export function newAuditSigningKey(): KeyObject {
  return generateKeyPairSync('ed25519').privateKey;
}

/** The keys of the audit: one signs its heads, the other makes the macs of attestations and of written secrets. */
export interface AuditKeys {
  readonly version: number;
  readonly signing: KeyObject;
  readonly verifying: KeyObject;
  /** SHA-256 of the public key (SPKI), in hex: what people compare. */
  readonly fingerprint: string;
  /** Derived from the signing key and not from the root, so that a rotated root leaves every mac good. */
  readonly attesting: KeyObject;
}

/** Everything that follows from the signing key. */
export function auditKeys(signing: KeyObject, version: number): AuditKeys {
  const verifying = createPublicKey(signing);
  const fingerprint = createHash('sha256')
    .update(verifying.export({ format: 'der', type: 'spki' }))
    .digest('hex');
  const seed = signing.export({ format: 'der', type: 'pkcs8' });
  const attesting = takeSecret(Buffer.from(hkdfSync('sha256', seed, '', 'hanzo-kms/v1/audit/attestation', 32)));
  seed.fill(0);
  return { version, signing, verifying, fingerprint, attesting };
}

/** Signs with Ed25519 (RFC 8032). */
export const signHead = (keys: AuditKeys, head: Buffer): Buffer => sign(null, head, keys.signing);

/** Whether this key signed exactly this. */
export const isSignedBy = (keys: Pick<AuditKeys, 'verifying'>, head: Buffer, signature: Buffer): boolean =>
  verify(null, head, keys.verifying, signature);
