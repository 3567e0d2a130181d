import type { KeyObject } from 'node:crypto';
import { fromBase64url } from './base64.ts';
import { macFor, sameMac } from './mac.ts';

const ID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;

/**
 * The text of a service token: `st.<id>.<secret>`, as Infisical's. The secret is a MAC of the id, so that a forged one is
 * told by looking at it alone, and the database holds nothing that could be used as a token.
 */
export function serviceTokenOf(macKey: KeyObject, id: string): string {
  return `st.${id}.${secretOf(macKey, id).toString('base64url')}`;
}

/**
 * The id that a service token proves, or undefined for any other text. Infisical's clients add a key of their own behind
 * a third dot; some send it along and some do not, and it means nothing here.
 */
export function readServiceToken(macKey: KeyObject, text: string): string | undefined {
  const [mark, id, secret] = text.split('.', 3);
  if (mark !== 'st' || id === undefined || secret === undefined || !ID.test(id)) return undefined;
  const given = fromBase64url(secret);
  return given !== undefined && sameMac(given, secretOf(macKey, id)) ? id : undefined;
}

const secretOf = (macKey: KeyObject, id: string): Buffer => macFor(macKey, 'service-token', id);
