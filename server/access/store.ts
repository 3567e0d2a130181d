import type { Db, Statement } from '../database/database.ts';

/** What one request wants to know about its caller, and the answer that this process holds for it, if any. */
export interface Ask {
  readonly tokenId: string;
  readonly ip: string;
  readonly userAgent: string | null;
  readonly requestId: string;
  /** One of the three names what the request is about; an organization beside a slug narrows where it is looked for. */
  readonly organizationId?: string | undefined;
  readonly projectId?: string | undefined;
  readonly projectSlug?: string | undefined;
  readonly held?: Held | undefined;
}

/** An answer in memory: it is served, and its audit record written, exactly when all of this is still so. */
export interface Held {
  readonly changeId: string;
  readonly grants: string;
  readonly manifestId: string | null;
  /** Null: the caller has the answer already, so nothing is shown and no record is written; audit/unchanged.ts counts it. */
  readonly event: string | null;
  readonly environment: string;
  readonly path: string;
  readonly key: string | null;
  /** The version that was asked for; null: the present one. */
  readonly version: number | null;
  /**
   * What the answer draws from besides the asked place, through imports and references: JSON, a list of `Dependence` and
   * `Source`. Null when there is nothing of the kind, which then costs nothing.
   */
  readonly sources: string | null;
}

/** A project that an answer depends on: the answer is current while this is the project's change id. */
export interface Dependence {
  readonly projectId: string;
  readonly changeId: string;
}

/** A place beside the asked one of which an answer shows something. It has its own audit record. */
export interface Source extends Dependence {
  readonly environment: string;
  readonly path: string;
  /** The one key that was shown; otherwise the manifest has them. */
  readonly key: string | null;
  readonly manifestId: string | null;
  readonly through: 'import' | 'reference';
}

/** What the database says of a caller at one moment. */
export interface Verdict {
  readonly tokenKnown: boolean;
  readonly revoked: boolean;
  readonly expired: boolean;
  readonly ipTrusted: boolean;
  readonly actorId: string | null;
  readonly actorKind: 'user' | 'identity' | 'service' | null;
  readonly actorName: string | null;
  readonly instanceAdmin: boolean;
  /** The one organization that the token reaches (the nil id: none); null: all of its actor's. */
  readonly boundTo: string | null;
  readonly organizationId: string | null;
  /** Asked of an organization, a custom role goes by its revision, as in `grants`; asked of a project, as `custom`. */
  readonly organizationRole: string | null;
  readonly projectId: string | null;
  readonly projectSlug: string | null;
  readonly changeId: string | null;
  /** How many projects carry the asked slug in the caller's organizations. */
  readonly matches: number;
  /** Roles in the project with their environments, in one text: compared as it is, parsed by permissions.ts. */
  readonly grants: string;
  /** Replaced whenever something changes that a verdict says of the caller. */
  readonly actorChangeId: string | null;
  /** When a role of limited time begins or ends next; the verdict may be another from then on. */
  readonly validUntil: Date | null;
  /** Whether the held answer is current and its audit record is written. */
  readonly served: boolean;
}

/** A membership that counts: accepted, not deactivated, and of an organization that the token reaches. */
const REACHES = (membership: string) =>
  `${membership}.is_active and ${membership}.status = 'accepted' and (t.organization_id is null or t.organization_id = ${membership}.organization_id)`;

/**
 * A role of a membership in the text of a verdict. A custom role goes by its revision: another wording is another text, so
 * nothing that was answered or parsed under the old one fits any more.
 */
export const GRANT = `coalesce('custom:' || c.revision, r.role) || '@' || coalesce(array_to_string(r.environments, '+'), '*')`;

/**
 * The question of every request, for many at once. Tokens are judged by the database's clock and its present rows: what
 * was revoked a moment ago is out now. `$1` numbers the requests; all arrays have the same length.
 */
