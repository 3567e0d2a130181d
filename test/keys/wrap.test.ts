import {
  createPrivateKey,
  createSecretKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  verify,
} from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { deriveKey } from '../../keys/derive.ts';
import { gcmSeal } from '../../keys/gcm.ts';
import {
  newAuditSigningKey,
  newClientSecretMacKey,
  newConfigKey,
  newDataKey,
  openValue,
  parseRootKey,
  SealBroken,
  sealValue,
  UnknownFormat,
  unwrapKey,
  type WrapContext,
  type WrapLabel,
  wrapKey,
} from '../../keys/index.ts';
import { contextBytes } from '../../keys/wrap.ts';
import vectors from './vectors/wrapped-keys.json' with { type: 'json' };

const root = parseRootKey(randomBytes(32).toString('hex'));
const mine: WrapContext = { id: '0b9c8c1e-58a7-4f3c-a2a5-6a7d2d0f1a01', version: 11 };
const make: Record<WrapLabel, () => KeyObject> = {
  'wrap-project-key': newDataKey,
  'wrap-client-secret-mac-key': newClientSecretMacKey,
  'wrap-former-client-secret-mac-key': newClientSecretMacKey,
  'wrap-audit-signing-key': newAuditSigningKey,
  'wrap-config-key': newConfigKey,
};
const labels = Object.keys(make) as WrapLabel[];

describe.each(vectors)('the known answer for $label', (vector) => {
  const label = vector.label as WrapLabel;
  const knownRoot = parseRootKey(vector.root);

  test('unwraps', () => {
    const key = unwrapKey(knownRoot, label, Buffer.from(vector.wrapped, 'hex'), vector.context);
    expect(bytesOf(key).toString('hex')).toBe(vector.key);
  });

  test('is made again byte for byte', () => {
    const material = Buffer.from(vector.key, 'hex');
    const place = contextBytes(label, vector.context);
    const again = gcmSeal(deriveKey(knownRoot, label), place, material, Buffer.from(vector.nonce, 'hex'));
    expect(again.toString('hex')).toBe(vector.wrapped);
  });
});

test.each(labels)('a key comes back from %s', (label) => {
  const key = make[label]();
  expect(unwrapKey(root, label, wrapKey(root, label, key, mine), mine).equals(key)).toBe(true);
  expect(unwrapKey(root, label, wrapKey(root, label, bytesOf(key), mine), mine).equals(key)).toBe(true);
});

test('an unwrapped project key opens what it sealed', () => {
  const key = newDataKey();
  const place = {
    projectId: 'p',
    environmentId: 'e',
    folderId: 'f',
    secretId: 's',
    keyName: 'K',
    version: 1,
    field: 'value',
    keyVersion: mine.version,
  } as const;
  const sealed = sealValue(key, place, Buffer.from('v'));
  const again = unwrapKey(root, 'wrap-project-key', wrapKey(root, 'wrap-project-key', key, mine), mine);
  expect(openValue(again, place, sealed).toString()).toBe('v');
});

test('an unwrapped signing key signs as before', () => {
  const key = newAuditSigningKey();
  const label = 'wrap-audit-signing-key';
  const again = unwrapKey(root, label, wrapKey(root, label, key, mine), mine);
  expect(verify(null, Buffer.from('head'), key, sign(null, Buffer.from('head'), again))).toBe(true);
});

test('wrapping leaves the bytes it was given', () => {
  const bytes = randomBytes(32);
  const before = Buffer.from(bytes);
  wrapKey(root, 'wrap-project-key', bytes, mine);
  expect(bytes).toEqual(before);
});

test.each<{ name: string; at: WrapContext }>([
  { name: 'another project', at: { ...mine, id: '0b9c8c1e-58a7-4f3c-a2a5-6a7d2d0f1aff' } },
  { name: 'another version', at: { ...mine, version: 12 } },
  { name: 'a context split elsewhere', at: { id: `${mine.id}1`, version: 1 } },
])('a key wrapped for one place is refused at $name', ({ at }) => {
  for (const label of labels) {
    expect(() => unwrapKey(root, label, wrapKey(root, label, make[label](), mine), at)).toThrow(SealBroken);
  }
});

test('a key wrapped for one purpose serves no other', () => {
  for (const label of labels) {
    const wrapped = wrapKey(root, label, make[label](), mine);
    for (const other of labels.filter((each) => each !== label)) {
      expect(() => unwrapKey(root, other, wrapped, mine)).toThrow(SealBroken);
    }
  }
});

test('another root key unwraps nothing', () => {
  const other = parseRootKey(randomBytes(32).toString('hex'));
  for (const label of labels) {
    expect(() => unwrapKey(other, label, wrapKey(root, label, make[label](), mine), mine)).toThrow(SealBroken);
  }
});

test('a wrapped key flipped or cut is refused', () => {
  const wrapped = wrapKey(root, 'wrap-project-key', newDataKey(), mine);
  for (let at = 0; at < wrapped.length; at++) {
    const flipped = Buffer.from(wrapped);
    flipped[at]! ^= 1;
    expect(() => unwrapKey(root, 'wrap-project-key', flipped, mine)).toThrow(at === 0 ? UnknownFormat : SealBroken);
    expect(() => unwrapKey(root, 'wrap-project-key', wrapped.subarray(0, at), mine)).toThrow(SealBroken);
  }
});

test.each<{ name: string; label: WrapLabel; key: () => KeyObject | Buffer }>([
  { name: 'a short key', label: 'wrap-project-key', key: () => createSecretKey(randomBytes(31)) },
  { name: 'a long key', label: 'wrap-project-key', key: () => createSecretKey(randomBytes(33)) },
  { name: 'short bytes', label: 'wrap-client-secret-mac-key', key: () => randomBytes(16) },
  { name: 'no bytes', label: 'wrap-client-secret-mac-key', key: () => Buffer.alloc(0) },
  { name: 'a signing key as a project key', label: 'wrap-project-key', key: newAuditSigningKey },
  { name: 'a project key as a signing key', label: 'wrap-audit-signing-key', key: newDataKey },
  { name: 'bytes that are no signing key', label: 'wrap-audit-signing-key', key: () => randomBytes(48) },
  { name: 'a public key', label: 'wrap-audit-signing-key', key: () => generateKeyPairSync('ed25519').publicKey },
  {
    name: 'a key of another curve',
    label: 'wrap-audit-signing-key',
    key: () => generateKeyPairSync('x25519').privateKey,
  },
])('$name is not wrapped', ({ label, key }) => {
  expect(() => wrapKey(root, label, key(), mine)).toThrow(TypeError);
});

test('what unwraps but is no key is refused', () => {
  for (const label of labels) {
    const junk = gcmSeal(deriveKey(root, label), contextBytes(label, mine), Buffer.from('no key at all'));
    expect(() => unwrapKey(root, label, junk, mine)).toThrow(TypeError);
  }
});

function bytesOf(key: KeyObject): Buffer {
  return key.type === 'secret'
    ? key.export()
    : createPrivateKey(key.export({ format: 'pem', type: 'pkcs8' })).export({ format: 'der', type: 'pkcs8' });
}
