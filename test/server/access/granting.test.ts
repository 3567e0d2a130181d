import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Machine, startServer, type TestServer } from '../../support/server.ts';

/** Nobody grants more than they hold. */

let server: TestServer;
let project: { id: string };
let lux: { id: string };
let luxProject: { id: string };
let bystander: Machine;
let foreigner: Machine;
const machines = new Map<string, Machine>();

const climbers = [
  { who: 'viewer', roles: [{ role: 'viewer' }] },
  { who: 'developer', roles: [{ role: 'developer' }] },
  { who: 'ci', roles: [{ role: 'ci' }] },
  { who: 'admin of dev alone', roles: [{ role: 'admin', environments: ['dev'] }] },
  { who: 'no-access', roles: [{ role: 'no-access' }] },
  { who: 'organization member', organizationRole: 'member' },
  { who: 'organization member and viewer', organizationRole: 'member', roles: [{ role: 'viewer' }] },
];

beforeAll(async () => {
  server = await startServer();
  project = await server.project('gateway');
  lux = await server.organization('lux');
  luxProject = await server.project('node', lux.id);
  bystander = await server.machine('bystander', { projectId: project.id, roles: [{ role: 'viewer' }] });
  foreigner = await server.machine('foreigner', { organizationId: lux.id, role: 'admin' });
  for (const { who, roles, organizationRole } of climbers) {
    const at = roles ? { projectId: project.id, roles } : {};
    machines.set(who, await server.machine(who, { ...at, role: organizationRole ?? 'no-access' }));
  }
  const projectAdmin = { projectId: project.id, roles: [{ role: 'admin' }] };
  machines.set('project admin', await server.machine('project admin', projectAdmin));
});
afterAll(() => server.close());

/** The rights of everyone, to see that an attempt left no trace. */
async function grants(): Promise<string[]> {
  const { rows } = await server.sql.query(`
    select a.id || ' ' || m.organization_id || ' ' || m.role as "grant" from actors a join organization_memberships m on m.actor_id = a.id
    union all
    select m.actor_id || ' ' || m.project_id || ' ' || r.role || coalesce(r.environments::text, '')
      from project_memberships m join project_membership_roles r on r.membership_id = m.id
    union all
    select universal_auth_id || ' ' || id || ' ' || (revoked_at is null) from client_secrets
     order by 1`);
  return rows.map((row) => row.grant);
}

