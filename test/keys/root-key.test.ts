import { createHash, randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { KeyFormatError, keyCheck, parseRootKey, rootFingerprint } from '../../keys/index.ts';
import roots from './vectors/root-keys.json' with { type: 'json' };

const MALFORMED =
  'ROOT_ENCRYPTION_KEY must be 256 bits, as 64 hex digits or base64; make one with: openssl rand -base64 32';
const GUESSABLE =
  'ROOT_ENCRYPTION_KEY can be guessed, being a pattern or published as an example; make one with: openssl rand -base64 32';

// Bytes whose base64 holds both characters that base64url writes otherwise.
const known = Buffer.from('fbefbeff3f00112233445566778899aabbccddeeff102132435465768798a9ba', 'hex');
const base64 = known.toString('base64');
const knownName = rootFingerprint(parseRootKey(known.toString('hex')));

test.each([
  { spelling: 'hex', text: known.toString('hex') },
  { spelling: 'upper-case hex', text: known.toString('hex').toUpperCase() },
  { spelling: 'base64', text: base64 },
  { spelling: 'base64 without padding', text: base64.replace('=', '') },
  { spelling: 'base64url', text: known.toString('base64url') },
  { spelling: 'base64url with padding', text: `${known.toString('base64url')}=` },
  { spelling: 'base64 with a line end', text: `  ${base64}\r\n` },
])('a root key in $spelling is the same key', ({ text }) => {
  const key = parseRootKey(text);
  expect(key.export()).toEqual(known);
  expect(rootFingerprint(key)).toBe(knownName);
});

test.each([
  { what: 'nothing', text: '' },
  { what: 'white space', text: ' \n' },
  { what: '128 bits in hex', text: randomBytes(16).toString('hex') },
  { what: '63 hex digits', text: known.toString('hex').slice(1) },
  { what: '65 hex digits', text: `${known.toString('hex')}0` },
  { what: 'hex with a prefix', text: `0x${known.toString('hex')}` },
  { what: 'hex with colons', text: known.toString('hex').replace(/..(?=.)/g, '$&:') },
  { what: '31 bytes in base64', text: known.subarray(1).toString('base64') },
  { what: '33 bytes in base64', text: Buffer.concat([known, known.subarray(0, 1)]).toString('base64') },
  { what: 'two paddings', text: `${base64}=` },
  { what: 'padding in the middle', text: `${base64.slice(0, 20)}=${base64.slice(20, 42)}` },
  { what: 'both alphabets at once', text: base64.replace('+', '-') },
  { what: 'bits left over', text: base64.replace(/.=$/, (end) => String.fromCharCode(end.charCodeAt(0) + 1)) },
  { what: 'white space inside', text: `${base64.slice(0, 20)} ${base64.slice(20)}` },
  { what: 'a NUL inside', text: `${base64.slice(0, 20)}\0${base64.slice(21)}` },
  { what: 'letters outside ASCII', text: `é${base64.slice(1)}` },
  { what: 'a megabyte', text: 'A'.repeat(1_000_000) },
])('a root key of $what is refused, unrepeated', ({ text }) => {
  const refusal = refusalOf(text);
  expect(refusal).toBeInstanceOf(KeyFormatError);
  expect(refusal.message).toBe(MALFORMED);
});

test.each([
  { what: 'zeros', bytes: Buffer.alloc(32) },
  { what: 'one byte repeated', bytes: Buffer.alloc(32, 0xa7) },
  { what: 'two bytes repeated', bytes: Buffer.alloc(32, 'ab') },
  { what: 'five bytes repeated, cut off', bytes: Buffer.alloc(32, 'kms!?') },
  { what: 'one half twice', bytes: Buffer.alloc(32, known.subarray(0, 16)) },
  { what: 'counting up', bytes: Buffer.from(Array.from({ length: 32 }, (_, i) => i)) },
  { what: 'counting down through zero', bytes: Buffer.from(Array.from({ length: 32 }, (_, i) => (11 - i) & 0xff)) },
  { what: "Infisical's documentation", bytes: Buffer.from('VVHnGZ0w98WLgISK4XSJcagezuG6EWRFTk48KE4Y5Mw=', 'base64') },
])('a root key of $what is refused', ({ bytes }) => {
  for (const encoding of ['hex', 'base64', 'base64url'] as const) {
    expect(refusalOf(bytes.toString(encoding)).message).toBe(GUESSABLE);
  }
});

test('random root keys are never taken for patterns', () => {
  for (let i = 0; i < 2_000; i++) expect(() => parseRootKey(randomBytes(32).toString('base64'))).not.toThrow();
});

test('printing a root key shows nothing of it', () => {
  const key = parseRootKey(base64);
  for (const printed of [
    inspect(key, { depth: 9, showHidden: true, getters: true }),
    inspect({ config: { key } }, { depth: 9 }),
    JSON.stringify({ key }),
    String(key),
    `${Object.values(key)}${Object.getOwnPropertySymbols(key).map((symbol) => inspect(Reflect.get(key, symbol)))}`,
  ]) {
    expect(printed).not.toContain(known.toString('hex').slice(0, 8));
    expect(printed).not.toContain(base64.slice(0, 8));
    expect(printed).not.toMatch(/fb,? ?ef|251, ?239/);
  }
});

describe.each(roots)('the root key $fingerprint', ({ hex, base64: text, base64url, fingerprint, derived }) => {
  test('keeps its fingerprint and its check', () => {
    for (const spelling of [hex, text, base64url]) {
      expect(rootFingerprint(parseRootKey(spelling))).toBe(fingerprint);
      expect(keyCheck(parseRootKey(spelling)).toString('hex')).toBe(derived['key-check']);
    }
  });

  test('is not in its fingerprint, plain or hashed', () => {
    const digits = fingerprint.replace(/^kms-|-/g, '');
    expect(hex).not.toContain(digits);
    expect(createHash('sha256').update(Buffer.from(hex, 'hex')).digest('hex')).not.toContain(digits);
  });
});

function refusalOf(text: string): Error {
  try {
    parseRootKey(text);
  } catch (error) {
    return error as Error;
  }
  throw new Error('the root key was accepted');
}
