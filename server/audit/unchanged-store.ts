import { columns } from '../database/columns.ts';
import type { Db, Statement } from '../database/database.ts';

/** How often a caller was told that it has the present answer of a place. */
export interface UnchangedCount {
  readonly actorId: string;
  readonly actorKind: string;
  readonly actorName: string;
  readonly organizationId: string;
  readonly projectId: string;
  readonly projectSlug: string;
  readonly environment: string;
  readonly path: string;
  /** Empty: the whole folder. */
  readonly key: string;
  readonly event: string;
  /** Of the last one. */
  readonly ip: string;
  readonly userAgent: string | null;
  readonly count: number;
}

const ADD: Statement = {
  name: 'audit.add-unchanged',
  text: `
    insert into audit_unchanged (hour, actor_id, actor_kind, actor_name, organization_id, project_id, project_slug, environment,
                                 secret_path, secret_key, event, ip, user_agent, count)
    select date_trunc('hour', now()), *
      from unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::text[], $9::text[],
                  $10::text[], $11::inet[], $12::text[], $13::bigint[])
        on conflict (hour, actor_id, project_id, environment, secret_path, secret_key, event)
        do update set count = audit_unchanged.count + excluded.count, ip = excluded.ip, user_agent = excluded.user_agent`,
};

/** Adds to the counts of the present hour. */
export async function addUnchanged(db: Db, counts: readonly UnchangedCount[]): Promise<void> {
  await db.query(
    ADD,
    columns(
      counts,
      'actorId',
      'actorKind',
      'actorName',
      'organizationId',
      'projectId',
      'projectSlug',
      'environment',
      'path',
      'key',
      'event',
      'ip',
      'userAgent',
      'count',
    ),
  );
}

const RECORD: Statement = {
  name: 'audit.record-unchanged',
  text: `
    with over as (delete from audit_unchanged where hour < date_trunc('hour', $1::timestamptz) returning *)
    insert into audit_log (action, event, outcome, actor_kind, actor_id, actor_name, organization_id, project_id, project_slug,
                           environment, secret_path, secret_key, metadata, ip, user_agent, request_id)
    select 'read', event, 'allowed', actor_kind, actor_id, actor_name, organization_id, project_id, project_slug,
           environment, secret_path, nullif(secret_key, ''), jsonb_build_object('hour', hour, 'count', count), ip, user_agent, 'counted'
      from over`,
};

/** Turns the counts of hours that are over into records, one each: neither is ever there without the other. */
export async function recordPastHours(db: Db, now: Date): Promise<void> {
  await db.query(RECORD, [now]);
}
