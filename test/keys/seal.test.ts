import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { gcmSeal } from '../../keys/gcm.ts';
import {
  type DataKey,
  newDataKey,
  openValue,
  type PersonalPlace,
  type Place,
  SealBroken,
  sealValue,
  UnknownFormat,
} from '../../keys/index.ts';
import { placeBytes } from '../../keys/seal.ts';
import { takeSecret } from '../../keys/secret.ts';
import vectors from './vectors/sealed-values.json' with { type: 'json' };

const key = newDataKey();
const here: Place = {
  projectId: '0b9c8c1e-58a7-4f3c-a2a5-6a7d2d0f1a01',
  environmentId: '0b9c8c1e-58a7-4f3c-a2a5-6a7d2d0f1a02',
  folderId: '0b9c8c1e-58a7-4f3c-a2a5-6a7d2d0f1a03',
  secretId: '0b9c8c1e-58a7-4f3c-a2a5-6a7d2d0f1a04',
  keyName: 'DATABASE_URL',
  version: 3,
  field: 'value',
  keyVersion: 1,
};
const text = Buffer.from('postgresql://iam:correct-horse@db:5432/iam');
const sealed = sealValue(key, here, text);

describe.each(vectors)('the known answer for $name', (vector) => {
  const place = vector.place as Place | PersonalPlace;
  const known = takeSecret<'data'>(Buffer.from(vector.key, 'hex'));

  test('opens', () => {
    expect(openValue(known, place, Buffer.from(vector.sealed, 'hex')).toString('hex')).toBe(vector.plaintext);
  });

  test('is made again byte for byte', () => {
    const again = gcmSeal(
      known,
      placeBytes(place),
      Buffer.from(vector.plaintext, 'hex'),
      Buffer.from(vector.nonce, 'hex'),
    );
    expect(again.toString('hex')).toBe(vector.sealed);
  });
});

test('what is sealed opens at its place', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 2_000 }),
      fc.string({ unit: 'grapheme' }),
      fc.nat(),
      (bytes, keyName, version) => {
        const place = { ...here, keyName, version };
        expect(openValue(key, place, sealValue(key, place, Buffer.from(bytes)))).toEqual(Buffer.from(bytes));
      },
    ),
  );
});

test('an empty value and one of 1 MiB are sealed', () => {
  for (const content of [Buffer.alloc(0), randomBytes(1_048_576)]) {
    expect(openValue(key, here, sealValue(key, here, content)).equals(content)).toBe(true);
  }
});

test('a value above 1 MiB is not sealed', () => {
  expect(() => sealValue(key, here, Buffer.alloc(1_048_577))).toThrow(RangeError);
});

test('no two seals of one value are alike', () => {
  const seals = Array.from({ length: 1_000 }, () => sealValue(key, here, text));
  expect(new Set(seals.map((seal) => seal.toString('hex', 1, 13))).size).toBe(1_000);
  expect(new Set(seals.map((seal) => seal.toString('hex', 13))).size).toBe(1_000);
});

test('a sealed value shows only its length', () => {
  expect(sealed.length).toBe(1 + 12 + text.length + 16);
  expect(sealed[0]).toBe(1);
  expect(sealed.includes(text.subarray(0, 6))).toBe(false);
});

test('a sealed value with one flipped bit is refused', () => {
  for (let bit = 0; bit < sealed.length * 8; bit++) {
    const flipped = Buffer.from(sealed);
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    expect(() => openValue(key, here, flipped), `bit ${bit}`).toThrow(bit < 8 ? UnknownFormat : SealBroken);
  }
});

test('a sealed value of any other length is refused', () => {
  for (let length = 0; length < sealed.length; length++) {
    expect(() => openValue(key, here, sealed.subarray(0, length)), `cut to ${length}`).toThrow(SealBroken);
    if (length > 0) expect(() => openValue(key, here, sealed.subarray(length)), `from ${length}`).toThrow();
  }
  expect(() => openValue(key, here, Buffer.concat([sealed, Buffer.alloc(1)]))).toThrow(SealBroken);
});

test('only the present format is opened', () => {
  for (let format = 0; format < 256; format++) {
    if (format === 1) continue;
    const other = Buffer.concat([Buffer.from([format]), sealed.subarray(1)]);
    expect(() => openValue(key, here, other)).toThrow(new UnknownFormat(format));
  }
});

const elsewhere = '0b9c8c1e-58a7-4f3c-a2a5-6a7d2d0f1aff';
test.each<{ name: string; at: Partial<Place> }>([
  { name: 'another project', at: { projectId: elsewhere } },
  { name: 'another environment', at: { environmentId: elsewhere } },
  { name: 'another folder', at: { folderId: elsewhere } },
  { name: 'another secret', at: { secretId: elsewhere } },
  { name: 'another key name', at: { keyName: 'REDIS_URL' } },
  { name: 'the key name in other case', at: { keyName: 'database_url' } },
  { name: 'an earlier version', at: { version: 2 } },
  { name: 'a later version', at: { version: 4 } },
  { name: 'the comment', at: { field: 'comment' } },
  { name: 'another version of the project key', at: { keyVersion: 2 } },
  { name: 'its version and key version exchanged', at: { version: 1, keyVersion: 3 } },
  { name: 'its folder and environment exchanged', at: { folderId: here.environmentId, environmentId: here.folderId } },
])('a sealed value moved to $name does not open', ({ at }) => {
  expect(() => openValue(key, { ...here, ...at }, sealed)).toThrow(SealBroken);
});

const fields = Object.keys(here) as (keyof Place)[];
test.each(fields.slice(1).map((field, i) => ({ from: fields[i]!, to: field })))(
  'a character moved from $from to $to breaks the seal',
  ({ from, to }) => {
    // All fields in digits, so that without lengths the two places would be one text.
    const place = Object.fromEntries(fields.map((field, i) => [field, String(11 + i)]));
    const moved = { ...place, [from]: place[from]!.slice(0, -1), [to]: place[from]!.slice(-1) + place[to] };
    expect(Object.values(moved).join('')).toBe(Object.values(place).join(''));
    expect(() => openValue(key, placeOf(moved), sealValue(key, placeOf(place), text))).toThrow(SealBroken);
  },
);

test.each<{ name: string; other: DataKey }>([
  { name: 'another key', other: newDataKey() },
  { name: 'a key of one other bit', other: withOtherBit(key) },
])('a sealed value does not open with $name', ({ other }) => {
  expect(() => openValue(other, here, sealed)).toThrow(SealBroken);
});

test('a broken seal tells neither key nor content', () => {
  try {
    openValue(key, { ...here, version: 9 }, sealed);
    expect.unreachable();
  } catch (error) {
    const { message, cause, ...rest } = error as SealBroken;
    expect(message).toBe('sealed content does not open: altered, moved, or sealed under another key');
    expect({ cause, rest }).toEqual({ cause: undefined, rest: { name: 'SealBroken' } });
  }
});

test('a place that is no place is refused', () => {
  for (const at of [{ version: Number.NaN }, { version: -1 }, { keyVersion: 0.5 }, { keyName: '\ud800' }]) {
    expect(() => sealValue(key, { ...here, ...at }, text)).toThrow(TypeError);
  }
});

function withOtherBit(from: DataKey): DataKey {
  const bytes = from.export();
  bytes[31]! ^= 1;
  return takeSecret<'data'>(bytes);
}
function placeOf({ version, keyVersion, ...texts }: Record<string, string>): Place {
  return { ...texts, version: Number(version), keyVersion: Number(keyVersion) } as Place;
}