export const JUDGED = `
  asked as (
    select *
      from unnest($1::int[], $2::uuid[], $3::inet[], $4::text[], $5::text[], $6::uuid[], $7::uuid[], $8::text[])
        as a (n, token_id, ip, user_agent, request_id, organization_id, project_id, project_slug)
  ),
  judged as (
    select a.n, a.ip, a.user_agent, a.request_id,
           t.id is not null as "tokenKnown",
           t.revoked_at is not null or cs.revoked_at is not null as "revoked",
           coalesce(t.expires_at <= now(), false) as "expired",
           coalesce(a.ip <<= any (coalesce(ua.access_token_trusted_ips, ml.access_token_trusted_ips)), true) as "ipTrusted",
           x.id as "actorId", x.kind as "actorKind", coalesce(x.instance_admin and not t.limited, false) as "instanceAdmin",
           t.organization_id as "boundTo",
           coalesce(i.name, u.email, (select st.name from service_tokens st where st.id = x.id)) as "actorName",
           -- A refusal about what is not the caller's belongs into the audit of the caller's own organization.
           coalesce(p.organization_id, o.organization_id, i.organization_id,
                    (select st.organization_id from service_tokens st where st.id = x.id)) as "organizationId",
           coalesce(p.role, 'custom:' || oc.revision, o.role) as "organizationRole",
           p.id as "projectId", p.slug as "projectSlug", p.change_id as "changeId", coalesce(p.matches, 0)::int as "matches",
           concat_ws(',', case when p.role = 'admin' then 'organization-admin@*' end, g.grants) as "grants",
           x.change_id as "actorChangeId", g.until as "validUntil"
      from asked a
      left join access_tokens t on t.id = a.token_id
      left join client_secrets cs on cs.id = t.client_secret_id
      left join universal_auths ua on ua.id = cs.universal_auth_id
      left join machine_logins ml on ml.id = t.machine_login_id
      left join actors x on x.id = t.actor_id
      left join identities i on i.id = x.id
      left join users u on u.id = x.id
      left join organization_memberships o on o.actor_id = x.id and o.organization_id = a.organization_id and ${REACHES('o')}
      left join organization_roles oc on oc.id = o.custom_role_id
      left join lateral (
        select found.*, count(*) over () as matches
          from (
            select p.id, p.slug, p.change_id, p.organization_id, m.role
              from organization_memberships m
              join projects p on p.organization_id = m.organization_id and p.slug = a.project_slug
             where m.actor_id = x.id and a.project_id is null and ${REACHES('m')}
               and (a.organization_id is null or m.organization_id = a.organization_id)
            union all
            select p.id, p.slug, p.change_id, p.organization_id, m.role
              from projects p
              join organization_memberships m on m.organization_id = p.organization_id and m.actor_id = x.id and ${REACHES('m')}
             where p.id = a.project_id
          ) found
         limit 1
      ) p on true
      left join lateral (
        select string_agg(distinct ${GRANT}, ',' order by ${GRANT})
                 filter (where r.expires_at is null or now() between r.starts_at and r.expires_at) as grants,
               min(case when r.starts_at > now() then r.starts_at when r.expires_at > now() then r.expires_at end) as until
          from (select m.id from project_memberships m where m.project_id = p.id and m.actor_id = x.id
                union all
                select m.id from group_members gm join project_memberships m on m.group_id = gm.group_id and m.project_id = p.id
                 where gm.actor_id = x.id) m
          join project_membership_roles r on r.membership_id = m.id
          left join project_roles c on c.id = r.custom_role_id
      ) g on true
  )`;

/** The columns of a verdict that a statement over JUDGED gives back. */
export const VERDICT = `
  j.n, j."tokenKnown", j."revoked", j."expired", j."ipTrusted", j."actorId", j."actorKind", j."actorName", j."instanceAdmin", j."boundTo",
  j."organizationId", j."organizationRole", j."projectId", j."projectSlug", j."changeId", j."matches", j."grants",
  j."actorChangeId", j."validUntil"`;

const LIVE = `"tokenKnown" and not "revoked" and not "expired" and "ipTrusted"`;

