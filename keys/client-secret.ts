import { createHmac, generateKeySync, type KeyObject, randomBytes } from 'node:crypto';
import { fromBase64url } from './base64.ts';
import { deriveFromAuthSecret } from './derive.ts';
import type { AuthSecret } from './secret.ts';

const MARK = 'st.';
const SECRET_BYTES = 32;
const SHOWN_CHARACTERS = 4;

/** A new client secret: `st.` and 32 random bytes in base64url (43 characters). HIP-27, "Universal Auth Flow". */
export function newClientSecret(): string {
  return MARK + randomBytes(SECRET_BYTES).toString('base64url');
}

/**
 * The first credential of an instance whose installer keeps no file: always the same one for an AUTH_SECRET. The first call can then be made
 * again, and by two at once, with the same answer. It gives nothing to who has AUTH_SECRET, and can open a session by it in any
 * case, nor anything for long: it ends after an hour, and is revoked in the run that made it.
 */
export function firstCredential(secret: AuthSecret): string {
  return MARK + deriveFromAuthSecret(secret, 'first-credential').export().toString('base64url');
}

/** Whether a text could be a client secret at all: what is not need not be looked for, and may be told so. */
export function isClientSecretShape(text: string): boolean {
  return text.startsWith(MARK) && fromBase64url(text.slice(MARK.length))?.length === SECRET_BYTES;
}

/** A new key for `clientSecretMac`. Random and not derived: rotating the root key or AUTH_SECRET keeps every login. */
export function newClientSecretMacKey(): KeyObject {
  return generateKeySync('hmac', { length: 256 });
}

/**
 * What the database keeps of a client secret (HMAC-SHA-256, 32 bytes). A slow password hash would add nothing: there are
 * 2^256 secrets to try, not a dictionary. It would take a login from microseconds to tenths of a second, which whoever
 * sends wrong logins can turn against everybody else. The key keeps someone with the table alone from recognizing a
 * secret found elsewhere, and from writing in a row for a secret of their own.
 */
export function clientSecretMac(macKey: KeyObject, secret: string): Buffer {
  return createHmac('sha256', macKey).update(secret).digest();
}

/**
 * The beginning by which people recognize a client secret in a list: `st.` and the next 4 characters. Infisical shows
 * the first 4, of which `st.` would leave one. Those 4 give away 24 of 256 bits; 232 remain, far beyond trying.
 */
export function clientSecretPrefix(secret: string): string {
  return secret.slice(0, MARK.length + SHOWN_CHARACTERS);
}
