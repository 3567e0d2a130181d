import { createHash } from 'node:crypto';

const DIGITS = 10;

/**
 * A name that follows from a content: the prefix and ten hex digits of the SHA-256 of a text, or of a value's JSON with sorted keys as Go writes
 * it, so that `toJson | sha256sum | trunc 10` of a Helm chart comes to the same.
 */
export function contentName(prefix: string, content: unknown): string {
  const text = typeof content === 'string' ? content : goJson(content);
  return `${prefix}-${createHash('sha256').update(text).digest('hex').slice(0, DIGITS)}`;
}

function goJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  ).replace(/[<>&\u2028\u2029]/g, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