describe.each(climbers)('$who', ({ who }) => {
  const attempts: { what: string; to: (self: Machine) => [string, string, object?] }[] = [
    {
      what: 'raise itself in the project',
      to: ({ id }) => [
        'PATCH',
        `/api/v2/workspace/${project.id}/identity-memberships/${id}`,
        { roles: [{ role: 'admin' }] },
      ],
    },
    {
      what: 'add itself to the project',
      to: ({ id }) => ['POST', `/api/v1/projects/${project.id}/identity-memberships/${id}`, { role: 'admin' }],
    },
    {
      what: 'raise another identity',
      to: () => [
        'PATCH',
        `/api/v1/projects/${project.id}/identity-memberships/${bystander.id}`,
        { roles: [{ role: 'admin' }] },
      ],
    },
    {
      what: 'remove another identity',
      to: () => ['DELETE', `/api/v2/workspace/${project.id}/identity-memberships/${bystander.id}`],
    },
    {
      what: 'make itself admin of the organization',
      to: ({ id }) => ['PATCH', `/api/v1/identities/${id}`, { role: 'admin' }],
    },
    {
      what: 'make an identity that is admin',
      to: () => ['POST', '/api/v1/identities', { name: 'mine', organizationId: server.organizationId, role: 'admin' }],
    },
    {
      what: 'make a client secret of another identity',
      to: () => ['POST', `/api/v1/auth/universal-auth/identities/${bystander.id}/client-secrets`, {}],
    },
    {
      what: 'make a client secret of its own',
      to: ({ id }) => ['POST', `/api/v1/auth/universal-auth/identities/${id}/client-secrets`, {}],
    },
    {
      what: 'lengthen its own tokens',
      to: ({ id }) => [
        'PATCH',
        `/api/v1/auth/universal-auth/identities/${id}`,
        { accessTokenTTL: 8000, accessTokenMaxTTL: 9000 },
      ],
    },
    {
      what: 'revoke the client secret of another identity',
      to: () => [
        'POST',
        `/api/v1/auth/universal-auth/identities/${bystander.id}/client-secrets/${bystander.clientSecretId}/revoke`,
      ],
    },
    {
      what: 'add a person as admin of the organization',
      to: () => [
        'POST',
        `/api/v2/organizations/${server.organizationId}/memberships`,
        { email: 'mallory@example.com', role: 'admin' },
      ],
    },
    { what: 'make an organization', to: () => ['POST', '/api/v2/organizations', { name: 'Mine' }] },
    {
      what: 'rename the organization',
      to: () => ['PATCH', `/api/v1/organization/${server.organizationId}`, { name: 'Mine' }],
    },
    { what: 'delete the organization', to: () => ['DELETE', `/api/v2/organizations/${server.organizationId}`] },
  ];
  test.each(attempts)(`${who} cannot $what`, async ({ to }) => {
    const self = machines.get(who)!;
    const before = await grants();
    const [method, url, body] = to(self);
    const answer = await server.send(method, url, { token: self.token, body });
    expect([answer.status, answer.body.error], answer.text).toEqual([403, 'PermissionDenied']);
    expect(await grants()).toEqual(before);
  });
});

test('a project admin gives roles in its own project alone', async () => {
  const { token } = machines.get('project admin')!;
  const other = await server.project('billing');
  const add = (projectId: string, identityId: string) =>
    server.send('POST', `/api/v1/projects/${projectId}/identity-memberships/${identityId}`, {
      token,
      body: { roles: [{ role: 'viewer', environments: ['production'] }] },
    });
  const newcomer = await server.machine('newcomer');
  const added = await add(project.id, newcomer.id);
  expect(added.body.identityMembership).toMatchObject({ roles: [{ role: 'viewer', environments: ['prod'] }] });
  expect((await add(other.id, newcomer.id)).status).toBe(403);
  expect((await add(luxProject.id, newcomer.id)).status).toBe(404);
});

test('an identity of another organization cannot be added', async () => {
  const random = '7d3f6c58-6f0e-4b6e-9b5e-0f3b6f3e9a11';
  for (const token of [machines.get('project admin')!.token, server.admin]) {
    const add = (identityId: string) =>
      server.send('POST', `/api/v1/projects/${project.id}/identity-memberships/${identityId}`, {
        token,
        body: { role: 'viewer' },
      });
    const [foreign, none] = [await add(foreigner.id), await add(random)];
    expect([foreign.status, foreign.body.message]).toEqual([404, `identity ${foreigner.id} not found`]);
    expect([none.status, none.body.message]).toEqual([404, `identity ${random} not found`]);
  }
});

test('a project admin runs no organization', async () => {
  const { token } = machines.get('project admin')!;
  for (const [method, url, body] of [
    ['POST', '/api/v1/identities', { name: 'mine', organizationId: server.organizationId }],
    ['POST', `/api/v1/auth/universal-auth/identities/${bystander.id}/client-secrets`, {}],
    ['DELETE', `/api/v1/identities/${bystander.id}`],
    ['GET', `/api/v2/organizations/${server.organizationId}/memberships`],
  ] as const) {
    expect((await server.send(method, url, { token, body })).status, url).toBe(403);
  }
});

