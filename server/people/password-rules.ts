import { invalid } from '../refusal.ts';

/**
 * What a password must be (NIST SP 800-63B, 5.1.1.2): long, and none of those that everybody tries first. No rules about
 * digits and signs: they make passwords that are hard to remember and easy to guess.
 */

const SHORTEST_PASSWORD = 12;
const LONGEST_PASSWORD = 256;

/** The beginnings of what leaked lists are full of, once digits, signs and repetition are taken off. */
const COMMON = new Set([
  ...['password', 'passwort', 'passw', 'passphrase', 'secret', 'qwerty', 'qwertyuiop', 'qwertz', 'azerty', 'asdfgh'],
  ...['asdfghjkl', 'zxcvbn', 'zxcvbnm', 'letmein', 'welcome', 'admin', 'administrator', 'root', 'user', 'login'],
  ...['iloveyou', 'monkey', 'dragon', 'football', 'baseball', 'sunshine', 'princess', 'superman', 'batman', 'trustno'],
  ...[
    'changeme',
    'changeit',
    'default',
    'test',
    'testtest',
    'guest',
    'abc',
    'abcd',
    'abcdef',
    'abcdefgh',
    'abcdefghijkl',
  ],
  ...['hanzo', 'infisical', 'kms', 'hanzokms', 'correcthorsebatterystaple', 'summer', 'winter', 'spring', 'autumn'],
  ...[
    'january',
    'february',
    'march',
    'april',
    'june',
    'july',
    'august',
    'september',
    'october',
    'november',
    'december',
  ],
]);

/** Digits and signs that people write for letters. */
const PLAIN: Readonly<Record<string, string>> = {
  '0': 'o',
  '1': 'i',
  '3': 'e',
  '4': 'a',
  '5': 's',
  '7': 't',
  '@': 'a',
  $: 's',
};

/**
 * Refuses a password that somebody would guess.
 *
 * @param field where it stands in the request
 */
export function checkPassword(password: string, email: string, field: string): void {
  const problem = problemOf(password, email);
  if (problem !== undefined) throw invalid([field], problem);
}

function problemOf(password: string, email: string): string | undefined {
  const characters = [...password].length;
  if (characters < SHORTEST_PASSWORD || characters > LONGEST_PASSWORD) {
    return `a password has ${SHORTEST_PASSWORD} to ${LONGEST_PASSWORD} characters`;
  }
  const lower = password.toLowerCase();
  if (new Set(lower).size < 5) return 'this password repeats a few characters; use several unrelated words';
  const name = email.split('@')[0]!;
  if (name.length > 3 && letters(lower) === letters(name)) return 'this password is the e-mail address';
  const within = lower.replace(/^[^\p{L}]+|[^\p{L}]+$/gu, '');
  const plain = within.replace(/[013457@$]/g, (sign) => PLAIN[sign] ?? sign);
  const cores = [letters(lower), letters(plain)].flatMap((core) => [core, unrepeated(core)]);
  if (isRow(lower) || cores.some((core) => COMMON.has(core))) {
    return 'this password is one of those that are tried first; use several unrelated words';
  }
  return undefined;
}

const letters = (text: string) => text.replace(/[^\p{L}]/gu, '');

/** `secretsecret` is `secret`. */
function unrepeated(text: string): string {
  return /^(.+?)\1+$/.exec(text)?.[1] ?? text;
}

/** `123456789012`, `abcdefghijklm`: each character the next one, but for where it starts over. */
function isRow(text: string): boolean {
  let steps = 0;
  for (let n = 1; n < text.length; n++) {
    const step = text.charCodeAt(n) - text.charCodeAt(n - 1);
    if (Math.abs(step) === 1) steps++;
  }
  return steps >= text.length - 2;
}
