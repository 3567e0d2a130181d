import { createHmac, type KeyObject } from 'node:crypto';
import { frame } from '../../keys/index.ts';
import type { CommitGuard, Database, Db, Statement } from '../database/database.ts';
import type { Keyring } from '../keyring/keyring.ts';
import { type Attestation, adoptions, adoptRows, pendingAttestations, storeMacs } from './attest-store.ts';
import { ATTESTED, changesAttested } from './attested.ts';

/**
 * Signs off what the server changes in attested tables (attested.ts), at the end of each transaction that did. Triggers
 * note the changed rows, whoever changes them; the mac is what only a server can add. Its transaction is in the mac, so
 * that a copy of an old one is worth nothing.
 */
export class Attestor implements CommitGuard {
  readonly #keyring: Pick<Keyring, 'audit'>;
  readonly #known = new Map<string, boolean>();

  constructor(keyring: Pick<Keyring, 'audit'>) {
    this.#keyring = keyring;
  }

  guards({ name, text }: Statement): boolean {
    let changes = this.#known.get(name);
    if (changes === undefined) {
      changes = changesAttested(text);
      this.#known.set(name, changes);
    }
    return changes;
  }

  async beforeCommit(tx: Db): Promise<void> {
    const pending = await pendingAttestations(tx);
    if (pending.length === 0) return;
    await storeMacs(
      tx,
      pending.map(({ n }) => n),
      pending.map((attestation) => attestationMac(this.#keyring.audit.attesting, attestation)),
    );
  }

  /** Takes over the rows that attested tables had before there were attestations. Does nothing where that is done. */
  async adopt(db: Database): Promise<void> {
    const done = new Set(await adoptions(db));
    const missing = ATTESTED.filter(({ name, since }) => since !== 'change' && !done.has(name));
    if (missing.length === 0) return;
    await db.transaction(async (tx) => {
      await tx.query(LOCK, []);
      for (const { name } of missing) await adoptRows(tx, name);
      await this.beforeCommit(tx);
    });
  }
}

/** Two servers that start at once adopt one after the other, and the second finds nothing to do. */
const LOCK: Statement = {
  name: 'attest.lock-adoption',
  text: 'lock table audit_attestations in share row exclusive mode',
};

export function attestationMac(key: KeyObject, { n, xid, tab, rowId, columns, digest }: Attestation): Buffer {
  const framed = frame([
    'hanzo-kms/v1/attestation',
    n,
    xid,
    tab,
    rowId,
    columns.length,
    ...columns,
    digest ?? Buffer.alloc(0),
  ]);
  return createHmac('sha256', key).update(framed).digest();
}
