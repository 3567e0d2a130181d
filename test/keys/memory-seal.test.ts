import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { MemorySeal, SealBroken } from '../../keys/index.ts';

const seal = new MemorySeal();
const answer = Buffer.from('{"secrets":[{"secretKey":"DATABASE_URL"}]}');

test('what was sealed in memory opens under its id', () => {
  expect(seal.open(seal.seal(answer, 'gateway'), 'gateway')).toEqual(answer);
  expect(seal.open(seal.seal(Buffer.alloc(0), ''), '')).toEqual(Buffer.alloc(0));
});

test('an answer does not open under another id', () => {
  expect(() => seal.open(seal.seal(answer, 'gateway'), 'iam')).toThrow(SealBroken);
});

test('another process cannot open what was sealed', () => {
  expect(() => new MemorySeal().open(seal.seal(answer, 'gateway'), 'gateway')).toThrow(SealBroken);
});

test('an answer with a flipped byte does not open', () => {
  const sealed = seal.seal(answer, 'gateway');
  for (let at = 0; at < sealed.length; at++) {
    const flipped = Buffer.from(sealed);
    flipped[at]! ^= 0x80;
    expect(() => seal.open(flipped, 'gateway')).toThrow();
  }
});

test('no nonce is used twice in memory', () => {
  const nonces = Array.from({ length: 1_000 }, () => seal.seal(answer, 'gateway').toString('hex', 1, 13));
  expect(new Set(nonces).size).toBe(1_000);
});

test('printing a memory seal shows no key', () => {
  expect(inspect(seal, { showHidden: true, depth: 9 }) + JSON.stringify(seal)).toBe('MemorySeal {}{}');
});
