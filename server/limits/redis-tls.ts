import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';

/** The files that a URL names, by the parameters that Postgres' URIs have for the same. */
const FILES = { sslrootcert: 'ca', sslcert: 'cert', sslkey: 'key' } as const;

/**
 * Where and how Redis is reached: of `rediss://host:6380?sslrootcert=/ca.pem&sslcert=/client.pem&sslkey=/client.key` the URL
 * without the files, and what is in them. The certificate is always checked, against the name in the URL.
 *
 * @throws Error that names the file, when one cannot be read
 */
export function redisAddress(given: string): { readonly url: string; readonly tls?: ConnectionOptions } {
  const url = new URL(given);
  if (url.protocol !== 'rediss:') return { url: given };
  const tls: ConnectionOptions = {};
  for (const [parameter, option] of Object.entries(FILES)) {
    const file = url.searchParams.get(parameter);
    if (file) tls[option] = readFileSync(file);
    url.searchParams.delete(parameter);
  }
  return { url: url.href, tls };
}
