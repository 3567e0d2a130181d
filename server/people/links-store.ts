import type { Db, Statement } from '../database/database.ts';

export interface LinkRow {
  readonly id: string;
  readonly purpose: 'invitation' | 'password-reset';
  readonly userId: string;
  readonly organizationId: string | null;
  readonly createdBy: string | null;
  readonly alsoSecondFactor: boolean;
  readonly expiresAt: Date;
}

const COLUMNS = `
  id, purpose, user_id as "userId", organization_id as "organizationId", created_by as "createdBy",
  also_second_factor as "alsoSecondFactor", expires_at as "expiresAt"`;

// One at a time for each purpose and organization: a new link ends the one before it.
const CLEAR: Statement = {
  name: 'links.clear',
  text: 'delete from one_time_links where user_id = $1 and purpose = $2 and organization_id is not distinct from $3',
};
const INSERT: Statement = {
  name: 'links.insert',
  text: `
    insert into one_time_links (mac, user_id, purpose, organization_id, created_by, also_second_factor, expires_at)
    values ($1, $2, $3, $4, $5, $6, now() + $7::int * interval '1 second') returning ${COLUMNS}`,
};

export interface NewLink {
  readonly mac: Buffer;
  readonly userId: string;
  readonly purpose: 'invitation' | 'password-reset';
  readonly organizationId: string | null;
  readonly createdBy: string;
  readonly alsoSecondFactor: boolean;
  readonly ttlSeconds: number;
}

/** Stores a link's MAC, in place of an older link for the same. */
export async function putLink(tx: Db, link: NewLink): Promise<LinkRow> {
  const { mac, userId, purpose, organizationId, createdBy, alsoSecondFactor, ttlSeconds } = link;
  await tx.query(CLEAR, [userId, purpose, organizationId]);
  const values = [mac, userId, purpose, organizationId, createdBy, alsoSecondFactor, ttlSeconds];
  return tx.one<LinkRow>(INSERT, values);
}

const FIND: Statement = {
  name: 'links.find',
  text: `select ${COLUMNS} from one_time_links where mac = $1 and purpose = $2 and expires_at > now()`,
};

/** The link of a MAC, while it lives. */
export async function findLink(db: Db, mac: Buffer, purpose: LinkRow['purpose']): Promise<LinkRow | undefined> {
  return db.first<LinkRow>(FIND, [mac, purpose]);
}

const USE: Statement = {
  name: 'links.use',
  text: `delete from one_time_links where id = $1 and expires_at > now() returning id`,
};

/** Uses a link up. False when somebody else just did. */
export async function useLink(tx: Db, id: string): Promise<boolean> {
  return (await tx.query(USE, [id])).length === 1;
}
