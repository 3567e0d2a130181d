import type { Db } from '../../database/database.ts';
import { HINT_BYTES, leafOf, NAME_BYTES, type SealedTable } from '../encoding.ts';
import { keyAt, type TrustedKey, type TrustedKeys } from '../handover.ts';
import { asHead, isIntact } from '../head.ts';
import { merkleRoot } from '../merkle.ts';
import type { BatchRow } from '../seal-store.ts';
import type { Findings } from './findings.ts';
import { longName, Rows, shortName } from './rows.ts';
import type { SinkHead } from './sink-heads.ts';
import { BATCHES, edgeOfTime, partNames, readRows, type SealedRow, sealedRows, stream } from './store.ts';

const TABLES: readonly SealedTable[] = ['audit_log', 'audit_manifests', 'audit_attestations'];

export interface ChainOptions {
  readonly instanceId: string;
  /** The keys that count, each where it does. */
  readonly trusted: TrustedKeys;
  readonly heads: AsyncGenerator<SinkHead>;
  readonly findings: Findings;
  readonly progress: (done: { batches: number; rows: number }) => void;
}

export interface ChainResult {
  readonly batches: number;
  readonly rows: number;
  readonly unsealed: number;
  readonly heads: number;
}

/**
 * Walks the batches and, beside them, every row of the sealed tables in the same order: each row must be in the batch of
 * its transaction, as it was, and each batch must follow the one before. Memory holds one batch's hashes and a page of rows.
 */
export class Chain {
  readonly #tx: Db;
  readonly #on: ChainOptions;
  readonly #rows: Map<SealedTable, Rows>;
  /** Partitions that a signed checkpoint lets be gone, by the number of its batch. */
  #dropped = new Map<string, number>();
  #parts = new Map<string, string>();
  #keyReplaced = false;
  #counted = 0;
  #heads = 0;

