import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { KeyFormatError, parseAuthSecret } from '../../keys/index.ts';

const HOW = 'make one with: openssl rand -base64 32';
const SHORT = `AUTH_SECRET must have 32 bytes or more; ${HOW}`;
const GUESSABLE = `AUTH_SECRET can be guessed, being a pattern or published as an example; ${HOW}`;

test.each([
  { what: 'nothing', text: '', message: SHORT },
  {
    what: '31 bytes',
    text: randomBytes(31)
      .toString('latin1')
      .replace(/[^!-~]/g, 'x'),
    message: SHORT,
  },
  { what: '31 bytes and white space', text: ` ${randomBytes(16).toString('hex').slice(1)}\n`, message: SHORT },
  { what: 'one character', text: 'x'.repeat(64), message: GUESSABLE },
  { what: 'seven characters mixed', text: 'abcdefggfedcbabcdefgacegbdfaabbccddeeffg', message: GUESSABLE },
  { what: 'a word over and over', text: 'change-me-please'.repeat(3), message: GUESSABLE },
  { what: 'a word over and over, cut off', text: 'change-me-please'.repeat(3).slice(0, 41), message: GUESSABLE },
  { what: "Infisical's example", text: '5lrMXKKWCVocS/uerPsl7V+TX/aaUaI7iDkgl3tSmLE=', message: GUESSABLE },
])('an AUTH_SECRET of $what is refused', ({ text, message }) => {
  expect(() => parseAuthSecret(text)).toThrow(new KeyFormatError(message));
});

test.each([
  { what: 'base64', text: randomBytes(32).toString('base64') },
  { what: '64 hex digits', text: randomBytes(32).toString('hex') },
  { what: '32 hex digits', text: '6c0fe9e407b8911c104518103505b2d8' },
  { what: 'a long sentence', text: 'über allen Gipfeln ist Ruh, in allen Wipfeln spürest du kaum einen Hauch' },
])('an AUTH_SECRET in $what is taken as text', ({ text }) => {
  expect(parseAuthSecret(`\t${text}\n`).export()).toEqual(Buffer.from(text));
});

test('printing an AUTH_SECRET shows nothing of it', () => {
  const text = randomBytes(32).toString('base64');
  const secret = parseAuthSecret(text);
  expect(inspect(secret, { showHidden: true }) + JSON.stringify({ secret }) + String(secret)).not.toContain(
    text.slice(0, 8),
  );
});
