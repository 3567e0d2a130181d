import { describe, expect, test } from 'vitest';
import { configPlaceBytes } from '../../keys/config-seal.ts';
import { gcmSeal } from '../../keys/gcm.ts';
import {
  type ConfigPlace,
  configKeyVersion,
  newConfigKey,
  openConfig,
  SealBroken,
  sealConfig,
  UnknownFormat,
} from '../../keys/index.ts';
import { takeSecret } from '../../keys/secret.ts';
import vectors from './vectors/sealed-config.json' with { type: 'json' };

const key = newConfigKey();
const here: ConfigPlace = {
  instanceId: '0b9c8c1e-58a7-4f3c-a2a5-6a7d2d0f1a01',
  purpose: 'totp',
  ownerId: '0b9c8c1e-58a7-4f3c-a2a5-6a7d2d0f1a02',
  keyVersion: 258,
};
const text = Buffer.from('JBSWY3DPEHPK3PXP');
const sealed = sealConfig(key, here, text);
const VERSION_BYTES = 4;

describe.each(vectors)('the known answer for $name', ({ place, ...vector }) => {
  const known = takeSecret<'config'>(Buffer.from(vector.key, 'hex'));

  test('opens', () => {
    expect(openConfig(known, place, Buffer.from(vector.sealed, 'hex')).toString('hex')).toBe(vector.plaintext);
    expect(configKeyVersion(Buffer.from(vector.sealed, 'hex'))).toBe(place.keyVersion);
  });

  test('is made again byte for byte', () => {
    const content = Buffer.from(vector.plaintext, 'hex');
    const again = gcmSeal(known, configPlaceBytes(place), content, Buffer.from(vector.nonce, 'hex'));
    expect(vector.sealed.slice(VERSION_BYTES * 2)).toBe(again.toString('hex'));
  });
});

test.each<{ name: string; at: Partial<ConfigPlace> }>([
  { name: 'another instance', at: { instanceId: here.ownerId } },
  { name: 'another purpose', at: { purpose: 'oidc-client-secret' } },
  { name: 'another owner', at: { ownerId: here.instanceId } },
  { name: 'another version of the key', at: { keyVersion: 259 } },
  { name: 'purpose and owner split elsewhere', at: { purpose: 'totp0', ownerId: here.ownerId.slice(1) } },
])('sealed configuration moved to $name does not open', ({ at }) => {
  expect(() => openConfig(key, { ...here, ...at }, sealed)).toThrow(SealBroken);
});

test('sealed configuration with one flipped bit is refused', () => {
  for (let bit = 0; bit < sealed.length * 8; bit++) {
    const flipped = Buffer.from(sealed);
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    const format = bit >> 3 === VERSION_BYTES;
    expect(() => openConfig(key, here, flipped), `bit ${bit}`).toThrow(format ? UnknownFormat : SealBroken);
  }
});

test('a version in front that was exchanged does not open, whatever is asked for', () => {
  const other = Buffer.from(sealed);
  other.writeUInt32BE(1);
  expect(() => openConfig(key, { ...here, keyVersion: 1 }, other)).toThrow(SealBroken);
});

test('sealed configuration of any other length is refused', () => {
  for (let length = 0; length < sealed.length; length++) {
    expect(() => openConfig(key, here, sealed.subarray(0, length)), `cut to ${length}`).toThrow(SealBroken);
  }
  expect(() => openConfig(key, here, Buffer.concat([sealed, Buffer.alloc(1)]))).toThrow(SealBroken);
});

test('another key opens no configuration', () => {
  expect(() => openConfig(newConfigKey(), here, sealed)).toThrow(SealBroken);
});

test('configuration above 1 MiB is not sealed', () => {
  expect(() => sealConfig(key, here, Buffer.alloc(1_048_577))).toThrow(RangeError);
});
