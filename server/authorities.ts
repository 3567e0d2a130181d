/**
 * Databases whose certificate authority is named by a file. It wins over what the connection string says: manifests that mount
 * an authority cannot see the string, and one that was forgotten would send passwords in the clear.
 */

/** The URI, so that Postgres is spoken to by TLS alone, with a certificate of this authority for the very name in it (`verify-full`). */
export function postgresWith(authorityFile: string, uri: string): string {
  const url = new URL(uri);
  for (const parameter of ['ssl', 'uselibpqcompat']) url.searchParams.delete(parameter);
  url.searchParams.set('sslmode', 'verify-full');
  url.searchParams.set('sslrootcert', authorityFile);
  return url.href;
}

/** The same for Redis, whose URL is one of TLS already (`rediss://…`). */
export function redisWith(authorityFile: string, given: string): string {
  const url = new URL(given);
  url.searchParams.set('sslrootcert', authorityFile);
  return url.href;
}
