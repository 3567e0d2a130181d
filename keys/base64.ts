/**
 * The bytes of a base64url text in its one canonical form (RFC 4648, section 5: no padding, unused bits zero), or
 * undefined. Node decodes many texts to the same bytes; where a text is authenticated, stored or compared, a second
 * spelling would be a second token for the same thing.
 */
export function fromBase64url(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : undefined;
}
