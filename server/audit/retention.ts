import type { Database, Db } from '../database/database.ts';
import type { Keyring } from '../keyring/keyring.ts';
import type { Attestor } from './attestor.ts';
import { inForce, trustedKeys } from './handover.ts';
import {
  dropPartition,
  forgetHints,
  isCheckpointed,
  type KeptSecret,
  keepWritten,
  lastRecordsIn,
  type OldPartition,
  oldPartitions,
} from './retention-store.ts';
import type { Sealer } from './sealer.ts';
import { isWrittenBy } from './written.ts';

export interface RetentionOptions {
  readonly db: Database;
  readonly keyring: Pick<Keyring, 'instanceId' | 'auditKeys'>;
  readonly sealer: Sealer;
  readonly attestor: Attestor;
  readonly alert: (what: string, details: Record<string, unknown>) => void;
}

/**
 * Ends records that are older than they are kept (HIP-27: 365 days), a month's partition at a time. Before one is dropped, a
 * signed checkpoint says so: rows that are gone without one are tampering. What the partition says last of secrets that
 * still live is kept on, so that an old value put back is found after any time.
 */
export class Retention {
  readonly #on: RetentionOptions;

  constructor(options: RetentionOptions) {
    this.#on = options;
  }

  /** Drops what was too old at `now`, and returns its names. What is not sealed yet stays until it is. */
  async run(now: Date): Promise<string[]> {
    const dropped: string[] = [];
    for (const partition of await oldPartitions(this.#on.db, now)) {
      if (!partition.sealed || !(await this.#checkpoint(partition))) continue;
      // The sink has the checkpoint before the rows are gone.
      await this.#on.sealer.tick();
      await dropPartition(this.#on.db, partition.name);
      while (await forgetHints(this.#on.db, partition.name));
      dropped.push(partition.name);
    }
    return dropped;
  }

  async #checkpoint({ name, until, rows }: OldPartition): Promise<boolean> {
    if (await isCheckpointed(this.#on.db, name)) return true;
    const note = JSON.stringify({ dropped: name, until: until.toISOString(), rows });
    return this.#on.sealer.checkpoint(note, (tx) => this.#keepOn(tx, name));
  }

  async #keepOn(tx: Db, partition: string): Promise<void> {
    const kept: KeptSecret[] = [];
    const keys = inForce(this.#on.keyring.auditKeys, await trustedKeys(tx, this.#on.keyring));
    for (const { table, secretId, action, metadata } of await lastRecordsIn(tx, partition)) {
      const { version, sealedHash, mac } = metadata as { version: number; sealedHash: string; mac: string };
      const commentHash = typeof metadata.commentHash === 'string' ? metadata.commentHash : null;
      const written = { secretId, version, deleted: action === 'delete', sealedHash, commentHash };
      // A secret that lives on after its deletion, or whose record is forged: the verification says so, and goes on saying so.
      if (written.deleted || !isWrittenBy(keys, written, mac)) {
        this.#on.alert('audit-record-forged', { secretId });
      } else kept.push({ ...written, table });
    }
    if (kept.length === 0) return;
    await keepWritten(tx, kept);
    await this.#on.attestor.beforeCommit(tx);
  }
}
