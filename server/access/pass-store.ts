import type { Db, Statement } from '../database/database.ts';
import type { Held, Verdict } from './store.ts';

/** A verdict about a caller in a project, and until when it can be kept: as long as both change ids are what they were. */
export interface Pass {
  readonly tokenId: string;
  readonly ip: string;
  readonly verdict: Verdict;
}

/** Requests of one caller for one answer that wait at the same moment. */
export interface Ticket {
  readonly pass: Pass;
  readonly held: Held;
  readonly userAgent: string | null;
  readonly requestIds: readonly string[];
}

// What a record says of the project and of the caller's kind is taken from the rows that were looked up: as long as both
// change ids are those of the verdict, so are they.
const AUDITED = `
  insert into audit_log (action, event, outcome, actor_kind, actor_id, actor_name, organization_id, project_id, project_slug,
                         environment, secret_path, secret_key, manifest_id, ip, user_agent, request_id)`;

// Tokens are looked at themselves, since they end by the clock and are revoked by many hands.
const PASS: Statement = {
  name: 'access.pass',
  text: `
    with ticket as (
      select k.*, x.kind, p.organization_id, p.slug, p.change_id = k.project_change as current,
             t.revoked_at is null and t.expires_at > now() and x.change_id = k.actor_change
             and (k.valid_until is null or k.valid_until > now()) as live
        from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::timestamptz[], $7::text[], $8::text[], $9::text[],
                    $10::text[], $11::text[], $12::uuid[], $13::inet[], $14::text[], $15::text[]) with ordinality
          as k (token_id, actor_id, actor_change, project_id, project_change, valid_until, actor_name, event, environment,
                path, key, manifest_id, ip, user_agent, request_ids, n)
        left join access_tokens t on t.id = k.token_id
        left join actors x on x.id = k.actor_id
        left join projects p on p.id = k.project_id
    ),
    audited as (
      ${AUDITED}
      select 'read', event, 'allowed', kind, actor_id, actor_name, organization_id, project_id, slug,
             environment, path, key, manifest_id, ip, user_agent, request_id
        from ticket, string_to_table(request_ids, ' ') as request_id
       where live and current and event is not null
    )
    select n::int, current from ticket where live`,
};

// Most groups are of one caller who asks for one answer. Without lists that costs Postgres two thirds, and us half.
const PASS_ONE: Statement = {
  name: 'access.pass-one',
  text: `
    with ticket as materialized (
      select x.kind, p.organization_id, p.slug, p.change_id = $5::uuid as current,
             t.revoked_at is null and t.expires_at > now() and x.change_id = $3::uuid
             and ($6::timestamptz is null or $6 > now()) as live
        from access_tokens t, actors x, projects p
       where t.id = $1::uuid and x.id = $2::uuid and p.id = $4::uuid
    ),
    audited as (
      ${AUDITED}
      select 'read', $8::text, 'allowed', kind, $2, $7::text, organization_id, $4, slug,
             $9::text, $10::text, $11::text, $12::uuid, $13::inet, $14::text, request_id
        from ticket, string_to_table($15::text, ' ') as request_id
       where live and current and $8 is not null
    )
    select 1 as n, current from ticket where live`,
};

/** What the database says of a ticket: it is served, or only its project has changed, or it says nothing any more. */
export type Admission = 'served' | 'project-changed' | 'ended';

/** Serves tickets. The audit of those that are served is written by the same statement. */
export async function admitTickets(db: Db, tickets: readonly Ticket[]): Promise<ReadonlyMap<Ticket, Admission>> {
  const values = tickets.map(valuesOf);
  const rows =
    values.length === 1
      ? await db.query<Row>(PASS_ONE, values[0]!)
      : await db.query<Row>(
          PASS,
          values[0]!.map((_, column) => values.map((row) => row[column])),
        );
  return new Map(rows.map(({ n, current }) => [tickets[n - 1]!, current ? 'served' : 'project-changed']));
}

interface Row {
  readonly n: number;
  readonly current: boolean | null;
}

// The ids of a ticket's requests come as one text: request ids hold no space, and a join of two lists would compare each
// with each.
function valuesOf({ pass: { tokenId, ip, verdict }, held, userAgent, requestIds }: Ticket): unknown[] {
  return [
    tokenId,
    verdict.actorId,
    verdict.actorChangeId,
    verdict.projectId,
    verdict.changeId,
    verdict.validUntil,
    verdict.actorName,
    held.event,
    held.environment,
    held.path,
    held.key,
    held.manifestId,
    ip,
    userAgent,
    requestIds.join(' '),
  ];
}
