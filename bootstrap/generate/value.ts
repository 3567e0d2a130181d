import { randomBytes } from 'node:crypto';
import { type Alphabet, type DeclaredSecret, recipeOf } from '../../contracts/inventory.ts';

const DIGITS = '0123456789';
const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

const CHARACTERS: Readonly<Partial<Record<Alphabet, string>>> = {
  alphanumeric: LETTERS + DIGITS,
  'url-safe': `${LETTERS}${DIGITS}-._~`,
  hex: `${DIGITS}abcdef`,
};

/**
 * A new value for a declared secret, from the system's random source; undefined for a kind that a person has to set.
 * Passwords are drawn character by character, keys are random bytes in an encoding.
 */
export function generateValue(secret: Pick<DeclaredSecret, 'kind' | 'length' | 'alphabet'>): string | undefined {
  const recipe = recipeOf(secret.kind);
  if (!recipe) return undefined;
  const { length = recipe.length, alphabet = recipe.alphabet } = secret;
  if (recipe.unit === 'characters') return randomText(length, CHARACTERS[alphabet] ?? '');
  return randomBytes(length).toString(alphabet === 'base64' || alphabet === 'hex' ? alphabet : 'base64url');
}

/**
 * Draws each character with the same chance. Bytes beyond the largest multiple of the alphabet's size are thrown away:
 * taken modulo, they would make the first characters of the alphabet likelier than the others.
 */
export function randomText(
  length: number,
  characters: string,
  random: (bytes: number) => Uint8Array = randomBytes,
): string {
  if (characters.length < 2 || characters.length > 256) throw new RangeError('an alphabet has 2 to 256 characters');
  const limit = 256 - (256 % characters.length);
  let text = '';
  while (text.length < length) {
    for (const byte of random(length - text.length + 16)) {
      if (byte < limit && text.length < length) text += characters[byte % characters.length];
    }
  }
  return text;
}
