import { generateKeyPairSync, type KeyObject } from 'node:crypto';

/** A new Ed25519 private key for signing audit heads. It is stored wrapped only (`wrapKey`). */
export function newAuditSigningKey(): KeyObject {
  return generateKeyPairSync('ed25519').privateKey;
}
