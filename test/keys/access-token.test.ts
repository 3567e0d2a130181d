import { createHmac, createSign, generateKeyPairSync, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type AccessTokenClaims,
  parseAuthSecret,
  signAccessToken,
  signingKeys,
  TokenInvalid,
  type TokenRefusal,
  verifyAccessToken,
} from '../../keys/index.ts';
import vectors from './vectors/access-tokens.json' with { type: 'json' };

const newSecret = () => parseAuthSecret(randomBytes(32).toString('base64'));
const authSecret = newSecret();
const keys = signingKeys(authSecret);
const { key, kid } = keys.current;
const claims: AccessTokenClaims = {
  identityId: 'c04a0ba2-4ab0-4d29-a8b7-0e5c3aa1b201',
  clientSecretId: 'c04a0ba2-4ab0-4d29-a8b7-0e5c3aa1b202',
  identityAccessTokenId: 'c04a0ba2-4ab0-4d29-a8b7-0e5c3aa1b203',
  authTokenType: 'identityAccessToken',
  iat: 1_736_899_200,
  exp: 1_736_906_400,
};
const token = signAccessToken(keys, claims);
const [header, payload, signature] = token.split('.') as [string, string, string];

test.each(vectors)('the known token is made and read again', (vector) => {
  const known = signingKeys(parseAuthSecret(vector.authSecret));
  const said = vector.claims as AccessTokenClaims;
  expect(known.current.kid).toBe(vector.kid);
  expect(signAccessToken(known, said)).toBe(vector.token);
  expect(verifyAccessToken(known, vector.token)).toEqual(said);
});

test('a signed token says what was signed', () => {
  expect(verifyAccessToken(keys, token)).toEqual(claims);
  expect(JSON.parse(Buffer.from(header, 'base64url').toString())).toEqual({ alg: 'HS256', typ: 'JWT', kid });
});

test('a token past its end is left to the database', () => {
  const ended = { ...claims, iat: 1, exp: 2 };
  expect(verifyAccessToken(keys, signAccessToken(keys, ended))).toEqual(ended);
});

test('while keys roll, both replicas read both tokens', () => {
  const next = newSecret();
  const before = signingKeys(authSecret, next);
  const after = signingKeys(next, authSecret);
  expect(verifyAccessToken(after, signAccessToken(before, claims))).toEqual(claims);
  expect(verifyAccessToken(before, signAccessToken(after, claims))).toEqual(claims);
  expect(refusal(signAccessToken(after, claims))).toBe('key');
});

