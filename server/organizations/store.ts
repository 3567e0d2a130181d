import type { Db, Statement } from '../database/database.ts';

export interface OrganizationRow {
  readonly id: string;
  readonly slug: string;
  readonly name: string;
  readonly enforceMfa: boolean;
  readonly ssoEnforced: boolean;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

const COLUMNS = `
  o.id, o.slug, o.name, o.enforce_mfa as "enforceMfa", o.sso_enforced as "ssoEnforced", o.created_at as "createdAt",
  o.updated_at as "updatedAt"`;

const INSERT: Statement = {
  name: 'organizations.insert',
  text: `insert into organizations as o (slug, name) values ($1, $2) returning ${COLUMNS}`,
};

export async function insertOrganization(db: Db, slug: string, name: string): Promise<OrganizationRow> {
  return db.one<OrganizationRow>(INSERT, [slug, name]);
}

const FIND: Statement = { name: 'organizations.find', text: `select ${COLUMNS} from organizations o where id = $1` };

export async function findOrganization(db: Db, id: string): Promise<OrganizationRow | undefined> {
  return db.first<OrganizationRow>(FIND, [id]);
}

const LIST: Statement = {
  name: 'organizations.list-of-actor',
  text: `
    select ${COLUMNS}
      from organization_memberships m join organizations o on o.id = m.organization_id
     where m.actor_id = $1 and m.is_active and m.status = 'accepted' and ($2::uuid is null or o.id = $2)
     order by o.slug`,
};

/** The organizations that an actor belongs to, as far as its token reaches. */
export async function organizationsOf(
  db: Db,
  actor: { readonly id: string; readonly boundTo: string | null },
): Promise<OrganizationRow[]> {
  return db.query<OrganizationRow>(LIST, [actor.id, actor.boundTo]);
}

const LIST_OF_TOKEN: Statement = {
  name: 'organizations.list-of-token',
  text: `
    select ${COLUMNS}
      from access_tokens t
      left join sessions s on s.id = t.session_id
      join organization_memberships m on m.actor_id = t.actor_id and m.is_active and m.status = 'accepted'
      join organizations o on o.id = m.organization_id
     where t.id = $1 and (s.organization_id is null or s.organization_id = m.organization_id)
     order by o.slug`,
};

/** The organizations that a token's bearer may go on to: a person's are all of theirs, whichever was chosen before. */
export async function organizationsToChoose(db: Db, tokenId: string): Promise<OrganizationRow[]> {
  return db.query<OrganizationRow>(LIST_OF_TOKEN, [tokenId]);
}

const UPDATE: Statement = {
  name: 'organizations.update',
  text: `
    update organizations o
       set slug = coalesce($2, slug), name = coalesce($3, name), enforce_mfa = coalesce($4, enforce_mfa),
           sso_enforced = coalesce($5, sso_enforced), updated_at = now()
     where id = $1 returning ${COLUMNS}`,
};

export interface OrganizationChange {
  readonly slug?: string | undefined;
  readonly name?: string | undefined;
  readonly enforceMfa?: boolean | undefined;
  readonly ssoEnforced?: boolean | undefined;
}

export async function updateOrganization(
  db: Db,
  id: string,
  { slug, name, enforceMfa, ssoEnforced }: OrganizationChange,
): Promise<OrganizationRow | undefined> {
  const values = [id, slug ?? null, name ?? null, enforceMfa ?? null, ssoEnforced ?? null];
  return db.first<OrganizationRow>(UPDATE, values);
}

const LOCK: Statement = {
  name: 'organizations.lock',
  text: `select ${COLUMNS} from organizations o where id = $1 for update`,
};

/** An organization, locked: no project is made in it any more, and none that is being made is overlooked. */
export async function lockOrganization(tx: Db, id: string): Promise<OrganizationRow | undefined> {
  return tx.first<OrganizationRow>(LOCK, [id]);
}

// A machine identity is its organization's own. Its actor goes with it: left behind, its tokens would live on.
const DELETE: Statement = {
  name: 'organizations.delete',
  text: `
    with machines as (delete from actors where id in (select id from identities where organization_id = $1))
    delete from organizations where id = $1`,
};

export async function deleteOrganization(db: Db, id: string): Promise<void> {
  await db.query(DELETE, [id]);
}

const COUNT_PROJECTS: Statement = {
  name: 'organizations.count-projects',
  text: 'select count(*)::int as count from projects where organization_id = $1',
};

export async function countProjects(db: Db, id: string): Promise<number> {
  const row = await db.one<{ count: number }>(COUNT_PROJECTS, [id]);
  return row.count;
}

const HAS_PROVIDER: Statement = {
  name: 'organizations.has-provider',
  text: 'select from oidc_providers where organization_id = $1 and is_active',
};

/** Whether single sign-on is set up and switched on. */
export async function hasProvider(db: Db, id: string): Promise<boolean> {
  return (await db.query(HAS_PROVIDER, [id])).length > 0;
}
