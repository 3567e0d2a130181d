import type { Db, Statement } from '../database/database.ts';

/** What the database says of itself, as far as serving depends on it. */
export interface Probe {
  /** Of the root key that the stored keys are wrapped with. */
  readonly rootFingerprint: string | null;
  /** Whether an audit record could be stored: the table is there, may be written, and this is no read-only standby. */
  readonly auditWritable: boolean;
}

const PROBE: Statement = {
  name: 'status.probe',
  text: `
    select root_fingerprint as "rootFingerprint",
           coalesce(has_table_privilege(to_regclass('audit_log'), 'insert'), false) and not pg_is_in_recovery() as "auditWritable"
      from instance`,
};

export async function probe(db: Db): Promise<Probe | undefined> {
  return db.first<Probe>(PROBE, []);
}
