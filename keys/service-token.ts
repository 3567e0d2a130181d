import type { KeyObject } from 'node:crypto';
import { macFor, sameMac } from './mac.ts';

const SECRET = /^[0-9a-f]{64}$/;
const ID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;

/**
 * The text of a service token: `st.<id>.<secret>`, as Infisical's; clients of it look whether the secret is hexadecimal.
 * The secret is a MAC of the id, so that a forged one is told by looking at it alone, and the database holds nothing that
 * could be used as a token.
 */
export function serviceTokenOf(macKey: KeyObject, id: string): string {
  return `st.${id}.${secretOf(macKey, id).toString('hex')}`;
}

/**
 * The id that a service token proves, or undefined for any other text. Infisical's clients add a key of their own behind
 * a third dot; some send it along and some do not, and it means nothing here.
 */
export function readServiceToken(macKey: KeyObject, text: string): string | undefined {
  const [mark, id, secret] = text.split('.', 3);
  if (mark !== 'st' || id === undefined || secret === undefined || !ID.test(id)) return undefined;
  // In its one spelling: of another, a stranger could not tell that it is the same token.
  if (!SECRET.test(secret)) return undefined;
  return sameMac(Buffer.from(secret, 'hex'), secretOf(macKey, id)) ? id : undefined;
}

const secretOf = (macKey: KeyObject, id: string): Buffer => macFor(macKey, 'service-token', id);
