import { parseAuthSecret, signAccessToken, signingKeys } from '../../keys/index.ts';
import type { TestServer } from './server.ts';

export interface Person {
  readonly id: string;
  readonly token: string;
}

/** A person with a token, written straight into the database; a member of the project with the role, when both are given. */
export async function person(
  server: TestServer,
  email: string,
  at: { readonly projectId?: string; readonly role?: string } = {},
): Promise<Person> {
  const { sql, organizationId } = server;
  const { id } = (await sql.query(`insert into actors (kind) values ('user') returning id`)).rows[0];
  await sql.query('insert into users (id, email) values ($1, $2)', [id, email]);
  await sql.query(`insert into organization_memberships (organization_id, actor_id, role) values ($1, $2, 'member')`, [
    organizationId,
    id,
  ]);
  if (at.projectId) {
    await sql.query(
      `with member as (insert into project_memberships (project_id, actor_id) values ($1, $2) returning id)
       insert into project_membership_roles (membership_id, role) select id, $3 from member`,
      [at.projectId, id, at.role ?? 'viewer'],
    );
  }
  const { rows } = await sql.query(
    `insert into access_tokens (actor_id, ttl, max_ttl, expires_at) values ($1, 3600, 3600, now() + interval '1 hour') returning id`,
    [id],
  );
  const iat = Math.floor(Date.now() / 1000);
  const claims = {
    userId: id,
    identityAccessTokenId: rows[0].id,
    authTokenType: 'accessToken',
    iat,
    exp: iat + 3600,
  } as const;
  return { id, token: signAccessToken(signingKeys(parseAuthSecret(server.secrets.authSecret)), claims) };
}
