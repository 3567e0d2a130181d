import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Machine, startServer, type TestServer } from '../../support/server.ts';

/** Roles that an organization writes: what they give, and that nobody climbs by them. */

let server: TestServer;
let project: { id: string };
let stranger: Machine;
let member: Machine;

beforeAll(async () => {
  server = await startServer();
  project = await server.project('gateway');
  const lux = await server.organization('lux');
  stranger = await server.machine('stranger', { organizationId: lux.id, role: 'admin' });
  member = await server.machine('member', { role: 'member' });
});
afterAll(() => server.close());

const ROLES = '/api/v1/organization/roles';
const UUID = expect.stringMatching(/^[0-9a-f-]{36}$/);
const TIME = expect.stringMatching(/^\d{4}-.*Z$/);
let count = 0;
interface Rule {
  readonly subject: string;
  readonly action: readonly string[];
  readonly inverted?: boolean;
}
const rule = (subject: string, ...action: string[]): Rule => ({ subject, action });

async function newRole(...permissions: Rule[]): Promise<{ id: string; slug: string }> {
  const slug = `role-${++count}`;
  const body = { slug, name: 'A role', permissions, organizationId: server.organizationId };
  return (await server.do('POST', ROLES, { body })).role;
}
/** A machine whose role in the organization says this, and nothing else. */
async function holder(...permissions: Rule[]): Promise<Machine & { roleId: string; slug: string }> {
  const role = await newRole(...permissions);
  const machine = await server.machine(`holder-${count}`, { role: role.slug });
  return { ...machine, roleId: role.id, slug: role.slug };
}
const as = ({ token }: { token: string }, method: string, url: string, body?: object) =>
  server.send(method, url, { token, body });
const organization = (path: string, version = 'v1/organization') =>
  `/api/${version}/${server.organizationId}${path === '' ? '' : `/${path}`}`;
const members = () => organization('memberships', 'v2/organizations');

/** What everybody holds, to see that an attempt left no trace. */
async function holdings(): Promise<unknown[]> {
  const { rows } = await server.sql.query(`
    select 'm ' || actor_id || role || coalesce(custom_role_id::text, '') || is_active as held from organization_memberships
    union all select 'r ' || id || permissions::text from organization_roles
    union all select 'g ' || group_id || actor_id from group_members
    union all select 's ' || id || (revoked_at is null) from client_secrets
    union all select 't ' || id || (revoked_at is null) from access_tokens where client_secret_id is null
    union all select 'l ' || id from machine_logins
    union all select 'u ' || identity_id || access_token_ttl from universal_auths
    union all select 'k ' || id from one_time_links
    union all select 'i ' || id || name from identities
    union all select 'n ' || id || name from groups
    order by 1`);
  return rows.map(({ held }) => held);
}

