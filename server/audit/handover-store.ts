import type { Db, Statement } from '../database/database.ts';
import { BATCH_COLUMNS, type BatchRow } from './seal-store.ts';

const HANDOVERS: Statement = {
  name: 'audit.handovers',
  text: `
    select ${BATCH_COLUMNS}, '{}'::bytea[] as hints from audit_batches
     where kind = 'checkpoint' and note like '{"handover":%' order by number`,
};

/** The checkpoints by which one key of the audit took over from another. */
export async function readHandoverBatches(db: Db): Promise<BatchRow[]> {
  return db.query<BatchRow>(HANDOVERS, []);
}
