import type { Db, Statement } from '../database/database.ts';

const PROJECT: Statement = {
  name: 'audit.project-of-broken-seal',
  text: `
    select p.id, p.slug, p.organization_id as "organizationId", e.slug as environment
      from projects p left join environments e on e.id = $2 where p.id = $1`,
};

export interface ProjectRow {
  readonly id: string;
  readonly slug: string;
  readonly organizationId: string;
  readonly environment: string | null;
}

export async function findProject(
  db: Db,
  projectId: string,
  environmentId: string | null,
): Promise<ProjectRow | undefined> {
  return db.first<ProjectRow>(PROJECT, [projectId, environmentId]);
}

const ORGANIZATIONS: Statement = {
  name: 'audit.organizations-of-broken-seal',
  text: `
    select organization_id as id from oidc_providers where id = $1::uuid
     union select organization_id from audit_streams where id = $1::uuid
     union select i.organization_id from machine_logins l join identities i on i.id = l.identity_id where l.id = $1::uuid
     union select organization_id from organization_memberships where actor_id = $1::uuid`,
};

/** The organizations that a piece of sealed configuration concerns: of a person's, all that they are a member of. */
export async function organizationsOfOwner(db: Db, ownerId: string): Promise<string[]> {
  return (await db.query<{ id: string }>(ORGANIZATIONS, [ownerId])).map(({ id }) => id);
}