describe.each([
  { address: 'today', base: () => ROLES, list: (body: any) => body.roles },
  { address: 'older', base: () => organization('roles'), list: (body: any) => body.data.roles },
  {
    address: 'below organizations',
    base: () => organization('roles', 'v2/organizations'),
    list: (body: any) => body.data.roles,
  },
])('$address', ({ base, list }) => {
  test('a role is made, read, changed and deleted', async () => {
    const slug = `role-${++count}`;
    const organizationId = server.organizationId;
    const [name, description] = ['Hiring', 'Hires'];
    const permissions = [{ subject: ['member'], action: 'read' }];
    const made = await server.do('POST', base(), { body: { slug, name, description, permissions, organizationId } });
    const role = {
      ...{ id: UUID, orgId: organizationId, slug, name, description },
      permissions: [rule('member', 'read')],
      ...{ createdAt: TIME, updatedAt: TIME },
    };
    expect(made).toEqual({ role });
    const query = `?organizationId=${organizationId}`;
    const listed = list(await server.do('GET', `${base()}${query}`));
    expect(listed.map((one: any) => one.slug)).toEqual(expect.arrayContaining(['admin', 'member', 'no-access', slug]));
    expect(await server.do('GET', `${base()}/slug/${slug}${query}`)).toEqual({ role });
    expect(await server.do('GET', `${base()}/${made.role.id}`)).toEqual({ role });
    const body = { name: 'Staff', permissions: [rule('member', 'read', 'create')] };
    expect((await server.do('PATCH', `${base()}/${made.role.id}`, { body })).role).toMatchObject({ slug, ...body });
    const again = await server.send('POST', base(), {
      token: server.admin,
      body: { slug, name, permissions, organizationId },
    });
    expect([again.status, again.body.message]).toEqual([409, `role "${slug}" exists already in this organization`]);
    expect((await server.do('DELETE', `${base()}/${made.role.id}`)).role.id).toBe(made.role.id);
    expect((await server.send('GET', `${base()}/${made.role.id}`, { token: server.admin })).status).toBe(404);
  });

  test('strangers find no role, members read, and neither changes one', async () => {
    const { id, slug } = await newRole();
    const query = `?organizationId=${server.organizationId}`;
    const body = { slug: 'mine', name: 'Mine', permissions: [], organizationId: server.organizationId };
    for (const [method, url, sent] of [
      ['GET', `${base()}${query}`],
      ['GET', `${base()}/slug/${slug}${query}`],
      ['GET', `${base()}/${id}`],
      ['POST', base(), body],
      ['PATCH', `${base()}/${id}`, { name: 'Mine' }],
      ['DELETE', `${base()}/${id}`],
    ] as const) {
      expect([method, url, (await as(stranger, method, url, sent)).status]).toEqual([method, url, 404]);
      expect([method, url, (await as(member, method, url, sent)).status]).toEqual([
        method,
        url,
        method === 'GET' ? 200 : 403,
      ]);
    }
  });
});

test.each<{ what: string; body: object; issue: string }>([
  { what: 'a subject that is none', body: { permissions: [rule('members', 'read')] }, issue: 'no subject' },
  { what: 'an action that is none', body: { permissions: [rule('role', 'own')] }, issue: 'nobody can own role' },
  { what: 'what admins alone are', body: { permissions: [rule('organization', 'own')] }, issue: 'no subject' },
  {
    what: 'a place',
    body: { permissions: [{ ...rule('role', 'read'), conditions: { environment: 'dev' } }] },
    issue: 'has no conditions',
  },
  { what: "a built-in role's slug", body: { slug: 'admin', permissions: [] }, issue: 'of a built-in role' },
  { what: 'the slug of the kind', body: { slug: 'custom', permissions: [] }, issue: 'of a built-in role' },
])('a role with $what is refused', async ({ body, issue }) => {
  const url = organization('roles');
  const answer = await server.send('POST', url, { token: server.admin, body: { slug: 'new', name: 'New', ...body } });
  expect(answer.status, answer.text).toBe(422);
  expect(JSON.stringify(answer.body.message)).toContain(issue);
});

test('built-in roles are shown and kept as they are', async () => {
  const { roles } = await server.do('GET', `${ROLES}?organizationId=${server.organizationId}`);
  for (const method of ['PATCH', 'DELETE']) {
    const { status, body } = await server.send(method, `${ROLES}/${roles[0].id}`, { token: server.admin, body: {} });
    expect([status, body.message]).toEqual([400, '"admin" is a built-in role; make one of your own']);
  }
});

test('a role is given to people and identities, shown with them, and taken away', async () => {
  const { id, slug } = await newRole(rule('member', 'read'));
  const customRole = { id, slug, name: 'A role' };
  const machine = await server.machine('with a role', { role: slug });
  const url = `/api/v1/identities/${machine.id}`;
  expect((await server.do('GET', url)).identity).toMatchObject({ role: 'custom', roleId: id, customRole });
  const { membership } = await server.do('POST', members(), { body: { email: 'ada@example.com', role: slug } });
  expect(membership).toMatchObject({ role: 'custom', roleId: id, customRole });
  const refused = await server.send('DELETE', `${ROLES}/${id}`, { token: server.admin });
  expect([refused.status, refused.body.message]).toEqual([
    400,
    `role "${slug}" is given to 2 members; take it from them first`,
  ]);
  await server.do('PATCH', url, { body: { role: 'member' } });
  const changed = await server.do('PATCH', `${members()}/${membership.id}`, { body: { role: 'no-access' } });
  expect(changed.membership).toMatchObject({ role: 'no-access', roleId: null, customRole: null });
  await server.do('DELETE', `${ROLES}/${id}`);
  const none = await server.send('PATCH', url, { token: server.admin, body: { role: slug } });
  expect([none.status, none.body.message]).toEqual([
    400,
    `no role "${slug}" in this organization: there are admin, member, no-access, and its own`,
  ]);
});