const ADMIT: Statement = {
  name: 'access.admit',
  text: `
    with ${JUDGED},
    decided as (
      select j.*, h.*, ${LIVE} and h.change_id is not null and j."changeId" = h.change_id and j."grants" = h.held_grants
             and (h.sources is null or not exists (
               select from jsonb_to_recordset(h.sources) as o ("projectId" uuid, "changeId" uuid)
                 left join projects p on p.id = o."projectId"
                where p.change_id is distinct from o."changeId")) as served
        from judged j
        join unnest($1::int[], $9::uuid[], $10::text[], $11::uuid[], $12::text[], $13::text[], $14::text[], $15::text[], $16::jsonb[],
                    $17::int[])
          as h (asked_n, change_id, held_grants, manifest_id, event, environment, path, key, sources, version) on h.asked_n = j.n
    ),
    audited as (
      insert into audit_log (action, event, outcome, actor_kind, actor_id, actor_name, organization_id, project_id, project_slug,
                             environment, secret_path, secret_key, manifest_id, metadata, ip, user_agent, request_id)
      select 'read', event, 'allowed', "actorKind", "actorId", "actorName", "organizationId", "projectId", "projectSlug",
             environment, path, key, manifest_id, case when version is not null then jsonb_build_object('version', version) end, ip, user_agent, request_id
        from decided where served and event is not null
      union all
      select 'read', d.event, 'allowed', d."actorKind", d."actorId", d."actorName", p.organization_id, p.id, p.slug,
             o.environment, o.path, o.key, o."manifestId", jsonb_build_object('through', o.through, 'readIn', d."projectId"),
             d.ip, d.user_agent, d.request_id
        from decided d
        cross join lateral jsonb_to_recordset(d.sources)
          as o ("projectId" uuid, environment text, path text, key text, "manifestId" uuid, through text)
        join projects p on p.id = o."projectId"
       where d.served and d.event is not null and d.sources is not null and o.through is not null
    )
    select ${VERDICT}, served from decided j order by j.n`,
};

/** The first eight parameters of every statement over JUDGED. */
export function judgedValues(asks: readonly Ask[]): unknown[] {
  return [
    asks.map((_, n) => n),
    asks.map((a) => a.tokenId),
    asks.map((a) => a.ip),
    asks.map((a) => a.userAgent),
    asks.map((a) => a.requestId),
    asks.map((a) => a.organizationId ?? null),
    asks.map((a) => a.projectId ?? null),
    asks.map((a) => a.projectSlug ?? null),
  ];
}

/** Judges every asking request and writes the audit of those that are served from memory, in one statement. */
export async function admit(db: Db, asks: readonly Ask[]): Promise<Verdict[]> {
  return db.query<Verdict>(ADMIT, [
    ...judgedValues(asks),
    asks.map((a) => a.held?.changeId ?? null),
    asks.map((a) => a.held?.grants ?? null),
    asks.map((a) => a.held?.manifestId ?? null),
    asks.map((a) => a.held?.event ?? null),
    asks.map((a) => a.held?.environment ?? null),
    asks.map((a) => a.held?.path ?? null),
    asks.map((a) => a.held?.key ?? null),
    asks.map((a) => a.held?.sources ?? null),
    asks.map((a) => a.held?.version ?? null),
  ]);
}

const JUDGE: Statement = {
  name: 'access.judge',
  text: `with ${JUDGED} select ${VERDICT}, false as served from judged j`,
};

/** Judges requests within a transaction: the same question again, in the snapshot that their changes are made in. */
export async function judgeAll(tx: Db, asks: readonly Ask[]): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  for (const row of await tx.query<Verdict & { n: number }>(JUDGE, judgedValues(asks))) verdicts[row.n] = row;
  return verdicts;
}

/** As `judgeAll`, of one. */
export async function judge(tx: Db, ask: Ask): Promise<Verdict> {
  const [verdict] = await judgeAll(tx, [ask]);
  return verdict!;
}

const LOCK_PROJECT: Statement = {
  name: 'access.lock-project',
  text: 'select id from projects where id = $1 for no key update',
};

/** Takes the project's row: writers of one project come one after another, so that a change id belongs to one change. */
export async function lockProject(tx: Db, projectId: string): Promise<void> {
  await tx.query(LOCK_PROJECT, [projectId]);
}

const LOCK_FREE_PROJECTS: Statement = {
  name: 'access.lock-free-projects',
  text: 'select id from projects where id = any ($1::uuid[]) for no key update skip locked',
};

/**
 * Takes the rows of those projects that nobody else holds. It waits for none of them, so it cannot meet another who takes
 * several, and no slow change of one project holds those of others.
 */
export async function lockFreeProjects(tx: Db, projectIds: readonly string[]): Promise<ReadonlySet<string>> {
  const rows = await tx.query<{ id: string }>(LOCK_FREE_PROJECTS, [projectIds]);
  return new Set(rows.map(({ id }) => id));
}

const COUNT_USE: Statement = {
  name: 'access.count-use',
  text: `update access_tokens set num_uses = num_uses + 1
          where id = $1 and (num_uses_limit = 0 or num_uses < num_uses_limit) returning id`,
};

/** Takes one use of a token that has only so many. False when none is left. */
export async function takeUse(db: Db, tokenId: string): Promise<boolean> {
  const rows = await db.query(COUNT_USE, [tokenId]);
  return rows.length === 1;
}
