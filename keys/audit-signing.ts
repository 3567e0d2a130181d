import { createHash, createPublicKey, generateKeyPairSync, hkdfSync, type KeyObject, sign, verify } from 'node:crypto';
import { takeSecret } from './secret.ts';

/** A new Ed25519 private key for signing audit heads. It is stored wrapped only (`wrapKey`). */
export function newAuditSigningKey(): KeyObject {
  return generateKeyPairSync('ed25519').privateKey;
}

/** What a version of the audit's key is recognized by, once it signs nothing any more as well. */
export interface AuditPublicKey {
  readonly version: number;
  readonly verifying: KeyObject;
  /** SHA-256 of the public key (SPKI), in hex: what people compare. */
  readonly fingerprint: string;
}

/** The keys of the audit: one signs its heads, the other makes the macs of attestations and of written secrets. */
export interface AuditKeys extends AuditPublicKey {
  readonly signing: KeyObject;
  /** Derived from the signing key and not from the root, so that a rotated root leaves every mac good. */
  readonly attesting: KeyObject;
}

/** Everything that follows from the signing key. */
export function auditKeys(signing: KeyObject, version: number): AuditKeys {
  const seed = signing.export({ format: 'der', type: 'pkcs8' });
  const attesting = takeSecret(Buffer.from(hkdfSync('sha256', seed, '', 'hanzo-kms/v1/audit/attestation', 32)));
  seed.fill(0);
  return { ...publicKey(createPublicKey(signing), version), signing, attesting };
}

/** A version's public key from its SPKI DER. @throws TypeError when it is none of Ed25519 */
export function auditPublicKey(der: Buffer, version: number): AuditPublicKey {
  const verifying = createPublicKey({ key: der, format: 'der', type: 'spki' });
  if (verifying.asymmetricKeyType !== 'ed25519') throw new TypeError('the public key of the audit is of Ed25519');
  return publicKey(verifying, version);
}

/** As SPKI DER. */
export const publicKeyBytes = ({ verifying }: Pick<AuditPublicKey, 'verifying'>): Buffer =>
  verifying.export({ format: 'der', type: 'spki' });

function publicKey(verifying: KeyObject, version: number): AuditPublicKey {
  const fingerprint = createHash('sha256').update(publicKeyBytes({ verifying })).digest('hex');
  return { version, verifying, fingerprint };
}

/** Signs with Ed25519 (RFC 8032). */
export const signHead = (keys: AuditKeys, head: Buffer): Buffer => sign(null, head, keys.signing);

/** Whether this key signed exactly this. */
export const isSignedBy = (keys: Pick<AuditKeys, 'verifying'>, head: Buffer, signature: Buffer): boolean =>
  verify(null, head, keys.verifying, signature);
