import type { AuditQuery } from '../../contracts/index.ts';
import type { Db, Statement } from '../database/database.ts';

export interface AuditRow {
  readonly id: string;
  readonly at: Date;
  readonly organizationId: string | null;
  readonly projectId: string | null;
  readonly projectSlug: string | null;
  readonly environment: string | null;
  readonly secretPath: string | null;
  readonly action: 'read' | 'create' | 'update' | 'delete' | 'login';
  readonly event: string;
  readonly outcome: 'allowed' | 'refused';
  readonly actorKind: string;
  readonly actorId: string | null;
  readonly actorName: string | null;
  readonly secretKey: string | null;
  readonly listedKeys: string[] | null;
  readonly metadata: Record<string, unknown> | null;
  readonly ip: string | null;
  readonly userAgent: string | null;
}

// A key that was shown in a list is found through the list's manifest; below a folder it stands there as `path:KEY`.
const QUERY: Statement = {
  name: 'audit.query',
  text: `
    select l.id, l.at, l.organization_id as "organizationId", l.project_id as "projectId", l.project_slug as "projectSlug",
           l.environment, l.secret_path as "secretPath", l.action, l.event, l.outcome, l.actor_kind as "actorKind",
           l.actor_id as "actorId", l.actor_name as "actorName", l.secret_key as "secretKey", m.keys as "listedKeys",
           l.metadata, host(l.ip) as ip, l.user_agent as "userAgent"
      from audit_log l
      left join audit_manifests m on m.id = l.manifest_id
     where l.organization_id = $1
       and ($2::uuid is null or l.project_id = $2)
       and ($3::timestamptz is null or l.at >= $3)
       and ($4::timestamptz is null or l.at <= $4)
       and ($5::text is null or l.action = $5)
       and ($6::text is null or l.event = $6)
       and ($7::uuid is null or l.actor_id = $7)
       and ($8::text is null or l.secret_key = $8 or m.keys @> array[$8]
            or exists (select from unnest(m.keys) as listed where split_part(listed, ':', 2) = $8))
       and ($9::text is null or l.environment = $9)
       and ($10::text is null or l.outcome = $10)
     order by l.at desc, l.id
     limit $11 offset $12`,
};

/** Records of one organization, the latest first. */
export async function queryRecords(db: Db, organizationId: string, query: AuditQuery): Promise<AuditRow[]> {
  return db.query<AuditRow>(QUERY, [
    organizationId,
    query.projectId ?? null,
    query.startDate ?? null,
    query.endDate ?? null,
    query.action ?? null,
    query.eventType ?? null,
    query.actor ?? null,
    query.secretKey ?? null,
    query.environment ?? null,
    query.outcome ?? null,
    query.limit,
    query.offset,
  ]);
}
