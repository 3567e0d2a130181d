import { randomInt } from 'node:crypto';

/** Without those that are read for one another. */
const SIGNS = 'abcdefghjkmnpqrstuvwxyz23456789';
const CODES = 10;
const SIGNS_A_CODE = 8;

/** New recovery codes: 8 signs each, 39 bits, of which a handful can be tried an hour. */
export function newRecoveryCodes(): string[] {
  return Array.from({ length: CODES }, () =>
    Array.from({ length: SIGNS_A_CODE }, () => SIGNS[randomInt(SIGNS.length)]).join(''),
  );
}

/** A code as it is compared: however it was typed. */
export const plainCode = (code: string): string => code.toLowerCase().replace(/[\s-]/g, '');
