import type { AuditFilters } from '../../contracts/index.ts';
import type { Db, Statement } from '../database/database.ts';

export interface AuditRow {
  readonly id: string;
  readonly at: Date;
  /** The same in microseconds since 1970, as the database has it. */
  readonly micros: string;
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
  readonly userAgentType: string;
}

/** The columns of an AuditRow, of `audit_log l`. */
export const RECORD = `
           l.id, l.at, (extract(epoch from l.at) * 1000000)::bigint::text as micros,
           l.organization_id as "organizationId", l.project_id as "projectId", l.project_slug as "projectSlug",
           l.environment, l.secret_path as "secretPath", l.action, l.event, l.outcome, l.actor_kind as "actorKind",
           l.actor_id as "actorId", l.actor_name as "actorName", l.secret_key as "secretKey",
           (select keys from audit_manifests m where m.id = l.manifest_id) as "listedKeys",
           l.metadata, host(l.ip) as ip, l.user_agent as "userAgent", user_agent_type(l.user_agent) as "userAgentType"`;

// Planned for its parameters each time (it has no name): one plan for all of them could use no index.
const QUERY: Statement = {
  name: '',
  text: `
    select ${RECORD}
      from audit_log l
     where l.organization_id = $1
       and ($2::uuid is null or l.project_id = $2)
       and ($3::timestamptz is null or l.at >= $3)
       and ($4::timestamptz is null or l.at <= $4)
       and ($5::text[] is null or l.action = any ($5))
       and ($6::text[] is null or l.event = any ($6))
       and ($7::uuid[] is null or l.actor_id = any ($7))
       and ($8::text[] is null or l.actor_kind = any ($8))
       and ($9::text is null or l.secret_key = $9 or l.manifest_id = any ($10::uuid[]))
       and ($11::text is null or l.secret_path = $11)
       and ($12::text[] is null or l.environment = any ($12))
       and ($13::inet is null or l.ip <<= $13)
       and ($14::text[] is null or user_agent_type(l.user_agent) = any ($14))
       and ($15::text is null or l.outcome = $15)
       and ($16::bigint is null or l.at <= timestamptz 'epoch' + $16::bigint * interval '1 microsecond')
       and ($16::bigint is null or (l.at, l.id) < (timestamptz 'epoch' + $16::bigint * interval '1 microsecond', $17::uuid))
     order by l.at desc, l.id desc
     limit $18 offset $19`,
};

const MANIFESTS: Statement = {
  name: 'audit.manifests-with-key',
  text: 'select id from audit_manifests where manifest_names(keys) @> array[$1]',
};

/** The lists that showed a key: a record of a list names its list and not each key. */
async function manifestsWith(db: Db, key: string): Promise<string[]> {
  return (await db.query<{ id: string }>(MANIFESTS, [key])).map(({ id }) => id);
}

export interface Page {
  readonly limit: number;
  readonly offset: number;
  readonly cursor?: { readonly micros: string; readonly id: string } | undefined;
}

/** Records of one organization, the latest first. */
export async function queryRecords(
  db: Db,
  organizationId: string,
  asked: AuditFilters,
  page: Page,
): Promise<AuditRow[]> {
  const { secretKey } = asked;
  return db.query<AuditRow>(QUERY, [
    organizationId,
    asked.projectId ?? null,
    asked.startDate ?? null,
    asked.endDate ?? null,
    asked.action ?? null,
    asked.eventType ?? null,
    asked.actor ?? null,
    asked.actorType ?? null,
    secretKey ?? null,
    secretKey === undefined ? null : await manifestsWith(db, secretKey),
    asked.secretPath ?? null,
    asked.environment ?? null,
    asked.ipAddress ?? null,
    asked.userAgentType ?? null,
    asked.outcome ?? null,
    page.cursor?.micros ?? null,
    page.cursor?.id ?? null,
    page.limit,
    page.offset,
  ]);
}