test('the same secret twice is one key', () => {
  expect(signingKeys(authSecret, authSecret).previous).toBeUndefined();
});

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const { identityAccessTokenId: _, ...withoutTokenId } = claims;
const { exp: __, ...withoutEnd } = claims;
const attacks: { name: string; forged: string; reason: TokenRefusal }[] = [
  { name: 'with algorithm none', forged: `${enc({ alg: 'none', typ: 'JWT', kid })}.${payload}.`, reason: 'algorithm' },
  { name: 'with algorithm None, signed', forged: hs256({ alg: 'None', typ: 'JWT', kid }), reason: 'algorithm' },
  { name: 'with HS512', forged: hmacSigned({ alg: 'HS512', typ: 'JWT', kid }, 'sha512'), reason: 'algorithm' },
  { name: 'with HS256 in small letters', forged: hs256({ alg: 'hs256', typ: 'JWT', kid }), reason: 'algorithm' },
  { name: 'with RS256 and its own key', forged: rs256({ alg: 'RS256', typ: 'JWT', kid }), reason: 'algorithm' },
  { name: 'with a list of algorithms', forged: hs256({ alg: ['HS256'], typ: 'JWT', kid }), reason: 'algorithm' },
  { name: 'without an algorithm', forged: hs256({ typ: 'JWT', kid }), reason: 'algorithm' },
  { name: 'with an unknown kid', forged: hs256({ alg: 'HS256', typ: 'JWT', kid: 'AAAAAAAAAAAA' }), reason: 'key' },
  {
    name: 'with a kid that is a path',
    forged: hs256({ alg: 'HS256', typ: 'JWT', kid: '../../dev/null' }),
    reason: 'key',
  },
  { name: 'without a kid', forged: hs256({ alg: 'HS256', typ: 'JWT' }), reason: 'header' },
  { name: 'with a kid that is no text', forged: hs256({ alg: 'HS256', typ: 'JWT', kid: null }), reason: 'header' },
  { name: 'with a key of its own', forged: hs256({ alg: 'HS256', typ: 'JWT', kid, jwk: {} }), reason: 'header' },
  {
    name: 'with a critical extension',
    forged: hs256({ alg: 'HS256', typ: 'JWT', kid, crit: ['x'] }),
    reason: 'header',
  },
  { name: 'with a header that is no JSON', forged: `AAAA.${payload}.${signature}`, reason: 'encoding' },
  { name: 'with a header of null', forged: `${enc(null)}.${payload}.${signature}`, reason: 'encoding' },
  {
    name: 'with another payload',
    forged: `${header}.${enc({ ...claims, exp: 9e9 })}.${signature}`,
    reason: 'signature',
  },
  { name: 'without a signature', forged: `${header}.${payload}.`, reason: 'signature' },
  { name: 'with a cut signature', forged: token.slice(0, -1), reason: 'signature' },
  { name: 'with a long signature', forged: `${token}A`, reason: 'signature' },
  { name: 'with bits left over', forged: token.slice(0, -1) + nextLetter(token.at(-1)!), reason: 'signature' },
  { name: "with another secret's signature", forged: otherSecret(), reason: 'signature' },
  { name: 'with padding', forged: `${token}=`, reason: 'encoding' },
  { name: 'with padding in the payload', forged: `${header}.${payload}=.${signature}`, reason: 'encoding' },
  { name: 'with white space before it', forged: ` ${token}`, reason: 'encoding' },
  { name: 'with a line end', forged: `${token}\n`, reason: 'encoding' },
  { name: 'with white space inside', forged: `${header}. ${payload}.${signature}`, reason: 'encoding' },
  { name: 'with letters that share a low byte', forged: shiftLetter(token), reason: 'encoding' },
  { name: 'of two parts', forged: `${header}.${payload}`, reason: 'encoding' },
  { name: 'of four parts', forged: `${token}.${signature}`, reason: 'encoding' },
  { name: 'with an empty part', forged: `${header}..${signature}`, reason: 'encoding' },
  { name: 'of two dots', forged: '..', reason: 'encoding' },
  { name: 'of nothing', forged: '', reason: 'encoding' },
  { name: 'of 4 KiB and one', forged: `${token}${'A'.repeat(4097 - token.length)}`, reason: 'size' },
  { name: 'of a megabyte', forged: '.'.repeat(1_000_000), reason: 'size' },
  { name: 'signed, with a payload that is no JSON', forged: signed('AAAA'), reason: 'claims' },
  { name: 'signed, with bits left over in the payload', forged: signed(leftover()), reason: 'claims' },
  { name: 'signed, with a payload of null', forged: signed(enc(null)), reason: 'claims' },
  { name: 'signed, with a list', forged: signed(enc([claims])), reason: 'claims' },
  { name: 'signed, without a token id', forged: signed(enc(withoutTokenId)), reason: 'claims' },
  { name: 'signed, without an end', forged: signed(enc(withoutEnd)), reason: 'claims' },
  ...[
    { exp: null },
    { exp: '1736906400' },
    { exp: 1_736_906_400.5 },
    { exp: claims.iat },
    { exp: 1e300 },
    { iat: -1 },
    { identityAccessTokenId: '1 or 1=1' },
    { identityAccessTokenId: claims.identityId?.toUpperCase() },
    { identityId: undefined },
    { identityId: 7 },
    { userId: claims.identityId },
    { clientSecretId: '' },
    { usesLimited: 'false' },
    { authTokenType: 'accessToken' },
    { authTokenType: 'refreshToken' },
  ].map((said) => ({
    name: `signed, that says ${JSON.stringify(said)}`,
    forged: signed(enc({ ...claims, ...said })),
    reason: 'claims' as const,
  })),
];
test.each(attacks)('a token $name is refused', ({ forged, reason }) => {
  expect(refusal(forged)).toBe(reason);
});

