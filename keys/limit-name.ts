import { createHmac } from 'node:crypto';
import { deriveFromAuthSecret } from './derive.ts';
import type { AuthSecret } from './secret.ts';

/**
 * Names a caller in a store that is not trusted with who calls (Redis): alike on every replica, and without the key
 * nothing tells whose name it is. A plain hash would: there are only so many addresses to try.
 */
export function limitNames(secret: AuthSecret): (caller: string) => string {
  const key = deriveFromAuthSecret(secret, 'limit-name');
  return (caller) => createHmac('sha256', key).update(caller).digest('base64url').slice(0, 22);
}
