import { createSecretKey, hkdfSync, randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import {
  clientSecretMac,
  clientSecretPrefix,
  firstCredential,
  isClientSecretShape,
  newClientSecret,
  newClientSecretMacKey,
  parseAuthSecret,
  sameMac,
} from '../../keys/index.ts';
import vectors from './vectors/client-secrets.json' with { type: 'json' };

const secret = newClientSecret();

test('a new client secret is marked and random', () => {
  const many = Array.from({ length: 1_000 }, newClientSecret);
  expect(new Set(many).size).toBe(1_000);
  for (const each of many) {
    expect(each).toMatch(/^st\.[A-Za-z0-9_-]{43}$/);
    expect(isClientSecretShape(each)).toBe(true);
  }
});

test.each([
  { what: 'nothing', text: '' },
  { what: 'the mark alone', text: 'st.' },
  { what: 'another mark', text: `ST.${secret.slice(3)}` },
  { what: 'no mark', text: secret.slice(3) },
  { what: 'one character less', text: secret.slice(0, -1) },
  { what: 'one character more', text: `${secret}A` },
  { what: 'padding', text: `${secret}=` },
  { what: 'a line end', text: `${secret}\n` },
  { what: 'the alphabet of base64', text: `${secret.slice(0, -2)}+A` },
  { what: 'bits left over', text: `${secret.slice(0, -1)}B` },
  { what: "Infisical's form", text: 'ab'.repeat(32) },
])('$what makes no client secret', ({ text }) => {
  expect(isClientSecretShape(text)).toBe(false);
});

test('the first credential follows from AUTH_SECRET, by a key of its own purpose', () => {
  const text = randomBytes(32).toString('base64');
  const derived = Buffer.from(hkdfSync('sha256', text, '', 'hanzo-kms/v1/auth/first-credential', 32));
  expect(firstCredential(parseAuthSecret(text))).toBe(`st.${derived.toString('base64url')}`);
  expect(isClientSecretShape(firstCredential(parseAuthSecret(text)))).toBe(true);
});

test('the prefix is how the secret begins', () => {
  expect(clientSecretPrefix(secret)).toHaveLength(7);
  expect(secret.startsWith(clientSecretPrefix(secret))).toBe(true);
});

test.each(vectors)('a client secret keeps its known MAC', ({ macKey, secret: known, mac, prefix }) => {
  expect(clientSecretMac(createSecretKey(Buffer.from(macKey, 'hex')), known).toString('hex')).toBe(mac);
  expect(clientSecretPrefix(known)).toBe(prefix);
});

test('another secret or key gives another MAC', () => {
  const key = newClientSecretMacKey();
  const mac = clientSecretMac(key, secret);
  expect(sameMac(mac, clientSecretMac(key, secret))).toBe(true);
  expect(sameMac(mac, clientSecretMac(key, newClientSecret()))).toBe(false);
  expect(sameMac(mac, clientSecretMac(newClientSecretMacKey(), secret))).toBe(false);
});

test('MACs of different length or content differ', () => {
  const mac = clientSecretMac(newClientSecretMacKey(), secret);
  expect(sameMac(mac, mac.subarray(0, 31))).toBe(false);
  expect(sameMac(Buffer.alloc(0), mac)).toBe(false);
  for (let at = 0; at < mac.length; at++) {
    const flipped = Buffer.from(mac);
    flipped[at]! ^= 1;
    expect(sameMac(mac, flipped)).toBe(false);
  }
});
