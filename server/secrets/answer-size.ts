import { badRequest } from '../refusal.ts';

/** Longest values of one answer together, sealed or put together from others. JSON of half a gigabyte is no text any more. */
export const ANSWER_BYTES_AT_MOST = 64 * 1024 * 1024;

/** Refuses an answer before its values are opened: each of them is then in memory several times over. */
export function refuseTooLarge(rows: readonly { readonly sealedValue: { readonly length: number } }[]): void {
  let bytes = 0;
  for (const { sealedValue } of rows) bytes += sealedValue.length;
  if (bytes <= ANSWER_BYTES_AT_MOST) return;
  throw badRequest(
    `the values of this answer have more than ${ANSWER_BYTES_AT_MOST} bytes; read it folder by folder or secret by secret, ` +
      'or with viewSecretValue=false',
  );
}