test("another organization's role cannot be given", async () => {
  const { slug } = await newRole(rule('member', 'read'));
  const { identities } = await server.do('GET', `/api/v1/identities?orgId=${await ownOrganization(stranger)}`);
  const { identityId } = identities.find((one: any) => one.identity.name === 'stranger');
  const answer = await as(stranger, 'PATCH', `/api/v1/identities/${identityId}`, { role: slug });
  expect(answer.status, answer.text).toBe(400);
});
const ownOrganization = async ({ token }: Machine) =>
  (await server.do('GET', '/api/v1/organization', { token })).organizations[0].id;

test('an edited role holds on the next request', async () => {
  const machine = await holder(rule('member', 'read'));
  const edit = (...permissions: Rule[]) => server.do('PATCH', `${ROLES}/${machine.roleId}`, { body: { permissions } });
  const list = async () => (await as(machine, 'GET', members())).status;
  expect(await list()).toBe(200);
  await edit();
  expect(await list()).toBe(403);
  await edit(rule('member', 'read'), { ...rule('member', 'read'), inverted: true });
  expect(await list()).toBe(403);
  await edit(rule('member', 'read'));
  expect(await list()).toBe(200);
  await server.do('PATCH', `/api/v1/identities/${machine.id}`, { body: { role: 'no-access' } });
  expect(await list()).toBe(403);
});

test('an edit replaces the change id of whoever holds the role', async () => {
  const machine = await holder();
  const changeId = async () =>
    (await server.sql.query('select change_id from actors where id = $1', [machine.id])).rows[0].change_id;
  const before = await changeId();
  await server.do('PATCH', `${ROLES}/${machine.roleId}`, { body: { permissions: [rule('role', 'read')] } });
  expect(await changeId()).not.toBe(before);
});

test('what a role allows is not shown to those who may not read roles', async () => {
  const machine = await holder(rule('identity', 'read'));
  const url = `/api/v2/organizations/${server.organizationId}/identity-memberships`;
  const { status, body } = await as(machine, 'GET', url);
  expect(status).toBe(200);
  const own = body.identityMemberships.find(({ identity }: any) => identity.id === machine.id);
  expect(own.customRole).toEqual({ id: machine.roleId, slug: machine.slug, name: 'A role', description: '' });
  expect((await as(machine, 'GET', ROLES)).status).toBe(403);
});

test('what one holds, and why, is told', async () => {
  const machine = await holder(rule('member', 'read'), { ...rule('role', 'read'), inverted: true });
  const own = await as(machine, 'GET', organization('permissions'));
  expect(own.body).toEqual({
    permissions: [rule('member', 'read'), { ...rule('role', 'read'), inverted: true }],
    membership: {
      ...{ actorId: machine.id, orgId: server.organizationId, role: 'custom', roleId: machine.roleId },
      customRole: { id: machine.roleId, slug: machine.slug, name: 'A role', description: '' },
    },
  });
  const explain = (who: { token: string }, query: string) =>
    as(who, 'GET', `${organization('access/explain')}?${query}`);
  const allowed = await explain(machine, 'action=read&subject=member');
  expect(allowed.body).toMatchObject({
    allowed: true,
    role: machine.slug,
    reason: `a rule of role "${machine.slug}" allows it: {"subject":"member","action":["read"]}`,
    decidedBy: [{ effect: 'allows', rule: rule('member', 'read') }],
  });
  const forbidden = await explain({ token: server.admin }, `action=read&subject=role&actorId=${machine.id}`);
  expect(forbidden.body).toMatchObject({ allowed: false, decidedBy: [{ effect: 'forbids' }] });
  const none = await explain(machine, 'action=edit&subject=settings');
  expect(none.body).toMatchObject({ allowed: false, decidedBy: [] });
  const others = await explain(machine, `action=read&subject=role&actorId=${member.id}`);
  expect(others.status).toBe(403);
  for (const path of ['permissions', 'access/explain?action=read&subject=role']) {
    expect((await as(stranger, 'GET', organization(path))).status).toBe(404);
  }
  expect((await explain(machine, 'action=own&subject=member')).status).toBe(422);
});

