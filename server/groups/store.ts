import type { Db, Statement } from '../database/database.ts';

export interface GroupRow {
  readonly id: string;
  readonly organizationId: string;
  readonly slug: string;
  readonly name: string;
  readonly role: string;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

const COLUMNS = `
  g.id, g.organization_id as "organizationId", g.slug, g.name, g.role, g.created_at as "createdAt", g.updated_at as "updatedAt"`;

const INSERT: Statement = {
  name: 'groups.insert',
  text: `insert into groups as g (organization_id, slug, name, role) values ($1, $2, $3, $4) returning ${COLUMNS}`,
};

export async function insertGroup(
  db: Db,
  group: Pick<GroupRow, 'organizationId' | 'slug' | 'name' | 'role'>,
): Promise<GroupRow> {
  return db.one<GroupRow>(INSERT, [group.organizationId, group.slug, group.name, group.role]);
}

const FIND: Statement = { name: 'groups.find', text: `select ${COLUMNS} from groups g where g.id = $1` };

export async function findGroup(db: Db, id: string): Promise<GroupRow | undefined> {
  return db.first<GroupRow>(FIND, [id]);
}

const FIND_NAMED: Statement = {
  name: 'groups.find-named',
  text: `
    select ${COLUMNS} from groups g
     where g.organization_id = $1 and (g.id::text = $2 or g.slug = $2 or g.name = $2)
     order by (g.id::text = $2) desc, (g.slug = $2) desc, g.id limit 1`,
};

/** A group of an organization by its id, its slug or its name. */
export async function findGroupNamed(db: Db, organizationId: string, named: string): Promise<GroupRow | undefined> {
  return db.first<GroupRow>(FIND_NAMED, [organizationId, named]);
}

const LIST: Statement = {
  name: 'groups.list',
  text: `select ${COLUMNS} from groups g where g.organization_id = $1 order by g.slug`,
};

export async function listGroups(db: Db, organizationId: string): Promise<GroupRow[]> {
  return db.query<GroupRow>(LIST, [organizationId]);
}

const UPDATE: Statement = {
  name: 'groups.update',
  text: `
    update groups g
       set slug = coalesce($2, slug), name = coalesce($3, name), role = coalesce($4, role), updated_at = now()
     where id = $1 returning ${COLUMNS}`,
};

export async function updateGroup(
  db: Db,
  id: string,
  change: {
    readonly slug?: string | undefined;
    readonly name?: string | undefined;
    readonly role?: string | undefined;
  },
): Promise<GroupRow | undefined> {
  const { slug, name, role } = change;
  return db.first<GroupRow>(UPDATE, [id, slug ?? null, name ?? null, role ?? null]);
}

const DELETE: Statement = { name: 'groups.delete', text: 'delete from groups where id = $1' };

export async function deleteGroup(db: Db, id: string): Promise<void> {
  await db.query(DELETE, [id]);
}

/** Somebody of the organization, in the group or not. */
export interface CandidateRow {
  readonly id: string;
  readonly kind: 'user' | 'identity';
  readonly name: string;
  readonly firstName: string;
  readonly lastName: string;
  readonly joinedAt: Date | null;
}

/** By a name, backwards when the parameter says so. */
const ordered = (name: string, parameter = 8) =>
  `case when not $${parameter} then ${name} end, case when $${parameter} then ${name} end desc`;

const CANDIDATES: Statement = {
  name: 'groups.candidates',
  text: `
    with candidate as (
      select a.id, a.kind, coalesce(u.email, i.name) as name, coalesce(u.first_name, '') as "firstName",
             coalesce(u.last_name, '') as "lastName", gm.created_at as "joinedAt"
        from organization_memberships m
        join actors a on a.id = m.actor_id and a.kind = any ($3)
        left join users u on u.id = a.id
        left join identities i on i.id = a.id
        left join group_members gm on gm.actor_id = a.id and gm.group_id = $1
       where m.organization_id = $2 and ($4::boolean is null or (gm.group_id is not null) = $4)
         and ($5::text is null or strpos(lower(coalesce(u.email, i.name)), lower($5)) > 0)
    ),
    counted as (select count(*)::int as "totalCount" from candidate)
    select page.*, "totalCount" from counted
      left join (select * from candidate order by ${ordered('name')}, id offset $6 limit $7) page on true
     order by ${ordered('page.name')}, page.id`,
};

/** Which rows of a list, and in which order; names that hold the search, whatever its case. */
export interface Page {
  readonly search?: string | undefined;
  readonly offset: number;
  readonly limit: number;
  /** @default false */
  readonly descending?: boolean | undefined;
}

/** A page, with how many there are in all: a page beyond the last one has no row to carry the number. */
export interface Counted<Row> {
  readonly rows: Row[];
  readonly totalCount: number;
}

async function paged<Row extends { readonly id: string }>(
  db: Db,
  statement: Statement,
  values: readonly unknown[],
  { search = null, offset, limit, descending = false }: { [Name in keyof Page]: Page[Name] | null },
): Promise<Counted<Row>> {
  type Found = Row & { readonly totalCount: number };
  const rows = await db.query<Found>(statement, [...values, search, offset, limit, descending]);
  return { rows: rows.filter(({ id }) => id !== null), totalCount: rows[0]!.totalCount };
}

/** A page of the people and identities of the group's organization; `belonging` true: those in it alone. */
export async function candidates(
  db: Db,
  group: GroupRow,
  of: Page & { readonly kinds: readonly CandidateRow['kind'][]; readonly belonging: boolean | null },
): Promise<Counted<CandidateRow>> {
  return paged<CandidateRow>(db, CANDIDATES, [group.id, group.organizationId, of.kinds, of.belonging], of);
}

/** A project of the group's organization; `joinedAt` null: the group has no access to it. */
export interface GroupProjectRow {
  readonly id: string;
  readonly name: string;
  readonly slug: string;
  readonly description: string | null;
  readonly joinedAt: Date | null;
}

const PROJECTS: Statement = {
  name: 'groups.projects',
  text: `
    with candidate as (
      select p.id, p.name, p.slug, p.description, m.created_at as "joinedAt"
        from projects p left join project_memberships m on m.project_id = p.id and m.group_id = $1
       where p.organization_id = $2 and ($3::text is null or (m.id is not null) = ($3 = 'assigned'))
         and ($4::text is null or strpos(lower(p.name), lower($4)) > 0)
    ),
    counted as (select count(*)::int as "totalCount" from candidate)
    select page.*, "totalCount" from counted
      left join (select * from candidate order by ${ordered('name', 7)}, id offset $5 limit $6) page on true
     order by ${ordered('page.name', 7)}, page.id`,
};

/** A page of the projects of the group's organization; `assigned` true: those that it has access to. */
export async function projectsOf(
  db: Db,
  group: GroupRow,
  of: Page & { readonly assigned: boolean | null },
): Promise<Counted<GroupProjectRow>> {
  const assigned = of.assigned === null ? null : of.assigned ? 'assigned' : 'unassigned';
  return paged<GroupProjectRow>(db, PROJECTS, [group.id, group.organizationId, assigned], of);
}

const FIND_PERSON: Statement = {
  name: 'groups.find-person',
  text: `
    select u.id, 'user' as kind, u.email as name, u.first_name as "firstName", u.last_name as "lastName", gm.created_at as "joinedAt"
      from users u
      join organization_memberships m on m.actor_id = u.id and m.organization_id = $2
      left join group_members gm on gm.actor_id = u.id and gm.group_id = $1
     where u.email = $3`,
};

/** A person of the group's organization, by e-mail address. */
export async function findPerson(db: Db, group: GroupRow, email: string): Promise<CandidateRow | undefined> {
  return db.first<CandidateRow>(FIND_PERSON, [group.id, group.organizationId, email]);
}

const FIND_MACHINE: Statement = {
  name: 'groups.find-machine',
  text: `
    select i.id, 'identity' as kind, i.name, '' as "firstName", '' as "lastName", gm.created_at as "joinedAt"
      from identities i
      left join group_members gm on gm.actor_id = i.id and gm.group_id = $1
     where i.id = $3 and i.organization_id = $2`,
};

/** An identity of the group's organization. */
export async function findMachine(db: Db, group: GroupRow, id: string): Promise<CandidateRow | undefined> {
  return db.first<CandidateRow>(FIND_MACHINE, [group.id, group.organizationId, id]);
}

const JOIN: Statement = {
  name: 'groups.join',
  text: 'insert into group_members (group_id, organization_id, actor_id) values ($1, $2, $3)',
};

export async function joinGroup(db: Db, group: GroupRow, actorId: string): Promise<void> {
  await db.query(JOIN, [group.id, group.organizationId, actorId]);
}

const LEAVE: Statement = {
  name: 'groups.leave',
  text: 'delete from group_members where group_id = $1 and actor_id = $2',
};

export async function leaveGroup(db: Db, group: GroupRow, actorId: string): Promise<void> {
  await db.query(LEAVE, [group.id, actorId]);
}
