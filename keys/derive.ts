import { hkdfSync, type KeyObject } from 'node:crypto';
import { type AuthSecret, type RootKey, takeSecret } from './secret.ts';

/** What the root key is used for. Never directly: each purpose has a key of its own. */
type KeyLabel =
  | 'wrap-project-key'
  | 'wrap-client-secret-mac-key'
  | 'wrap-former-client-secret-mac-key'
  | 'wrap-audit-signing-key'
  | 'wrap-config-key'
  | 'content-tag'
  | 'key-check'
  | 'fingerprint';

/** What AUTH_SECRET is used for. */
type AuthLabel = 'access-token' | 'access-token-kid' | 'bootstrap-proof' | 'first-credential' | 'limit-name';

/**
 * The key of one purpose, from the root key (HKDF-SHA-256, RFC 5869). Whoever gets hold of one derived key, or of
 * something printed from it, learns nothing about the root key nor about another purpose's key.
 */
export function deriveKey(root: RootKey, label: KeyLabel): KeyObject {
  return takeSecret(expand(root, `hanzo-kms/v1/root/${label}`));
}

/** The key of one purpose, from AUTH_SECRET. As `deriveKey`; the two families share no label. */
export function deriveFromAuthSecret(secret: AuthSecret, label: AuthLabel): KeyObject {
  return takeSecret(expand(secret, `hanzo-kms/v1/auth/${label}`));
}

// No salt: the root key is uniform, and AUTH_SECRET has nothing beside it that every replica would know.
function expand(secret: KeyObject, label: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', label, 32));
}