test('a role without a right is refused what takes it, and told which', async () => {
  const machine = await holder(rule('member', 'read'));
  const answer = await as(machine, 'POST', '/api/v1/groups', { name: 'mine', organizationId: server.organizationId });
  expect([answer.status, answer.body.message]).toEqual([
    403,
    `holder-${count} may not create-group: that takes the role admin of the organization, or one that may create groups`,
  ]);
});

test.each<{ what: string; permissions: Rule[]; ask: () => [method: string, url: string, body?: object] }>([
  {
    what: 'make projects',
    permissions: [rule('workspace', 'create')],
    ask: () => ['POST', '/api/v1/projects', { projectName: `p${count}`, organizationId: server.organizationId }],
  },
  {
    what: 'make projects, by the subject of today',
    permissions: [rule('project', 'create')],
    ask: () => ['POST', '/api/v1/projects', { projectName: `p${count}`, organizationId: server.organizationId }],
  },
  {
    what: 'make identities',
    permissions: [rule('identity', 'create')],
    ask: () => ['POST', '/api/v1/identities', { name: `i${count}`, organizationId: server.organizationId }],
  },
  {
    what: 'make client secrets of those who hold nothing',
    permissions: [rule('identity', 'create-token')],
    ask: () => ['POST', `/api/v1/auth/universal-auth/identities/${nobody.id}/client-secrets`, {}],
  },
  {
    what: 'add people',
    permissions: [rule('member', 'create')],
    ask: () => ['POST', members(), { email: `new${count}@example.com`, role: 'no-access' }],
  },
  {
    what: 'invite people',
    permissions: [rule('member', 'create')],
    ask: () => [
      'POST',
      '/api/v1/invite-org/signup',
      {
        inviteeEmails: [`invited${count}@example.com`],
        organizationId: server.organizationId,
        organizationRoleSlug: 'no-access',
      },
    ],
  },
  {
    what: 'make groups',
    permissions: [rule('groups', 'create')],
    ask: () => ['POST', '/api/v1/groups', { name: `g${count}`, organizationId: server.organizationId }],
  },
  {
    what: 'fill groups that hold nothing',
    permissions: [rule('groups', 'add-identities')],
    ask: () => ['POST', `/api/v1/groups/${emptyGroup}/machine-identities/${nobody.id}`],
  },
  {
    what: 'rename the organization',
    permissions: [rule('settings', 'edit')],
    ask: () => ['PATCH', organization(''), { name: 'Hanzo' }],
  },
  {
    what: 'read the audit',
    permissions: [rule('audit-logs', 'read')],
    ask: () => ['GET', `/api/v1/audit-logs?organizationId=${server.organizationId}`],
  },
  {
    what: 'stream the audit',
    permissions: [rule('settings', 'read'), rule('audit-logs', 'read')],
    ask: () => ['GET', `/api/v1/audit-log-streams?organizationId=${server.organizationId}`],
  },
])('a role may $what, and without it nobody', async ({ permissions, ask }) => {
  const [holding, without] = [await holder(...permissions), await holder()];
  const [method, url, body] = ask();
  expect((await as(without, method, url, body)).status).toBe(403);
  const answer = await as(holding, method, url, body);
  expect(answer.status, answer.text).toBe(200);
});

let nobody: Machine;
let emptyGroup: string;
/** Holds every right in the organization that a role can give. */
let deputy: Machine & { roleId: string; slug: string };
let projectAdmin: Machine;
let richGroup: string;
let strictGroup: string;
let adminMembership: string;
let invitedMembership: string;
let richToken: string;