  constructor(tx: Db, options: ChainOptions) {
    this.#tx = tx;
    this.#on = options;
    this.#rows = new Map(
      TABLES.map((table) => [table, new Rows(stream<SealedRow>(tx, `rows_of_${table}`, sealedRows(table)))]),
    );
  }

  async walk(): Promise<ChainResult> {
    this.#parts = await partNames(this.#tx);
    this.#dropped = await this.#readCheckpoints();
    let before: BatchRow | undefined;
    let batches = 0;
    let sink = (await this.#on.heads.next()).value as SinkHead | undefined;
    for await (const batch of stream<BatchRow>(this.#tx, 'batches', BATCHES)) {
      while (sink && sink.number <= batch.number) {
        this.#compare(sink, batch);
        sink = (await this.#on.heads.next()).value;
      }
      await this.#check(batch, before);
      before = batch;
      batches++;
      if (batches % 1_000 === 0) this.#on.progress({ batches, rows: this.#counted });
    }
    while (sink) {
      this.#compare(sink, undefined);
      sink = (await this.#on.heads.next()).value;
    }
    const unsealed = await this.#rest();
    return { batches, rows: this.#counted, unsealed, heads: this.#heads };
  }

  /** The signed ones alone: they excuse missing rows. */
  async #readCheckpoints(): Promise<Map<string, number>> {
    const dropped = new Map<string, number>();
    const text = BATCHES.replace('order by', "where kind = 'checkpoint' order by");
    for await (const batch of stream<BatchRow>(this.#tx, 'checkpoints', text)) {
      if (!this.#isSigned(batch) || batch.note === null) continue;
      const { dropped: partition } = JSON.parse(batch.note) as { dropped?: string };
      if (partition !== undefined) dropped.set(partition, batch.number);
    }
    return dropped;
  }

  #compare(sink: SinkHead, batch: BatchRow | undefined): void {
    const { findings, trusted } = this.#on;
    this.#heads++;
    const known = [...trusted.values()].some(({ fingerprint }) => fingerprint === sink.keyFingerprint);
    if (!known) this.#reportKey(`head ${sink.number} of the sink`);
    if (batch === undefined) {
      const message = `batch ${sink.number}, sealed by ${sink.replica}, is gone from the end of the audit`;
      findings.add({ kind: 'tail-cut', batch: sink.number, message });
    } else if (sink.number < batch.number) {
      const message = `batch ${sink.number}, sealed by ${sink.replica}, is gone, though it was exported`;
      findings.add({ kind: 'batches-removed', batch: sink.number, message });
    } else if (sink.hash !== batch.hash.toString('hex')) {
      const message = `batch ${batch.number} is not the one that was exported: the audit was sealed anew from there on`;
      findings.add({ kind: 'head-differs', batch: batch.number, message });
    }
  }

  async #check(batch: BatchRow, before: BatchRow | undefined): Promise<void> {
    const { findings } = this.#on;
    const expected = (before?.number ?? 0) + 1;
    const { number } = batch;
    if (number !== expected) {
      const which = expected === number - 1 ? `batch ${expected} is` : `batches ${expected} to ${number - 1} are`;
      findings.add({ kind: 'batches-removed', batch: expected, message: `${which} gone` });
    } else if (
      !batch.previous.equals(before?.hash ?? Buffer.alloc(0)) ||
      batch.first !== (before?.until ?? batch.first)
    ) {
      findings.add({
        kind: 'batch-changed',
        batch: number,
        message: `batch ${number} does not follow batch ${number - 1}`,
      });
    }
    if (!this.#isSigned(batch)) this.#reportUnsigned(batch);
    await this.#checkRows(batch);
  }

  #isSigned(batch: BatchRow): boolean {
    const key = keyAt(this.#on.trusted, batch);
    return key !== undefined && isIntact(key, asHead(batch, this.#on.instanceId, key));
  }

  #reportUnsigned(batch: BatchRow): void {
    const { number, keyVersion } = batch;
    const key: TrustedKey | undefined = this.#on.trusted.get(keyVersion);
    const ended = key?.until !== undefined && number >= key.until;
    const why = ended
      ? `is of version ${keyVersion} of the signing key, which ended with batch ${key.until}`
      : `is not as it was signed, or was signed with another key than ${key?.fingerprint.slice(0, 16) ?? 'those of this instance'}`;
    this.#on.findings.add({
      kind: ended ? 'key-ended' : 'batch-changed',
      batch: number,
      message: `batch ${number} ${why}`,
    });
  }

  async #checkRows(batch: BatchRow): Promise<void> {
    const leaves = new Map<string, Buffer[]>();
    for (const table of TABLES) {
      const rows = this.#rows.get(table)!;
      for (
        let row = await rows.takeBefore(BigInt(batch.until));
        row;
        row = await rows.takeBefore(BigInt(batch.until))
      ) {
        this.#counted++;
        if (BigInt(row.xid) < BigInt(batch.first)) {
          this.#inserted(row, batch.number);
          continue;
        }
        const part = this.#partOf(row);
        const known = leaves.get(part);
        const leaf = leafOf(table, row.columns);
        if (known) known.push(leaf);
        else leaves.set(part, [leaf]);
      }
    }
    for (const [n, name] of batch.names.entries()) {
      const found = leaves.get(name);
      leaves.delete(name);
      if (found === undefined && (this.#dropped.get(name) ?? 0) > batch.number) continue;
      if (
        found?.length === batch.counts[n] &&
        merkleRoot(Buffer.concat(found!)).equals(batch.roots[n] ?? Buffer.alloc(0))
      )
        continue;
      await this.#name(batch, name, batch.hints[n]);
    }
    for (const name of leaves.keys()) await this.#name(batch, name, Buffer.alloc(0));
  }

  /** Says which rows of a part are not as they were. */
  async #name(batch: BatchRow, part: string, hints: Buffer | undefined): Promise<void> {
    const { findings } = this.#on;
    const table = TABLES.find((name) => name === part) ?? 'audit_log';
    const expected = new Map<string, string>();
    for (let at = 0; at + HINT_BYTES <= (hints?.length ?? 0); at += HINT_BYTES) {
      const name = hints!.toString('hex', at, at + NAME_BYTES);
      expected.set(name, hints!.toString('hex', at + NAME_BYTES, at + HINT_BYTES));
    }
    const before = findings.list.length + findings.more;
    for (const row of await readRows(this.#tx, table, batch.first, batch.until)) {
      if (this.#partOf(row) !== part) continue;
      const name = shortName(table, row.named);
      const hash = expected.get(name);
      expected.delete(name);
      if (hash === undefined) this.#inserted(row, batch.number);
      else if (hash !== leafOf(table, row.columns).toString('hex', 0, HINT_BYTES - NAME_BYTES)) {
        const message = `row ${row.named} of ${part} was changed after batch ${batch.number} sealed it`;
        findings.add({ kind: 'row-changed', table: part, row: row.named, batch: batch.number, message });
      }
    }
    for (const name of expected.keys()) {
      const row = longName(table, name);
      const message = `row ${row} of ${part} was removed after batch ${batch.number} sealed it`;
      findings.add({ kind: 'row-removed', table: part, row, batch: batch.number, message });
    }
    if (findings.list.length + findings.more > before) return;
    const message = `the rows of ${part} in batch ${batch.number} are not those that were sealed`;
    findings.add({ kind: 'batch-changed', table: part, batch: batch.number, message });
  }

  #inserted(row: SealedRow, batch: number): void {
    const table = this.#partOf(row);
    const message = `row ${row.named} of ${table} was put in behind batch ${batch}, which does not have it`;
    this.#on.findings.add({ kind: 'row-inserted', table, row: row.named, batch, message });
  }

  /** Rows after the last batch: not sealed yet, or of a transaction that never was. */
  async #rest(): Promise<number> {
    const ahead = BigInt(await edgeOfTime(this.#tx));
    let unsealed = 0;
    for (const rows of this.#rows.values()) {
      for (let row = await rows.takeBefore(undefined); row; row = await rows.takeBefore(undefined)) {
        if (BigInt(row.xid) < ahead) {
          unsealed++;
          continue;
        }
        const table = this.#partOf(row);
        const message = `row ${row.named} of ${table} claims a transaction that has not begun; no seal would come to it`;
        this.#on.findings.add({ kind: 'row-ahead', table, row: row.named, message });
      }
    }
    return unsealed;
  }

  #partOf(row: SealedRow): string {
    return this.#parts.get(row.part) ?? row.part;
  }

  #reportKey(where: string): void {
    if (this.#keyReplaced) return;
    this.#keyReplaced = true;
    const message = `${where} was signed with another key than this instance has now`;
    this.#on.findings.add({ kind: 'signing-key-replaced', message });
  }
}
