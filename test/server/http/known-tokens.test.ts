import { randomBytes, randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { parseAuthSecret, signAccessToken, signingKeys, TokenInvalid } from '../../../keys/index.ts';
import { KnownTokens } from '../../../server/http/known-tokens.ts';

const newKeys = () => signingKeys(parseAuthSecret(randomBytes(32).toString('base64')));
const newToken = (keys: ReturnType<typeof newKeys>) =>
  signAccessToken(keys, {
    identityId: randomUUID(),
    identityAccessTokenId: randomUUID(),
    authTokenType: 'identityAccessToken',
    iat: 1_000,
    exp: 2_000,
  });

test('a known token says the same again', () => {
  const keys = newKeys();
  const known = new KnownTokens(keys);
  const token = newToken(keys);
  expect(known.verify(token)).toEqual(known.verify(token));
});

test('no character of a known token can be changed', () => {
  const keys = newKeys();
  const known = new KnownTokens(keys);
  const token = newToken(keys);
  known.verify(token);
  for (let at = 0; at < token.length; at++) {
    const other = token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1);
    expect(() => known.verify(other), `character ${at}`).toThrow(TokenInvalid);
  }
});

test("another instance's token is refused, before and after ours is known", () => {
  const keys = newKeys();
  const known = new KnownTokens(keys);
  const foreign = newToken(newKeys());
  expect(() => known.verify(foreign)).toThrow(TokenInvalid);
  known.verify(newToken(keys));
  expect(() => known.verify(foreign)).toThrow(TokenInvalid);
});
