import type { Db, Statement } from '../database/database.ts';
import { CHECK_VIOLATION, sqlState } from '../database/sqlstate.ts';
import type { Origin } from './origin.ts';

export type { Origin } from './origin.ts';

/** One record of the audit (HIP-27, "Audit Logging"): who, what, when, where, which action. Never a value. */
export interface AuditRecord {
  /** HIP-27's four, and `login`. */
  readonly action: 'read' | 'create' | 'update' | 'delete' | 'login';
  /** Infisical's name of the event, as `get-secrets`. */
  readonly event: string;
  readonly outcome: 'allowed' | 'refused';
  readonly actor: { readonly kind: string; readonly id?: string | null; readonly name?: string | null };
  readonly organizationId?: string | null;
  readonly project?: { readonly id: string; readonly slug: string } | null;
  readonly environment?: string | null;
  readonly secretPath?: string | null;
  /** The key's name, for records that are about one secret. */
  readonly secretKey?: string | null;
  /** The list of keys that were shown (`audit_manifests`), for records that are about several. */
  readonly manifestId?: string | null;
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** What the server does by itself comes from nowhere. */
  readonly origin: Omit<Origin, 'ip'> & { readonly ip: string | null };
}

const INSERT: Statement = {
  name: 'audit.insert',
  text: `
    insert into audit_log (action, event, outcome, actor_kind, actor_id, actor_name, organization_id, project_id, project_slug,
                           environment, secret_path, secret_key, metadata, ip, user_agent, request_id, manifest_id)
    select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::text[], $7::uuid[], $8::uuid[], $9::text[],
                         $10::text[], $11::text[], $12::text[], $13::jsonb[], $14::inet[], $15::text[], $16::text[], $17::uuid[])`,
};

/** Writes records, all in one statement. */
export async function insertRecords(db: Db, records: readonly AuditRecord[]): Promise<void> {
  const column = <Value>(pick: (record: AuditRecord) => Value) => records.map(pick);
  await db.query(INSERT, [
    column((r) => r.action),
    column((r) => r.event),
    column((r) => r.outcome),
    column((r) => r.actor.kind),
    column((r) => r.actor.id ?? null),
    column((r) => r.actor.name ?? null),
    column((r) => r.organizationId ?? null),
    column((r) => r.project?.id ?? null),
    column((r) => r.project?.slug ?? null),
    column((r) => r.environment ?? null),
    column((r) => r.secretPath ?? null),
    column((r) => r.secretKey ?? null),
    column((r) => (r.metadata ? JSON.stringify(r.metadata) : null)),
    column((r) => r.origin.ip),
    column((r) => r.origin.userAgent),
    column((r) => r.origin.requestId),
    column((r) => r.manifestId ?? null),
  ]);
}

const COUNT_ANONYMOUS: Statement = {
  name: 'audit.count-anonymous',
  text: `
    insert into anonymous_refusals (minute, reason, count)
    select date_trunc('minute', now()), reason, count from unnest($1::text[], $2::bigint[]) as refused (reason, count)
        on conflict (minute, reason) do update set count = anonymous_refusals.count + excluded.count`,
};

/** Adds to the counters of refused strangers. */
export async function countAnonymous(db: Db, counts: ReadonlyMap<string, number>): Promise<void> {
  await db.query(COUNT_ANONYMOUS, [[...counts.keys()], [...counts.values()]]);
}

/** Any number that nothing else takes: replicas make partitions one after another under it. */
const PARTITION_LOCK = 4_205_114_028;

// The lock first: `if not exists` looks before it waits, and two that start at once would both make the table.
const ENSURE_PARTITION: Statement = {
  name: 'audit.ensure-partition',
  text: `
    select ensure_audit_partition((date_trunc('month', now()) + make_interval(months => $1::int))::date)
      from (select pg_advisory_xact_lock($2)) as locked`,
};

const MISSING_PARTITIONS: Statement = {
  name: 'audit.missing-partitions',
  text: `
    select ahead from generate_series(0, $1::int) as ahead
     where to_regclass('audit_log_' || to_char(date_trunc('month', now()) + make_interval(months => ahead), 'YYYY_MM')) is null
     order by ahead`,
};

/**
 * Makes the partitions of this month and the next ones, so that no record ever waits for one. A month that already has
 * records in the default partition, from a clock that ran ahead, goes on there: nothing is lost, and no start fails for it.
 */
export async function ensurePartitions(db: Db, monthsAhead: number): Promise<void> {
  // Mostly none, and then a start need not wait for the lock.
  for (const { ahead } of await db.query<{ ahead: number }>(MISSING_PARTITIONS, [monthsAhead])) {
    try {
      await db.query(ENSURE_PARTITION, [ahead, PARTITION_LOCK]);
    } catch (error) {
      if (sqlState(error) !== CHECK_VIOLATION) throw error;
    }
  }
}
