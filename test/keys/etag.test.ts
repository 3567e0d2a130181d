import { createSecretKey, randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { contentTag } from '../../keys/index.ts';
import vectors from './vectors/content-tags.json' with { type: 'json' };

test.each(vectors)('an answer keeps its known tag', ({ key, body, tag }) => {
  expect(contentTag(createSecretKey(Buffer.from(key, 'hex')), Buffer.from(body))).toBe(tag);
});

test('a tag is a strong ETag of RFC 9110', () => {
  for (let i = 0; i < 200; i++) {
    expect(contentTag(createSecretKey(randomBytes(32)), randomBytes(i))).toMatch(/^"[\x21\x23-\x7e]{22}"$/);
  }
});

test('a tag depends on content and key', () => {
  const key = createSecretKey(randomBytes(32));
  const tag = contentTag(key, Buffer.from('a'));
  expect(contentTag(key, Buffer.from('a'))).toBe(tag);
  expect(contentTag(key, Buffer.from('b'))).not.toBe(tag);
  expect(contentTag(createSecretKey(randomBytes(32)), Buffer.from('a'))).not.toBe(tag);
});
