import type { JWTPayload, JWTVerifyGetKey } from 'jose';
import { LoginRefused } from '../machine-logins/service.ts';
import { areStorable } from './claims.ts';
import type { Issuer, IssuerKeys } from './issuer-keys.ts';

/**
 * Signatures that are believed, all by a private key that the issuer alone has. `none` is no signature, and with HMAC the
 * issuer's public key would be the secret: whoever reads it could sign.
 */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];
/** How far the clocks may be apart, in seconds. */
const CLOCK_TOLERANCE = 30;

const refused = (reason: string, what: string) => new LoginRefused(reason, `Invalid credentials: ${what}`);

/**
 * Checks a token of another issuer: its signature by one of the issuer's keys, who issued it, and that it is of now.
 *
 * @throws LoginRefused; OutboundFailure when the issuer's keys cannot be had
 */
export async function verifyForeign(
  keys: IssuerKeys,
  issuer: Issuer & { readonly boundIssuer: string },
  token: string,
): Promise<JWTPayload> {
  const jose = await import('jose');
  refuseEarly(jose, token, issuer.boundIssuer);
  const check = async (by: JWTVerifyGetKey) => {
    const { payload } = await jose.jwtVerify(token, by, {
      algorithms: ALGORITHMS,
      issuer: issuer.boundIssuer,
      requiredClaims: ['exp', 'iss'],
      clockTolerance: CLOCK_TOLERANCE,
    });
    if (!areStorable(payload)) throw refused('format', 'this token holds NUL, or text that is not well-formed');
    return payload;
  };
  try {
    const known = await keys.of(issuer);
    try {
      return await check(known);
    } catch (error) {
      if (!(error instanceof jose.errors.JWKSNoMatchingKey)) throw error;
      // The issuer may have changed its keys since.
      const newer = await keys.newer(issuer);
      if (!newer) throw error;
      return await check(newer);
    }
  } catch (error) {
    if (!(error instanceof jose.errors.JOSEError)) throw error;
    throw asRefusal(jose, error);
  }
}

/** What can be told without the keys: nobody makes this server ask an issuer for a token that is none of its. */
function refuseEarly(jose: typeof import('jose'), token: string, boundIssuer: string): void {
  try {
    const { alg } = jose.decodeProtectedHeader(token);
    if (typeof alg !== 'string' || !ALGORITHMS.includes(alg)) {
      throw refused('algorithm', 'this token is signed in a way that is not believed');
    }
    if (jose.decodeJwt(token).iss !== boundIssuer) throw refused('issuer', 'this token is of another issuer');
  } catch (error) {
    if (error instanceof LoginRefused) throw error;
    throw refused('format', 'this is no JWT');
  }
}

function asRefusal({ errors }: typeof import('jose'), error: Error): LoginRefused {
  if (error instanceof errors.JWTExpired) return refused('expired', 'this token has expired');
  if (error instanceof errors.JWTClaimValidationFailed) {
    return refused('claims', `this token's claim "${error.claim}" is missing or not right`);
  }
  if (error instanceof errors.JWKSNoMatchingKey) return refused('key', 'this token is signed by no key of its issuer');
  return refused('signature', 'this token is not signed by its issuer');
}
