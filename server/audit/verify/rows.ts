import { NAME_BYTES, type SealedTable } from '../encoding.ts';
import type { SealedRow } from './store.ts';

/** The rows of a sealed table, taken in order up to a transaction. */
export class Rows {
  readonly #rows: AsyncGenerator<SealedRow>;
  #next: SealedRow | undefined;

  constructor(rows: AsyncGenerator<SealedRow>) {
    this.#rows = rows;
  }

  /** The next row, when it is of a transaction before `until`; without `until`, whatever it is. */
  async takeBefore(until: bigint | undefined): Promise<SealedRow | undefined> {
    this.#next ??= (await this.#rows.next()).value ?? undefined;
    if (this.#next === undefined || (until !== undefined && BigInt(this.#next.xid) >= until)) return undefined;
    const row = this.#next;
    this.#next = undefined;
    return row;
  }
}

/** The name of a row as a batch has it, in hex. */
export function shortName(table: SealedTable, named: string): string {
  if (table === 'audit_attestations')
    return BigInt(named)
      .toString(16)
      .padStart(NAME_BYTES * 2, '0');
  return named.replaceAll('-', '').slice(0, NAME_BYTES * 2);
}

/** As much of a row's name as a batch has of it. */
export function longName(table: SealedTable, short: string): string {
  if (table === 'audit_attestations') return BigInt(`0x${short}`).toString();
  return `${short.slice(0, 8)}-${short.slice(8, 12)}-${short.slice(12)}-…`;
}
