import { createHmac, type KeyObject } from 'node:crypto';
import { fromBase64url } from './base64.ts';
import { deriveFromAuthSecret } from './derive.ts';
import { TokenInvalid, type TokenRefusal } from './errors.ts';
import { sameMac } from './mac.ts';
import type { AuthSecret } from './secret.ts';

/** What an access token says; names as Infisical's. Whether it is still good is the database's to say. */
export interface AccessTokenClaims {
  /** The machine identity; always with `identityAccessToken`. */
  readonly identityId?: string;
  /** The person; always with `accessToken`. */
  readonly userId?: string;
  /** The client secret that was logged in with, where it was Universal Auth. */
  readonly clientSecretId?: string;
  /** The token's row in the database, for both types. */
  readonly identityAccessTokenId: string;
  readonly authTokenType: 'identityAccessToken' | 'accessToken';
  /** Whether uses are counted down, so that its reads cannot be grouped with others'. */
  readonly usesLimited?: boolean;
  /** Issued at, Unix seconds. */
  readonly iat: number;
  /** Expires, Unix seconds; later than `iat`. */
  readonly exp: number;
}

interface SigningKey {
  readonly kid: string;
  readonly key: KeyObject;
  /** The one header that tokens under this key have, encoded. */
  readonly header: string;
}

/** The key that signs, and the one before it, which is still accepted while AUTH_SECRET is rolled over the replicas. */
export interface SigningKeys {
  readonly current: SigningKey;
  readonly previous?: SigningKey;
  /**
   * The one that new tokens are signed with: the former one, as long as some replica does not know the current one and
   * would refuse its tokens.
   */
  signer: SigningKey;
}

/** Longest token that is looked at, in characters. Ours have some 450. */
const MOST_CHARACTERS = 4096;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The signing keys of an AUTH_SECRET, and of the one that it follows. */
export function signingKeys(secret: AuthSecret, previous?: AuthSecret): SigningKeys {
  const current = signingKey(secret);
  const former = previous && signingKey(previous);
  if (former === undefined || former.kid === current.kid) return { current, signer: current };
  return { current, previous: former, signer: current };
}

function signingKey(secret: AuthSecret): SigningKey {
  const kid = deriveFromAuthSecret(secret, 'access-token-kid').export().toString('base64url', 0, 9);
  const header = encode({ alg: 'HS256', typ: 'JWT', kid });
  return { kid, key: deriveFromAuthSecret(secret, 'access-token'), header };
}

/**
 * Signs an access token: a JWT (RFC 7519) with HS256 and a `kid`.
 *
 * @throws TypeError on claims that `verifyAccessToken` would refuse.
 */
export function signAccessToken(keys: SigningKeys, claims: AccessTokenClaims): string {
  const checked = readClaims(claims);
  if (!checked) throw new TypeError('these claims make no access token');
  const signed = `${keys.signer.header}.${encode(checked)}`;
  return `${signed}.${mac(keys.signer.key, signed)}`;
}

/**
 * The claims of a token that this instance signed. Forged tokens end here, before any database statement, so that
 * sending them costs us microseconds.
 *
 * A token's first part must be, byte for byte, the header of a key we hold: no algorithm is ever chosen by the token
 * (`none`, HS512, an RS256 whose key it brings along), and no header field decides anything. The signature is
 * compared as text in constant time: there is one spelling of it, so a revoked or logged token has no second form.
 *
 * `exp` is returned and not judged: only the database's clock counts. Judged here as well, a replica whose clock is
 * wrong would refuse good tokens, or people would learn to trust a check that a slow clock switches off.
 *
 * @throws TokenInvalid
 */
export function verifyAccessToken(keys: SigningKeys, token: string): AccessTokenClaims {
  if (token.length > MOST_CHARACTERS) throw new TokenInvalid('size');
  if (!/^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$/.test(token)) throw new TokenInvalid('encoding');
  const headerEnd = token.indexOf('.');
  const signedEnd = token.lastIndexOf('.');
  const header = token.slice(0, headerEnd);
  const key = keyOf(keys, header);
  if (!key) throw new TokenInvalid(headerRefusal(header));
  const given = token.slice(signedEnd + 1);
  const expected = mac(key, token.slice(0, signedEnd));
  if (!sameMac(Buffer.from(expected), Buffer.from(given))) throw new TokenInvalid('signature');
  const claims = readClaims(parse(token.slice(headerEnd + 1, signedEnd)));
  if (!claims) throw new TokenInvalid('claims');
  return claims;
}

function keyOf({ current, previous }: SigningKeys, header: string): KeyObject | undefined {
  if (header === current.header) return current.key;
  return header === previous?.header ? previous.key : undefined;
}

/** Tells an operator whether AUTH_SECRET was replaced too early (`key`) or something else is being sent. */
function headerRefusal(header: string): TokenRefusal {
  const fields = parse(header);
  if (typeof fields !== 'object' || fields === null) return 'encoding';
  if (!('alg' in fields) || fields.alg !== 'HS256') return 'algorithm';
  return 'kid' in fields && typeof fields.kid === 'string' && Object.keys(fields).length === 3 ? 'key' : 'header';
}

/** The claims, and nothing beside them (a newer version may add some), or undefined. By hand: on every request. */
function readClaims(given: unknown): AccessTokenClaims | undefined {
  if (typeof given !== 'object' || given === null) return undefined;
  const { identityId, userId, clientSecretId, identityAccessTokenId, authTokenType, usesLimited, iat, exp } =
    given as Record<string, unknown>;
  if (!isId(identityAccessTokenId) || !isTime(iat) || !isTime(exp) || exp <= iat) return undefined;
  if (!isAbsentOr(isId, clientSecretId) || !isAbsentOr(isBoolean, usesLimited)) return undefined;
  const rest = { clientSecretId, identityAccessTokenId, usesLimited, iat, exp };
  if (authTokenType === 'identityAccessToken' && isId(identityId) && userId === undefined) {
    return { identityId, authTokenType, ...rest };
  }
  if (authTokenType === 'accessToken' && isId(userId) && identityId === undefined) {
    return { userId, authTokenType, ...rest };
  }
  return undefined;
}

const isId = (given: unknown): given is string => typeof given === 'string' && UUID.test(given);
const isTime = (given: unknown): given is number => Number.isSafeInteger(given) && (given as number) >= 0;
const isBoolean = (given: unknown): given is boolean => typeof given === 'boolean';

function isAbsentOr<T>(is: (given: unknown) => given is T, given: unknown): given is T | undefined {
  return given === undefined || is(given);
}

function encode(fields: object): string {
  return Buffer.from(JSON.stringify(fields)).toString('base64url');
}

function parse(part: string): unknown {
  try {
    return JSON.parse(fromBase64url(part)?.toString('utf8') ?? '');
  } catch {
    return undefined;
  }
}

function mac(key: KeyObject, signed: string): string {
  return createHmac('sha256', key).update(signed).digest('base64url');
}
