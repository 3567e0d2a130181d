/**
 * Rules of names that hold without zod: `kms run` stands before every start of a service, and zod takes longer to load than all else that it
 * needs. names.ts makes schemas of them.
 */

/** Organization, project, environment or role slug. */
export const SLUG = /^[a-z0-9]+(?:-[a-z0-9]+)*$/;
export const MAX_SLUG_CHARACTERS = 64;
export const SLUG_LENGTH_RULE = `a slug has 1 to ${MAX_SLUG_CHARACTERS} characters`;
export const SLUG_RULE = 'a slug is made of lower-case letters, digits and single hyphens between them';

/** What is wrong with a slug, if anything. */
export function slugProblem(text: string): string | undefined {
  if (text.length < 1 || text.length > MAX_SLUG_CHARACTERS) return SLUG_LENGTH_RULE;
  return SLUG.test(text) ? undefined : SLUG_RULE;
}

/** HIP-27 writes both `prod` and `production`: they are one environment, and answers say `prod`. */
const ALIASES: ReadonlyMap<string, string> = new Map([['production', 'prod']]);

/** The environment that a slug names: itself, or the one it is an alias of. */
export function canonicalEnvironment(slug: string): string {
  return ALIASES.get(slug) ?? slug;
}

/** Whether a slug is taken by an alias, so that no environment can be created under it. */
export function isEnvironmentAlias(slug: string): boolean {
  return ALIASES.has(slug);
}

/** An absolute folder path, with a slash at its end or without. */
export const PATH = /^(?:\/[A-Za-z0-9_-]{1,255})*\/?$/;
/** Longest path of a folder. */
export const MAX_PATH_CHARACTERS = 1024;
export const PATH_RULE = 'a path is absolute, and its segments are made of letters, digits, "-" and "_"';
export const PATH_DEPTH_RULE = 'a path has at most 32 levels';
export const isShallow = (path: string) => path.split('/').length <= 33;

/** A path without a slash at its end (`/` stays). */
export const canonicalPath = (path: string) => (path === '' || path === '/' ? '/' : path.replace(/\/$/, ''));

/** What is wrong with the path of a folder, if anything. */
export function pathProblem(text: string): string | undefined {
  if (text.length > MAX_PATH_CHARACTERS) return `a path has at most ${MAX_PATH_CHARACTERS} characters`;
  if (!PATH.test(text)) return PATH_RULE;
  return isShallow(canonicalPath(text)) ? undefined : PATH_DEPTH_RULE;
}

export const KMS_ADDRESS_RULE = 'an address such as https://kms.hanzo.ai, without a name or a password in it';

/** Whether a text is an address at which KMS can be asked, and holds no credential. */
export function isKmsAddress(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password } = new URL(text);
  return /^https?:$/.test(protocol) && !username && !password;
}