test('a token with any character changed is refused', () => {
  for (let i = 0; i < token.length; i++) {
    const changed = token.slice(0, i) + nextLetter(token[i]!) + token.slice(i + 1);
    expect(refusal(changed), `character ${i}`).toMatch(/^(encoding|header|algorithm|key|signature)$/);
  }
});

test('no text but a signed token is accepted', () => {
  const part = fc.oneof(fc.constantFrom(header, payload, signature, ''), fc.base64String(), fc.string());
  fc.assert(
    fc.property(fc.array(part, { maxLength: 4 }), (parts) => {
      const text = parts.join('.');
      if (text !== token) expect(refusal(text)).toBeTypeOf('string');
    }),
    { numRuns: 1_000 },
  );
});

test('claims of a newer version are left out', () => {
  expect(verifyAccessToken(keys, signed(enc({ ...claims, tenant: 'x', __proto__: { a: 1 } })))).toEqual(claims);
});

test('claims that would be refused are not signed', () => {
  expect(() => signAccessToken(keys, { ...claims, exp: Number.NaN })).toThrow(TypeError);
  expect(() => signAccessToken(keys, withoutEnd as AccessTokenClaims)).toThrow(TypeError);
});

test('a refusal repeats nothing of the token', () => {
  try {
    verifyAccessToken(keys, `${header}.${payload}.${'A'.repeat(43)}`);
    expect.unreachable();
  } catch (error) {
    expect((error as TokenInvalid).message).toBe('access token refused: signature');
  }
});

function refusal(text: string): TokenRefusal {
  try {
    verifyAccessToken(keys, text);
  } catch (error) {
    if (error instanceof TokenInvalid) return error.reason;
    throw error;
  }
  throw new Error('the token was accepted');
}
function enc(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
function hmacSigned(head: object, algorithm: string, body = payload): string {
  const text = `${enc(head)}.${body}`;
  return `${text}.${createHmac(algorithm, key).update(text).digest('base64url')}`;
}
function hs256(head: object): string {
  return hmacSigned(head, 'sha256');
}
/** Signed with our own key: what must be refused even so. */
function signed(body: string): string {
  return hmacSigned({ alg: 'HS256', typ: 'JWT', kid }, 'sha256', body);
}
function rs256(head: object): string {
  const text = `${enc(head)}.${payload}`;
  return `${text}.${createSign('sha256').update(text).sign(rsa.privateKey, 'base64url')}`;
}
function otherSecret(): string {
  const text = `${header}.${payload}`;
  return `${text}.${createHmac('sha256', signingKeys(newSecret()).current.key).update(text).digest('base64url')}`;
}
function nextLetter(letter: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return alphabet[(alphabet.indexOf(letter) + 1) % alphabet.length]!;
}
/** Our claims in a second spelling: a bit set that stands for nothing. */
function leftover(): string {
  let text = JSON.stringify(claims);
  while (text.length % 3 === 0) text = text.replace('{', '{ ');
  const canonical = Buffer.from(text).toString('base64url');
  const other = canonical.slice(0, -1) + nextLetter(canonical.at(-1)!);
  expect(Buffer.from(other, 'base64url').toString()).toBe(text);
  return other;
}
/** The same text, read as Latin-1: the last letter has another high byte. */
function shiftLetter(text: string): string {
  return text.slice(0, -1) + String.fromCharCode(0x100 + text.charCodeAt(text.length - 1));
}
