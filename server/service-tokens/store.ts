import type { ServiceTokenPermission, ServiceTokenScope } from '../../contracts/index.ts';
import type { Db, Statement } from '../database/database.ts';

export interface ServiceTokenRow {
  readonly id: string;
  readonly projectId: string;
  readonly name: string;
  readonly scopes: ServiceTokenScope[];
  readonly permissions: ServiceTokenPermission[];
  /** Absent when whoever made it is gone. */
  readonly createdBy: string | null;
  /** A person's address, or an identity's name. */
  readonly creatorName: string | null;
  readonly creatorEmail: string | null;
  readonly creatorFirstName: string | null;
  readonly creatorLastName: string | null;
  readonly expiresAt: Date | null;
  readonly lastUsedAt: Date | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

const SELECT = `
  select st.id, st.project_id as "projectId", st.name, st.scopes, st.permissions, st.created_by as "createdBy",
         coalesce(u.email, i.name) as "creatorName", u.email as "creatorEmail", u.first_name as "creatorFirstName",
         u.last_name as "creatorLastName", st.expires_at as "expiresAt", tu.used_at as "lastUsedAt", st.created_at as "createdAt", st.updated_at as "updatedAt"
    from service_tokens st
    left join users u on u.id = st.created_by
    left join identities i on i.id = st.created_by
    left join token_uses tu on tu.token_id = st.id`;

const FIND: Statement = { name: 'service-tokens.find', text: `${SELECT} where st.id = $1` };

export async function findServiceToken(db: Db, id: string): Promise<ServiceTokenRow | undefined> {
  return db.first<ServiceTokenRow>(FIND, [id]);
}

const LIST: Statement = {
  name: 'service-tokens.list',
  text: `${SELECT} where st.project_id = $1 order by st.created_at desc, st.id`,
};

export async function listServiceTokens(db: Db, projectId: string): Promise<ServiceTokenRow[]> {
  return db.query<ServiceTokenRow>(LIST, [projectId]);
}

// The access token has the id of its actor: the text of a service token names but one. The instance's row is held, so that
// the method cannot be switched off in between.
const INSERT: Statement = {
  name: 'service-tokens.insert',
  text: `
    with allowed as (select 1 from instance where 'service-token' = any (machine_auth_methods) for share),
    actor as (insert into actors (kind) select 'service' from allowed returning id),
    made as (
      insert into service_tokens (id, organization_id, project_id, name, scopes, permissions, created_by, expires_at)
      select id, $1, $2, $3, $4, $5, $6, case when $7::int > 0 then now() + $7::int * interval '1 second' end from actor
    ),
    belongs as (
      insert into organization_memberships (organization_id, actor_id, role) select $1, id, 'no-access' from actor
    ),
    token as (
      insert into access_tokens (id, actor_id, organization_id, ttl, max_ttl, expires_at)
      select id, id, $1, $7::int, $7::int, token_end(now(), now(), $7::int, $7::int) from actor
    ),
    member as (insert into project_memberships (project_id, actor_id) select $2, id from actor returning id)
    select actor.id, member.id as "membershipId" from actor, member`,
};

export interface NewServiceToken {
  readonly organizationId: string;
  readonly projectId: string;
  readonly name: string;
  readonly scopes: readonly ServiceTokenScope[];
  readonly permissions: readonly ServiceTokenPermission[];
  readonly createdBy: string;
  /** 0: never. */
  readonly expiresIn: number;
}

/** Makes a token whose membership has no role yet; nothing when service tokens are switched off. */
export async function insertServiceToken(
  tx: Db,
  token: NewServiceToken,
): Promise<{ readonly id: string; readonly membershipId: string } | undefined> {
  const { organizationId, projectId, name, scopes, permissions, createdBy, expiresIn } = token;
  const values = [organizationId, projectId, name, JSON.stringify(scopes), permissions, createdBy, expiresIn];
  return tx.first<{ id: string; membershipId: string }>(INSERT, values);
}

const DELETE: Statement = {
  name: 'service-tokens.delete',
  text: `delete from actors where id = $1 and kind = 'service'`,
};

/** Deletes a service token with its rights: it is refused from the next request on. */
export async function deleteServiceToken(tx: Db, id: string): Promise<void> {
  await tx.query(DELETE, [id]);
}
