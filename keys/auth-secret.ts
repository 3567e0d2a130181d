import { KeyFormatError } from './errors.ts';
import { isPublished } from './published.ts';
import { type AuthSecret, takeSecret } from './secret.ts';

const FEWEST_BYTES = 32;
const FEWEST_DISTINCT = 8;
const HOW_TO_MAKE_ONE = 'make one with: openssl rand -base64 32';

/**
 * Reads AUTH_SECRET: any text of 32 bytes or more, taken as it is but for white space around it.
 *
 * @throws KeyFormatError when it is shorter, or is a pattern, or was published. Every token is something to try guesses against
 *   offline, so a guessable AUTH_SECRET lets anyone who ever held a token forge one for any identity.
 */
export function parseAuthSecret(text: string): AuthSecret {
  const trimmed = text.trim();
  const bytes = Buffer.from(trimmed, 'utf8');
  if (bytes.length < FEWEST_BYTES) {
    throw new KeyFormatError(`AUTH_SECRET must have ${FEWEST_BYTES} bytes or more; ${HOW_TO_MAKE_ONE}`);
  }
  if (isPattern(trimmed) || isPublished(trimmed)) {
    throw new KeyFormatError(
      `AUTH_SECRET can be guessed, being a pattern or published as an example; ${HOW_TO_MAKE_ONE}`,
    );
  }
  return takeSecret(bytes);
}

/** Few different characters (of 32 random hex digits, one text in 10^7 has under 8), or a piece repeated over and over. */
function isPattern(text: string): boolean {
  if (new Set(text).size < FEWEST_DISTINCT) return true;
  for (let distance = 1; distance <= text.length / 2; distance++) {
    if (text.startsWith(text.slice(distance))) return true;
  }
  return false;
}
