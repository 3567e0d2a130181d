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

// The ids of a ticket's requests come as one text: request ids hold no space, and a join of two lists would compare each
// with each. Tokens are looked at themselves, since they end by the clock and are revoked by many hands.
const PASS: Statement = {
  name: 'access.pass',
  text: `
    with ticket as (
      select k.*, t.revoked_at is null and t.expires_at > now() and x.change_id = k.actor_change
                  and (k.valid_until is null or k.valid_until > now()) as live, p.change_id = k.project_change as current
        from unnest($1::int[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::timestamptz[], $8::uuid[], $9::text[],
                    $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::uuid[], $17::inet[], $18::text[],
                    $19::text[])
          as k (n, token_id, actor_id, actor_change, project_id, project_change, valid_until, organization_id, actor_kind,
                actor_name, project_slug, event, environment, path, key, manifest_id, ip, user_agent, request_ids)
        left join access_tokens t on t.id = k.token_id
        left join actors x on x.id = k.actor_id
        left join projects p on p.id = k.project_id
    ),
    audited as (
      insert into audit_log (action, event, outcome, actor_kind, actor_id, actor_name, organization_id, project_id, project_slug,
                             environment, secret_path, secret_key, manifest_id, ip, user_agent, request_id)
      select 'read', event, 'allowed', actor_kind, actor_id, actor_name, organization_id, project_id, project_slug,
             environment, path, key, manifest_id, ip, user_agent, request_id
        from ticket, string_to_table(request_ids, ' ') as request_id
       where live and current and event is not null
    )
    select n, current from ticket where live`,
};

/** What the database says of a ticket: it is served, or only its project has changed, or it says nothing any more. */
export type Admission = 'served' | 'project-changed' | 'ended';

/** Serves tickets. The audit of those that are served is written by the same statement. */
export async function admitTickets(db: Db, tickets: readonly Ticket[]): Promise<ReadonlyMap<Ticket, Admission>> {
  const verdict = <Value>(pick: (verdict: Verdict) => Value) => tickets.map(({ pass }) => pick(pass.verdict));
  const held = <Value>(pick: (held: Held) => Value) => tickets.map((ticket) => pick(ticket.held));
  const rows = await db.query<{ n: number; current: boolean | null }>(PASS, [
    tickets.map((_, n) => n),
    tickets.map(({ pass }) => pass.tokenId),
    verdict((v) => v.actorId),
    verdict((v) => v.actorChangeId),
    verdict((v) => v.projectId),
    verdict((v) => v.changeId),
    verdict((v) => v.validUntil),
    verdict((v) => v.organizationId),
    verdict((v) => v.actorKind),
    verdict((v) => v.actorName),
    verdict((v) => v.projectSlug),
    held((h) => h.event),
    held((h) => h.environment),
    held((h) => h.path),
    held((h) => h.key),
    held((h) => h.manifestId),
    tickets.map(({ pass }) => pass.ip),
    tickets.map(({ userAgent }) => userAgent),
    tickets.map(({ requestIds }) => requestIds.join(' ')),
  ]);
  return new Map(rows.map(({ n, current }) => [tickets[n]!, current ? 'served' : 'project-changed']));
}
