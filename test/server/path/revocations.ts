import type { Machine, TestServer } from '../../support/server.ts';

/** One way in which a service's access ends, and what its next read is answered. */
export interface Revocation {
  readonly name: string;
  readonly status: 401 | 403 | 404;
  readonly message: RegExp;
  /** Who revokes it: the service's machine and project, over the API, or what only time does, in SQL. */
  readonly apply: (server: TestServer, machine: Machine, projectId: string) => Promise<unknown>;
}

const ended = /no longer valid|revoked|log in again/;
const auth = (machine: Machine) => `/api/v1/auth/universal-auth/identities/${machine.id}`;
const membership = (machine: Machine, projectId: string) =>
  `/api/v2/workspace/${projectId}/identity-memberships/${machine.id}`;

export const revocations: readonly Revocation[] = [
  {
    name: 'a revoked token',
    status: 401,
    message: ended,
    apply: (server, { token }) =>
      server.do('POST', '/api/v1/auth/token/revoke', { token: undefined, body: { accessToken: token } }),
  },
  {
    name: 'a revoked client secret',
    status: 401,
    message: ended,
    apply: (server, machine) =>
      server.do('POST', `${auth(machine)}/client-secrets/${machine.clientSecretId}/revoke`, { body: {} }),
  },
  {
    name: 'a deleted client secret',
    status: 401,
    message: ended,
    apply: ({ sql }, { clientSecretId }) => sql.query('delete from client_secrets where id = $1', [clientSecretId]),
  },
  {
    name: 'detached Universal Auth',
    status: 401,
    message: ended,
    apply: (server, machine) => server.do('DELETE', auth(machine)),
  },
  {
    name: 'a deleted identity',
    status: 401,
    message: ended,
    apply: (server, { id }) => server.do('DELETE', `/api/v1/identities/${id}`),
  },
  {
    name: 'a token that expired',
    status: 401,
    message: /expired|no longer valid/,
    apply: ({ sql }, { id }) => sql.query('update access_tokens set expires_at = now() where actor_id = $1', [id]),
  },
  {
    name: 'an address that is no longer trusted',
    status: 401,
    message: /may not be used from 127\.0\.0\.1|no longer valid/,
    apply: (server, machine) =>
      server.do('PATCH', auth(machine), { body: { accessTokenTrustedIps: [{ ipAddress: '10.0.0.0/8' }] } }),
  },
  {
    name: 'a removed membership',
    status: 403,
    message: /may not read secrets in environment "prod" of project "gateway"; its roles there are: none/,
    apply: (server, machine, projectId) => server.do('DELETE', membership(machine, projectId)),
  },
  {
    name: 'a role narrowed to another environment',
    status: 403,
    message: /its roles there are: viewer@dev/,
    apply: (server, machine, projectId) =>
      server.do('PATCH', membership(machine, projectId), {
        body: { roles: [{ role: 'viewer', environments: ['dev'] }] },
      }),
  },
  {
    name: 'a role that reads nothing',
    status: 403,
    message: /its roles there are: no-access/,
    apply: (server, machine, projectId) =>
      server.do('PATCH', membership(machine, projectId), { body: { roles: [{ role: 'no-access' }] } }),
  },
  {
    name: 'a temporary role that ran out',
    status: 403,
    message: /its roles there are: none/,
    apply: ({ sql }, { id }) =>
      sql.query(
        `update project_membership_roles r set starts_at = now() - interval '2 hours', expires_at = now() - interval '1 second'
           from project_memberships m where m.id = r.membership_id and m.actor_id = $1`,
        [id],
      ),
  },
  {
    name: 'a removed organization membership',
    status: 404,
    message: /project "gateway" not found/,
    apply: ({ sql }, { id }) => sql.query('delete from organization_memberships where actor_id = $1', [id]),
  },
];