test('an organization admin does not become instance admin', async () => {
  const admin = await server.machine('organization admin', { role: 'admin' });
  const { identities } = await server.do('GET', `/api/v1/identities?orgId=${server.organizationId}`);
  const { identityId } = identities.find((i: any) => i.identity.name === 'Instance Admin Identity');
  const before = await grants();
  const base = `/api/v1/auth/universal-auth/identities/${identityId}`;
  for (const [method, url, body] of [
    // With a client secret of that identity, it would log in as an admin of every organization that it made.
    ['POST', `${base}/client-secrets`, {}],
    ['PATCH', base, { accessTokenTTL: 10 }],
    ['DELETE', base],
    ['PATCH', `/api/v1/identities/${identityId}`, { role: 'no-access' }],
    ['DELETE', `/api/v1/identities/${identityId}`],
    ['POST', '/api/v2/organizations', { name: 'Mine' }],
  ] as const) {
    const answer = await server.send(method, url, { token: admin.token, body });
    expect([method, url, answer.status], answer.text).toEqual([method, url, 403]);
  }
  expect(await grants()).toEqual(before);
});

test.each([
  { what: 'a role that is none', roles: [{ role: 'owner' }], status: 422 },
  { what: "an object's own property", roles: [{ role: 'constructor' }], status: 422 },
  { what: 'an environment that is none', roles: [{ role: 'viewer', environments: ['prdo'] }], status: 422 },
  { what: 'no environment at all', roles: [{ role: 'viewer', environments: [] }], status: 422 },
  { what: 'a separator in an environment', roles: [{ role: 'viewer', environments: ['dev+prod'] }], status: 422 },
  { what: 'a temporary role without range', roles: [{ role: 'viewer', isTemporary: true }], status: 422 },
  {
    what: 'a start before the calendar',
    roles: [
      { role: 'viewer', isTemporary: true, temporaryRange: '1h', temporaryAccessStartTime: '0000-01-01T00:00:00Z' },
    ],
    status: 422,
  },
  { what: 'no role', roles: [], status: 422 },
])('a membership with $what is refused', async ({ roles, status }) => {
  const url = `/api/v2/workspace/${project.id}/identity-memberships/${bystander.id}`;
  const before = await grants();
  const answer = await server.send('PATCH', url, { token: server.admin, body: { roles } });
  expect(answer.status, answer.text).toBe(status);
  expect(await grants()).toEqual(before);
});

describe('an admin for an hour', () => {
  const forAnHour = { role: 'admin', isTemporary: true, temporaryMode: 'relative', temporaryRange: '1h' };
  let guest: Machine;
  beforeAll(async () => {
    guest = await server.machine('admin for an hour', {
      projectId: project.id,
      roles: [{ role: 'viewer' }, forAnHour] as { role: string }[],
    });
  });
  const member = () => `/api/v1/projects/${project.id}/identity-memberships/${bystander.id}`;
  const attempts: { what: string; method: string; url: () => string; body: () => object }[] = [
    { what: 'a role for good', method: 'PATCH', url: member, body: () => ({ roles: [{ role: 'admin' }] }) },
    {
      what: 'a role for a while, which it could renew',
      method: 'PATCH',
      url: member,
      body: () => ({ roles: [{ ...forAnHour, temporaryRange: '30m' }] }),
    },
    {
      what: 'a privilege',
      method: 'POST',
      url: () => '/api/v2/identity-project-additional-privilege',
      body: () => ({
        identityId: bystander.id,
        projectId: project.id,
        slug: 'outlasting',
        permissions: [{ subject: 'secrets', action: ['edit'] }],
        type: { isTemporary: false },
      }),
    },
  ];

  test.each(attempts)('does not give $what', async ({ method, url, body }) => {
    const before = await grants();
    expect(await server.send(method, url(), { token: guest.token, body: body() })).toMatchObject({
      status: 403,
      body: { message: expect.stringContaining('may not give what it holds for a while only in project "gateway"') },
    });
    expect(await grants()).toEqual(before);
  });

  test('gives what it holds for good, and manages members meanwhile', async () => {
    const body = { roles: [{ role: 'viewer' }] };
    expect((await server.send('PATCH', member(), { token: guest.token, body })).status).toBe(200);
  });
});
