import type { Answer, Machine, TestServer } from '../../support/server.ts';

/** A service's list request, as HIP-27 writes it. */
export const LIST = '/api/v3/secrets/raw?environment=prod&workspaceSlug=gateway&secretPath=/';

/** A service identity of a project: viewer of `prod`. */
export function reader(server: TestServer, name: string, projectId: string): Promise<Machine> {
  return server.machine(name, { projectId, roles: [{ role: 'viewer', environments: ['prod'] }] });
}

/** The same list request many times at once. */
export function listAtOnce(server: TestServer, token: string, times: number): Promise<Answer[]> {
  return Promise.all(Array.from({ length: times }, () => server.send('GET', LIST, { token })));
}

/** How many reads the audit holds of an actor. */
export async function readsOf(
  server: TestServer,
  actorId: string,
  outcome: 'allowed' | 'refused' = 'allowed',
): Promise<number> {
  const { rows } = await server.sql.query(
    `select count(*)::int as count from audit_log where actor_id = $1 and action = 'read' and outcome = $2`,
    [actorId, outcome],
  );
  return rows[0].count;
}
