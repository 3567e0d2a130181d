import type { Db, Statement } from '../database/database.ts';

const POSITION: Statement = { name: 'rotation.position', text: 'select audit_position()::text as now' };

/** The transaction of this moment. */
export async function positionNow(db: Db): Promise<string> {
  return (await db.one<{ now: string }>(POSITION, [])).now;
}

const ENDED: Statement = { name: 'rotation.ended-before', text: 'select audit_horizon() > $1::xid8 as ended' };

/** Whether every transaction up to this one has ended. */
export async function endedBefore(db: Db, transaction: string): Promise<boolean> {
  return (await db.one<{ ended: boolean }>(ENDED, [transaction])).ended;
}

const COPY: Statement = {
  name: 'rotation.copy-attestations',
  text: `
    insert into audit_attestations (tab, row_id, columns, digest)
    select tab, row_id, columns, digest from audit_attestations where n = any($1::bigint[])`,
};

/** States anew what these attestations said; the transaction's attestations are signed off after it. */
export async function copyAttestations(tx: Db, ns: readonly string[]): Promise<void> {
  await tx.query(COPY, [ns]);
}
