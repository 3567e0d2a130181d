import type { UnresolvedReferences, UpdateProjectBody } from '../../contracts/index.ts';
import type { Db, Statement } from '../database/database.ts';

export interface ProjectRow {
  readonly id: string;
  readonly organizationId: string;
  readonly slug: string;
  readonly name: string;
  readonly description: string;
  readonly deleteProtection: boolean;
  readonly unresolvedReferences: UnresolvedReferences;
  readonly autoCapitalization: boolean;
  /** Versions of each secret that are kept; null: all. */
  readonly versionLimit: number | null;
  /** Null: as long as the instance keeps its audit, which is also the least. */
  readonly auditRetentionDays: number | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly environments: readonly { readonly id: string; readonly slug: string; readonly name: string }[];
}

const COLUMNS = `
  p.id, p.organization_id as "organizationId", p.slug, p.name, p.description, p.delete_protection as "deleteProtection",
  p.unresolved_references as "unresolvedReferences", p.auto_capitalization as "autoCapitalization",
  p.version_limit as "versionLimit", p.audit_retention_days as "auditRetentionDays",
  p.created_at as "createdAt", p.updated_at as "updatedAt",
  coalesce((select json_agg(json_build_object('id', e.id, 'slug', e.slug, 'name', e.name) order by e.position)
              from environments e where e.project_id = p.id), '[]') as environments`;

const INSERT: Statement = {
  name: 'projects.insert',
  text: `
    insert into projects (organization_id, slug, name, description, delete_protection)
    values ($1, $2, $3, $4, $5) returning id`,
};

export interface NewProject {
  readonly organizationId: string;
  readonly slug: string;
  readonly name: string;
  readonly description: string;
  readonly deleteProtection: boolean;
}

export async function insertProject(db: Db, project: NewProject): Promise<string> {
  const { organizationId, slug, name, description, deleteProtection } = project;
  const row = await db.one<{ id: string }>(INSERT, [organizationId, slug, name, description, deleteProtection]);
  return row.id;
}

const FIND: Statement = { name: 'projects.find', text: `select ${COLUMNS} from projects p where p.id = $1` };

export async function findProject(db: Db, id: string): Promise<ProjectRow | undefined> {
  return db.first<ProjectRow>(FIND, [id]);
}

// Admins of an organization see all of its projects; everybody else those that they are a member of.
const MEMBER = `
  (exists (select from project_memberships pm where pm.project_id = p.id and pm.actor_id = m.actor_id)
   or exists (select from group_members gm join project_memberships pm on pm.group_id = gm.group_id
               where gm.actor_id = m.actor_id and pm.project_id = p.id))`;
const VISIBLE = `
      from organization_memberships m
      join projects p on p.organization_id = m.organization_id
     where m.actor_id = $1 and m.is_active and m.status = 'accepted' and ($2::uuid is null or m.organization_id = $2)
       and (m.role = 'admin' or ${MEMBER})`;

const LIST: Statement = {
  name: 'projects.list-of-actor',
  text: `select ${COLUMNS} ${VISIBLE} order by p.slug, p.id offset $3 limit $4`,
};

/** The projects that an actor can see, in one organization or in all of its own. */
export async function projectsOf(
  db: Db,
  actorId: string,
  organizationId: string | undefined,
  { offset, limit }: { readonly offset?: number | undefined; readonly limit?: number | undefined } = {},
): Promise<ProjectRow[]> {
  return db.query<ProjectRow>(LIST, [actorId, organizationId ?? null, offset ?? 0, limit ?? null]);
}

/** What is looked for among the projects that an actor can see. */
export interface ProjectSearch {
  readonly name?: string | undefined;
  readonly ids?: readonly string[] | undefined;
  readonly descending: boolean;
  readonly offset: number;
  readonly limit: number;
}

export interface FoundProject extends ProjectRow {
  readonly isMember: boolean;
}

const MATCHING = `${VISIBLE}
       and ($3::text is null or position(lower($3) in lower(p.name)) > 0) and ($4::uuid[] is null or p.id = any ($4))`;
const SEARCH: Statement = {
  name: 'projects.search',
  text: `
    select ${COLUMNS}, ${MEMBER} as "isMember" ${MATCHING}
     order by case when $5 then null else lower(p.name) end, case when $5 then lower(p.name) end desc, p.id
    offset $6 limit $7`,
};
const COUNT: Statement = { name: 'projects.count', text: `select count(*)::int as count ${MATCHING}` };

/** A page of the projects that are found, and how many there are in all. */
export async function searchProjects(
  db: Db,
  actorId: string,
  organizationId: string | undefined,
  { name, ids, descending, offset, limit }: ProjectSearch,
): Promise<{ readonly found: FoundProject[]; readonly count: number }> {
  const asked = [actorId, organizationId ?? null, name ?? null, ids ?? null];
  const found = await db.query<FoundProject>(SEARCH, [...asked, descending, offset, limit]);
  const row = await db.one<{ count: number }>(COUNT, asked);
  return { found, count: row.count };
}

// What may be taken back is given with the word whether it is given: null is a value of it.
const UPDATE: Statement = {
  name: 'projects.update',
  text: `
    update projects
       set slug = coalesce($2, slug), name = coalesce($3, name), description = coalesce($4, description),
           delete_protection = coalesce($5, delete_protection),
           unresolved_references = coalesce($6, unresolved_references),
           auto_capitalization = coalesce($7, auto_capitalization),
           version_limit = case when $8 then $9 else version_limit end,
           audit_retention_days = case when $10 then nullif($11::int, 0) else audit_retention_days end,
           updated_at = now()
     where id = $1`,
};

export async function updateProject(db: Db, id: string, change: UpdateProjectBody): Promise<void> {
  const { slug, name, description, hasDeleteProtection, unresolvedReferences, autoCapitalization } = change;
  const plain = [slug, name, description, hasDeleteProtection, unresolvedReferences, autoCapitalization];
  const given = [change.pitVersionLimit, change.auditLogsRetentionDays].flatMap((one) => [one !== undefined, one]);
  await db.query(UPDATE, [id, ...[...plain, ...given].map((value) => value ?? null)]);
}

const EMPTY: Statement = { name: 'projects.empty', text: 'delete from environments where project_id = $1' };
const DELETE: Statement = { name: 'projects.delete', text: 'delete from projects where id = $1' };

/** The environments first, and with them the secrets: they hold on to the project's keys, which would otherwise go before them. */
export async function deleteProject(db: Db, id: string): Promise<void> {
  await db.query(EMPTY, [id]);
  await db.query(DELETE, [id]);
}

const INSERT_MEMBER: Statement = {
  name: 'projects.insert-member',
  text: `
    with member as (
      insert into project_memberships (project_id, actor_id) values ($1, $2) returning id
    )
    insert into project_membership_roles (membership_id, role) select id, $3 from member`,
};

/** Makes an actor a member with one role. */
export async function insertProjectMember(db: Db, projectId: string, actorId: string, role: string): Promise<void> {
  await db.query(INSERT_MEMBER, [projectId, actorId, role]);
}
