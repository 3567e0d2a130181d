import type { Db, Statement } from '../database/database.ts';

const FIND: Statement = {
  name: 'invitations.find-membership',
  text: `
    select m.id, m.organization_id as "organizationId", m.status, u.id as "userId", u.email
      from organization_memberships m join users u on u.id = m.actor_id where m.id = $1`,
};

export interface InvitedRow {
  readonly id: string;
  readonly organizationId: string;
  readonly status: 'invited' | 'accepted';
  readonly userId: string;
  readonly email: string;
}

/** A person's membership, in whatever organization. */
export async function findMembership(db: Db, id: string): Promise<InvitedRow | undefined> {
  return db.first<InvitedRow>(FIND, [id]);
}

const OF_PERSON: Statement = {
  name: 'invitations.membership-of-person',
  text: `${FIND.text.replace('m.id = $1', 'm.organization_id = $1 and m.actor_id = $2')} for update of m`,
};

/** A person's membership in one organization, locked. */
export async function lockMembership(tx: Db, organizationId: string, userId: string): Promise<InvitedRow | undefined> {
  return tx.first<InvitedRow>(OF_PERSON, [organizationId, userId]);
}

const ACCEPT: Statement = {
  name: 'invitations.accept',
  text: "update organization_memberships set status = 'accepted', updated_at = now() where id = $1",
};

export async function acceptMembership(tx: Db, id: string): Promise<void> {
  await tx.query(ACCEPT, [id]);
}

const PROJECT: Statement = {
  name: 'invitations.find-project',
  text: `
    select p.id, exists (select from project_memberships m where m.project_id = p.id and m.actor_id = $4) as "isMember"
      from projects p where p.organization_id = $1 and (p.id = $2 or p.slug = $3)`,
};

/** A project of an organization, by id or slug, and whether somebody is its member already. */
export async function findProjectFor(
  db: Db,
  organizationId: string,
  project: { readonly id?: string | undefined; readonly slug?: string | undefined },
  userId: string,
): Promise<{ id: string; isMember: boolean } | undefined> {
  const values = [organizationId, project.id ?? null, project.slug ?? null, userId];
  return db.first<{ id: string; isMember: boolean }>(PROJECT, values);
}