beforeAll(async () => {
  nobody = await server.machine('nobody');
  projectAdmin = await server.machine('project admin', { projectId: project.id, roles: [{ role: 'admin' }] });
  deputy = await holder(
    rule('workspace', 'create', 'read'),
    rule('member', 'read', 'create', 'edit', 'delete', 'grant-privileges'),
    rule('groups', 'read', 'create', 'edit', 'delete', 'grant-privileges', 'add-members', 'add-identities'),
    rule('groups', 'remove-members', 'remove-identities'),
    rule('identity', 'read', 'create', 'edit', 'delete', 'grant-privileges', 'revoke-auth'),
    rule('identity', 'create-token', 'get-token', 'delete-token'),
    rule('role', 'read', 'create', 'edit', 'delete'),
    rule('settings', 'read', 'create', 'edit', 'delete'),
  );
  const group = async (name: string, role?: string) => {
    const { id } = await server.do('POST', '/api/v1/groups', { body: { name, organizationId: server.organizationId } });
    if (role) await server.do('POST', `/api/v1/projects/${project.id}/groups/${id}`, { body: { role } });
    return id as string;
  };
  emptyGroup = await group('empty');
  richGroup = await group('rich', 'viewer');
  await server.do('POST', `/api/v1/groups/${richGroup}/machine-identities/${projectAdmin.id}`);
  const forbids = { subject: 'secrets', action: ['read'], inverted: true };
  await server.do('POST', `/api/v1/projects/${project.id}/roles`, {
    body: { slug: 'strict', name: 'Strict', permissions: [forbids] },
  });
  strictGroup = await group('strict', 'strict');
  await server.do('POST', `/api/v1/groups/${strictGroup}/machine-identities/${deputy.id}`);
  const person = (email: string, role: string) => server.do('POST', members(), { body: { email, role } });
  adminMembership = (await person('admin@example.com', 'admin')).membership.id;
  await server.do('POST', '/api/v1/invite-org/signup', {
    body: {
      inviteeEmails: ['invited@example.com'],
      organizationId: server.organizationId,
      organizationRoleSlug: 'member',
      projects: [{ slug: 'gateway', projectRoleSlug: ['admin'] }],
    },
  });
  const { users } = await server.do('GET', members());
  invitedMembership = users.find((one: any) => one.inviteEmail === 'invited@example.com').id;
  await server.do('PATCH', '/api/v1/admin/config', { body: { machineAuthMethods: ['token-auth', 'oidc-auth'] } });
  const tokenAuth = `/api/v1/auth/token-auth/identities/${projectAdmin.id}`;
  await server.do('POST', tokenAuth, { body: {} });
  richToken = (await server.do('POST', `${tokenAuth}/tokens`, { body: {} })).tokenData.id;
});

