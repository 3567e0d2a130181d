export {
  type AccessTokenClaims,
  type SigningKeys,
  signAccessToken,
  signingKeys,
  verifyAccessToken,
} from './access-token.ts';
export {
  type AuditKeys,
  type AuditPublicKey,
  auditKeys,
  auditPublicKey,
  isSignedBy,
  newAuditSigningKey,
  publicKeyBytes,
  signHead,
} from './audit-signing.ts';
export { parseAuthSecret } from './auth-secret.ts';
export {
  clientSecretMac,
  clientSecretPrefix,
  firstCredential,
  isClientSecretShape,
  newClientSecret,
  newClientSecretMacKey,
} from './client-secret.ts';
export { type ConfigPlace, configKeyVersion, newConfigKey, openConfig, sealConfig } from './config-seal.ts';
export { deriveKey } from './derive.ts';
export { isBrokenSeal, KeyFormatError, SealBroken, TokenInvalid, type TokenRefusal, UnknownFormat } from './errors.ts';
export { contentTag } from './etag.ts';
export { frame } from './frame.ts';
export { limitNames } from './limit-name.ts';
export { macFor, sameMac } from './mac.ts';
export { MemorySeal } from './memory-seal.ts';
export { checkProof, makeProof, type ProvenRequest } from './proof.ts';
export { keyCheck, parseRootKey, rootFingerprint } from './root-key.ts';
export { newDataKey, openValue, type PersonalPlace, type Place, sealValue } from './seal.ts';
export type { AuthSecret, ConfigKey, DataKey, RootKey } from './secret.ts';
export { readServiceToken, serviceTokenOf } from './service-token.ts';
export { unwrapKey, type WrapContext, type WrapLabel, wrapKey } from './wrap.ts';
