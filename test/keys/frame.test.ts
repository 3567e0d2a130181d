import fc from 'fast-check';
import { expect, test } from 'vitest';
import { frame } from '../../keys/frame.ts';

const field = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 8 }),
  fc.constantFrom('', 'a', 'aa', '\0', '\0\0\0\u0001', '1', '😀', '\ufffd'),
);

test('fields come back out of a frame', () => {
  fc.assert(
    fc.property(fc.array(field, { maxLength: 6 }), (fields) => {
      expect(unframe(frame(fields))).toEqual(fields);
    }),
  );
});

test('no two lists of fields frame alike', () => {
  const lists = fc.array(field, { maxLength: 4 });
  fc.assert(
    fc.property(lists, lists, (one, other) => {
      expect(frame(one).equals(frame(other))).toBe(JSON.stringify(one) === JSON.stringify(other));
    }),
    { numRuns: 2_000 },
  );
});

test.each([
  { what: 'a lone high surrogate', value: 'a\ud83d' },
  { what: 'a lone low surrogate', value: '\ude00' },
  { what: 'a fraction', value: 1.5 },
  { what: 'a negative number', value: -1 },
  { what: 'NaN', value: Number.NaN },
  { what: 'an imprecise number', value: 2 ** 53 },
])('$what is never framed', ({ value }) => {
  expect(() => frame(['a', value])).toThrow(TypeError);
});

function unframe(framed: Buffer): string[] {
  const fields: string[] = [];
  for (let at = 0; at < framed.length; ) {
    const end = at + 4 + framed.readUInt32BE(at);
    fields.push(framed.toString('utf8', at + 4, end));
    at = end;
  }
  return fields;
}