const own = [rule('audit-logs', 'read')];
describe('who holds all that a role can give, and no project, cannot', () => {
  test.each<{ what: string; ask: () => [method: string, url: string, body?: object] }>([
    {
      what: 'write what it does not hold into a role',
      ask: () => ['POST', organization('roles'), { slug: 'climb', name: 'Climb', permissions: own }],
    },
    { what: 'write it into its own role', ask: () => ['PATCH', `${ROLES}/${deputy.roleId}`, { permissions: own }] },
    { what: 'make itself admin', ask: () => ['PATCH', `/api/v1/identities/${deputy.id}`, { role: 'admin' }] },
    {
      what: 'make an identity that is admin',
      ask: () => ['POST', '/api/v1/identities', { name: 'mine', organizationId: server.organizationId, role: 'admin' }],
    },
    { what: 'give a role that holds more', ask: () => ['PATCH', `/api/v1/identities/${nobody.id}`, { role: auditor }] },
    { what: 'add an admin', ask: () => ['POST', members(), { email: 'mallory@example.com', role: 'admin' }] },
    {
      what: 'invite an admin',
      ask: () => [
        'POST',
        '/api/v1/invite-org/signup',
        {
          inviteeEmails: ['mallory@example.com'],
          organizationId: server.organizationId,
          organizationRoleSlug: 'admin',
        },
      ],
    },
    {
      what: 'invite into a project',
      ask: () => [
        'POST',
        '/api/v1/invite-org/signup',
        {
          inviteeEmails: ['mallory@example.com'],
          organizationId: server.organizationId,
          organizationRoleSlug: 'no-access',
          projects: [{ slug: 'gateway', projectRoleSlug: ['admin'] }],
        },
      ],
    },
    {
      what: 'invite again who is promised more',
      ask: () => ['POST', '/api/v1/invite-org/signup-resend', { membershipId: invitedMembership }],
    },
    { what: 'change an admin', ask: () => ['PATCH', `${members()}/${adminMembership}`, { role: 'no-access' }] },
    { what: 'switch an admin off', ask: () => ['PATCH', `${members()}/${adminMembership}`, { isActive: false }] },
    { what: 'remove an admin', ask: () => ['DELETE', `${members()}/${adminMembership}`] },
    { what: 'rename who holds more', ask: () => ['PATCH', `/api/v1/identities/${projectAdmin.id}`, { name: 'mine' }] },
    { what: 'delete who holds more', ask: () => ['DELETE', `/api/v1/identities/${projectAdmin.id}`] },
    {
      what: 'make a client secret of who holds more',
      ask: () => ['POST', `/api/v1/auth/universal-auth/identities/${projectAdmin.id}/client-secrets`, {}],
    },
    {
      what: 'revoke a client secret of who holds more',
      ask: () => [
        'POST',
        `/api/v1/auth/universal-auth/identities/${projectAdmin.id}/client-secrets/${projectAdmin.clientSecretId}/revoke`,
      ],
    },
    {
      what: 'change a login of who holds more',
      ask: () => ['PATCH', `/api/v1/auth/universal-auth/identities/${projectAdmin.id}`, { accessTokenTTL: 60 }],
    },
    {
      what: 'take a login from who holds more',
      ask: () => ['DELETE', `/api/v1/auth/universal-auth/identities/${projectAdmin.id}`],
    },
    {
      what: 'attach a login to who holds more',
      ask: () => [
        'POST',
        `/api/v1/auth/oidc-auth/identities/${projectAdmin.id}`,
        {
          oidcDiscoveryUrl: 'https://issuer.example.com',
          boundIssuer: 'https://issuer.example.com',
          boundSubject: 'mine',
        },
      ],
    },
    {
      what: 'mint a token of who holds more',
      ask: () => ['POST', `/api/v1/auth/token-auth/identities/${projectAdmin.id}/tokens`, {}],
    },
    {
      what: 'end a token of who holds more',
      ask: () => ['POST', `/api/v1/auth/token-auth/tokens/${richToken}/revoke`],
    },
    {
      what: 'enter a group that holds more',
      ask: () => ['POST', `/api/v1/groups/${richGroup}/machine-identities/${deputy.id}`],
    },
    {
      what: 'put another into a group that holds more',
      ask: () => ['POST', `/api/v1/groups/${richGroup}/machine-identities/${nobody.id}`],
    },
    {
      what: 'take who holds more out of its group',
      ask: () => ['DELETE', `/api/v1/groups/${richGroup}/machine-identities/${projectAdmin.id}`],
    },
    { what: 'rename a group that holds more', ask: () => ['PATCH', `/api/v1/groups/${richGroup}`, { name: 'mine' }] },
    { what: 'delete a group that holds more', ask: () => ['DELETE', `/api/v1/groups/${richGroup}`] },
    {
      what: 'leave a group that forbids',
      ask: () => ['DELETE', `/api/v1/groups/${strictGroup}/machine-identities/${deputy.id}`],
    },
    { what: 'delete a group that forbids', ask: () => ['DELETE', `/api/v1/groups/${strictGroup}`] },
    {
      what: 'bind who holds more with a group that forbids',
      ask: () => ['POST', `/api/v1/groups/${strictGroup}/machine-identities/${projectAdmin.id}`],
    },
    { what: 'say how people come in', ask: () => ['PATCH', organization(''), { enforceMfa: false }] },
    { what: 'set single sign-on up', ask: () => ['POST', '/api/v1/sso/oidc/config', sso()] },
    {
      what: 'stream the audit without the right to it',
      ask: () => [
        'POST',
        '/api/v1/audit-log-streams',
        { organizationId: server.organizationId, url: 'https://sink.invalid' },
      ],
    },
    { what: 'read the audit', ask: () => ['GET', `/api/v1/audit-logs?organizationId=${server.organizationId}`] },
    { what: 'delete the organization', ask: () => ['DELETE', `/api/v2/organizations/${server.organizationId}`] },
    { what: 'read a project', ask: () => ['GET', `/api/v4/secrets?projectId=${project.id}&environment=dev`] },
  ])('$what', async ({ ask }) => {
    auditor ??= (await newRole(...own)).slug;
    const before = await holdings();
    const [method, url, body] = ask();
    const answer = await as(deputy, method, url, body);
    expect([answer.status, answer.body.error], answer.text).toEqual([403, 'PermissionDenied']);
    expect(await holdings()).toEqual(before);
  });
});
let auditor: string;
const sso = () => ({
  ...{ organizationId: server.organizationId, configurationType: 'discoveryURL', isActive: true },
  ...{ discoveryURL: 'https://issuer.example.com/.well-known/openid-configuration', clientId: 'a', clientSecret: 'b' },
});

