import { describe, expect, test } from 'vitest';
import { generateValue, randomText } from '../../../bootstrap/generate/value.ts';

test.each([
  { secret: { kind: 'database-password' }, matches: /^[A-Za-z0-9]{32}$/ },
  { secret: { kind: 'database-password', length: 64, alphabet: 'url-safe' }, matches: /^[A-Za-z0-9._~-]{64}$/ },
  { secret: { kind: 'database-password', length: 20, alphabet: 'hex' }, matches: /^[0-9a-f]{20}$/ },
  { secret: { kind: 'encryption-key' }, matches: /^[A-Za-z0-9+/]{43}=$/ },
  { secret: { kind: 'encryption-key', length: 16, alphabet: 'hex' }, matches: /^[0-9a-f]{32}$/ },
  { secret: { kind: 'jwt-signing-key' }, matches: /^[A-Za-z0-9_-]{86}$/ },
] as const)('a generated $secret.kind fits its form and never repeats', ({ secret, matches }) => {
  const values = Array.from({ length: 50 }, () => generateValue(secret));
  for (const value of values) expect(value).toMatch(matches);
  expect(new Set(values).size).toBe(50);
});

test.each(['api-key', 'oauth-client-secret', 'value'] as const)('no value is made up for the kind %s', (kind) => {
  expect(generateValue({ kind })).toBeUndefined();
});

describe('characters are drawn without modulo bias', () => {
  // Bytes 0 to 255 once each: modulo 62 would give the first 8 characters a fifth chance.
  const everyByte = () => Uint8Array.from({ length: 256 }, (_, index) => index);

  test('every character is as likely as the others', () => {
    const characters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
    const text = randomText(248, characters, everyByte);
    expect([...characters].map((character) => text.split(character).length - 1)).toEqual(Array(62).fill(4));
  });

  test('a source that gives only refused bytes first is asked again', () => {
    const chunks = [Uint8Array.of(255, 254, 253), Uint8Array.of(0, 1, 2, 3)];
    expect(randomText(3, 'abc'.padEnd(62, 'x'), () => chunks.shift() ?? Uint8Array.of())).toBe('abc');
  });

  test.each([[''], ['a'], ['x'.repeat(257)]])('an alphabet of a wrong size is refused', (characters) => {
    expect(() => randomText(1, characters)).toThrow(RangeError);
  });
});
