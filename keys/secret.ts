import { createSecretKey, type KeyObject } from 'node:crypto';

declare const purpose: unique symbol;

/**
 * A KeyObject that the compiler lets be used for one purpose only. The bytes stay in OpenSSL's memory: logging,
 * inspecting or serializing one shows nothing, and a snapshot of the JavaScript heap does not hold it. Someone who reads
 * the whole memory of the process has it all the same; no code in the process can change that.
 */
type SecretFor<Purpose extends string> = KeyObject & { readonly [purpose]: Purpose };

/** ROOT_ENCRYPTION_KEY: wraps every key that the database holds (HIP-27, "Encryption": 256 bits). */
export type RootKey = SecretFor<'root'>;

/** AUTH_SECRET: signs access tokens, and proves to a fresh instance that its first caller knows `kms-secrets`. */
export type AuthSecret = SecretFor<'auth'>;

/** One version of a project's data key: seals that project's values and comments, and nothing else. */
export type DataKey = SecretFor<'data'>;

/** One version of the instance's configuration key: seals OIDC client secrets, TOTP seeds and the like, and nothing else. */
export type ConfigKey = SecretFor<'config'>;

/** Takes the bytes over: they are copied out of the JavaScript heap and then overwritten. */
export function takeSecret<Purpose extends string>(bytes: Buffer): SecretFor<Purpose> {
  const key = createSecretKey(bytes) as SecretFor<Purpose>;
  bytes.fill(0);
  return key;
}