test('a rule that forbids is not lifted by whom it binds', async () => {
  const machine = await holder(rule('role', 'edit'), rule('member', 'read'), {
    ...rule('identity', 'read'),
    inverted: true,
  });
  const lifted = await as(machine, 'PATCH', `${ROLES}/${machine.roleId}`, {
    permissions: [rule('role', 'edit'), rule('member', 'read')],
  });
  expect(lifted.status, lifted.text).toBe(403);
  expect(lifted.body.message).toContain('may not lift what is forbidden');
});

test('what a group forbids for a while opens it to nobody', async () => {
  const { id } = await server.project(`passing-${++count}`);
  const forbids = { subject: 'secrets', action: ['read'], conditions: { environment: 'prod' }, inverted: true };
  await server.do('POST', `/api/v1/projects/${id}/roles`, {
    body: { slug: 'no-prod', name: 'No prod', permissions: [forbids] },
  });
  const body = { name: `Passing ${count}`, organizationId: server.organizationId };
  const group = await server.do('POST', '/api/v1/groups', { body });
  const puppet = await server.machine(`puppet-${count}`);
  const role = await newRole(rule('groups', 'read', 'add-identities'), rule('identity', 'read', 'edit'));
  const roles = [{ role: 'viewer' }, { role: 'no-prod' }];
  const deputy = await server.machine(`deputy-${count}`, { role: role.slug, projectId: id, roles });
  const enter = () => as(deputy, 'POST', `/api/v1/groups/${group.id}/machine-identities/${puppet.id}`);
  const range = { isTemporary: true, temporaryRange: '1h' };
  const given = [{ role: 'viewer' }, { role: 'no-prod', ...range }];
  await server.do('POST', `/api/v1/projects/${id}/groups/${group.id}`, { body: { roles: given } });
  expect((await enter()).status).toBe(403);
  await server.do('PATCH', `/api/v1/projects/${id}/groups/${group.id}`, { body: { roles } });
  const entered = await enter();
  expect(entered.status, entered.text).toBe(200);
});

test('a change loses against the edit of the role that allowed it', async () => {
  const machine = await holder(rule('groups', 'create'));
  const url = `${ROLES}/${machine.roleId}`;
  for (let round = 0; round < 5; round++) {
    await server.do('PATCH', url, { body: { permissions: [rule('groups', 'create')] } });
    const [made] = await Promise.all([
      as(machine, 'POST', '/api/v1/groups', { name: `race ${round}`, organizationId: server.organizationId }),
      server.do('PATCH', url, { body: { permissions: [] } }),
    ]);
    expect([200, 403]).toContain(made.status);
    const after = await as(machine, 'POST', '/api/v1/groups', { name: 'late', organizationId: server.organizationId });
    expect(after.status).toBe(403);
  }
});

test('a refused climb is in the audit', async () => {
  await as(deputy, 'PATCH', `/api/v1/identities/${deputy.id}`, { role: 'admin' });
  const { rows } = await server.sql.query(
    `select metadata from audit_log where event = 'update-identity' and outcome = 'refused' and actor_id = $1 limit 1`,
    [deputy.id],
  );
  expect(rows).toHaveLength(1);
});
