import { z } from 'zod';
import {
  canonicalEnvironment,
  canonicalPath,
  isShallow,
  MAX_PATH_CHARACTERS,
  MAX_SLUG_CHARACTERS,
  PATH,
  PATH_DEPTH_RULE,
  PATH_RULE,
  SLUG,
  SLUG_LENGTH_RULE,
  SLUG_RULE,
} from './name-rules.ts';

export { canonicalEnvironment, isEnvironmentAlias, MAX_PATH_CHARACTERS } from './name-rules.ts';

/** What may be called what: the one place for the shapes of slugs, keys, paths and ids (HIP-27, "Secret Organization Model"). */

/** Organization, project, environment or role slug: 1 to 64 characters (HIP-27 has `zen`, Infisical wants 5). */
export const Slug = z
  .string()
  .min(1, SLUG_LENGTH_RULE)
  .max(MAX_SLUG_CHARACTERS, SLUG_LENGTH_RULE)
  .regex(SLUG, SLUG_RULE);

/** The environments that every project starts with (HIP-27, "Environments"). */
export const defaultEnvironments = [
  { slug: 'dev', name: 'Development' },
  { slug: 'staging', name: 'Staging' },
  { slug: 'prod', name: 'Production' },
] as const;

/** An environment as a caller names it; comes out under its own slug (`production` as `prod`). */
export const EnvironmentSlug = Slug.transform(canonicalEnvironment);

// Control characters would make log lines and shell exports ambiguous; a lone surrogate cannot be stored as UTF-8.
// biome-ignore lint/suspicious/noControlCharactersInRegex: refusing them is the point
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;

/** Whether a text is one line that every reader can show. */
export function isPlainText(text: string): boolean {
  return text.isWellFormed() && !CONTROL.test(text);
}

/** The name of a secret within its folder: 1 to 255 characters, none of them `/`, `:` or a control character. */
export const SecretKey = z
  .string()
  .min(1, 'a key name has 1 to 255 characters')
  .max(255, 'a key name has 1 to 255 characters')
  .refine(isPlainText, 'a key name holds no control characters')
  .refine((name) => !/[/:]/.test(name), 'a key name holds no "/" and no ":"')
  .refine((name) => name.trim() === name, 'a key name neither starts nor ends with white space');

/** Longest value of one secret, in bytes of UTF-8. Kubernetes holds 1 MiB in a whole Secret. */
export const MAX_VALUE_BYTES = 1_000_000;

/** Whether a text can be stored as it is: half a character cannot, and neither can NUL. */
export const isStorable = (text: string) => text.isWellFormed() && !text.includes('\u0000');

/** Text that is compared and never stored. NUL is simply wrong, and so is half a character: in its place comes what nothing was made of. */
export const Opaque = (max: number) =>
  z
    .string()
    .max(max)
    .overwrite((text) => text.toWellFormed());

/** A secret's value, kept byte for byte. NUL is refused: neither an environment variable nor Postgres text can hold it. */
export const SecretValue = z
  .string()
  .refine(isStorable, 'a value is well-formed Unicode text without NUL')
  .refine(
    (value) => new TextEncoder().encode(value).length <= MAX_VALUE_BYTES,
    `a value has at most ${MAX_VALUE_BYTES} bytes`,
  );

/** Free text of people: comments, descriptions. */
export const FreeText = (max: number) => z.string().max(max).refine(isStorable, 'well-formed Unicode text without NUL');

/** One line of text without control characters. */
export const PlainText = (max: number) =>
  z.string().min(1).max(max).refine(isPlainText, 'one line of text without control characters');

/** A name for people, in one line. */
export const DisplayName = z.string().trim().min(1).max(64).refine(isPlainText, 'a name holds no control characters');

/** One folder's name. */
export const FolderName = z
  .string()
  .min(1)
  .max(255)
  .regex(/^[A-Za-z0-9_-]+$/, 'a folder name is made of letters, digits, "-" and "_"');

/** An absolute folder path; comes out without a trailing slash (`/` stays). At most 1,024 characters, 32 levels. */
export const FolderPath = z
  .string()
  .max(MAX_PATH_CHARACTERS)
  .regex(PATH, PATH_RULE)
  .transform(canonicalPath)
  .refine(isShallow, PATH_DEPTH_RULE);

/** An id. Comes out in lower case: ids are compared as text, and there is one spelling of each. */
export const Uuid = z
  .string()
  .regex(/^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i, 'not an id: a UUID is expected')
  .toLowerCase();

/** An e-mail address, lower-cased: one person is one account, however the address was typed. */
export const Email = z
  .string()
  .trim()
  .max(254)
  .transform((address) => address.toLowerCase())
  .refine(
    (address) => isPlainText(address) && /^[^\s@]+@[^\s@.]+(?:\.[^\s@.]+)*$/.test(address),
    'not an e-mail address',
  );

/** Infisical reads the words in any case, and its Python client sends `True`; many send an empty string. */
export const QueryWord = z.preprocess(
  (given) => (typeof given === 'string' ? given.toLowerCase() : given),
  z.enum(['true', 'false', '', '1', '0']).optional(),
);

/** A boolean in a query. */
export const QueryBoolean = QueryWord.transform((word) => word === 'true' || word === '1');

/** Real clients send `""` where they mean "not given". */
export const orAbsent = <Schema extends z.ZodType>(schema: Schema) =>
  z.preprocess((given) => (given === '' || given === null ? undefined : given), schema.optional());

/** A whole number in a query, with what stands for none. */
export const QueryNumber = (min: number, max: number, absent: number) =>
  orAbsent(z.coerce.number().int().min(min).max(max)).transform((given) => given ?? absent);
