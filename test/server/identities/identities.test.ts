import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startServer, type TestServer } from '../../support/server.ts';

let server: TestServer;
let project: { id: string };

beforeAll(async () => {
  server = await startServer();
  project = await server.project('gateway');
});
afterAll(() => server.close());

const UUID = expect.stringMatching(/^[0-9a-f-]{36}$/);
const INSTANT = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const create = (body: object) =>
  server.send('POST', '/api/v1/identities', {
    token: server.admin,
    body: { organizationId: server.organizationId, ...body },
  });

test('an identity is created, read, renamed and deleted', async () => {
  const made = await create({ name: ' gateway-service ' });
  const { id } = made.body.identity;
  const shown = {
    id: UUID,
    name: 'gateway-service',
    orgId: server.organizationId,
    authMethod: null,
    authMethods: [],
    hasDeleteProtection: false,
    metadata: [],
    createdAt: INSTANT,
    updatedAt: INSTANT,
  };
  expect([made.status, made.body]).toEqual([200, { identity: shown }]);
  const url = `/api/v1/identities/${id}`;
  const membership = {
    id: UUID,
    role: 'no-access',
    roleId: null,
    customRole: null,
    orgId: server.organizationId,
    identityId: id,
    createdAt: INSTANT,
    updatedAt: INSTANT,
    metadata: [],
    ...{ lastLoginAuthMethod: null, lastLoginTime: null },
    identity: { id, name: 'gateway-service', authMethod: null, authMethods: [], hasDeleteProtection: false },
  };
  const read = await server.do('GET', url);
  expect(read).toEqual({ identity: membership });
  // As Infisical has it, the outer id is the membership's.
  expect(read.identity.id).not.toBe(id);
  await server.do('POST', `/api/v1/auth/universal-auth/identities/${id}`);
  expect((await server.do('GET', url)).identity.identity).toMatchObject({
    authMethod: 'universal-auth',
    authMethods: ['universal-auth'],
  });
  const changed = await server.do('PATCH', url, { body: { name: 'renamed', role: 'member' } });
  expect(changed.identity).toMatchObject({ id, name: 'renamed' });
  expect((await server.do('GET', url)).identity).toMatchObject({ role: 'member', identity: { name: 'renamed' } });
  expect((await server.do('DELETE', url)).identity).toMatchObject({ id, name: 'renamed' });
  const gone = await server.send('GET', url, { token: server.admin });
  expect([gone.status, gone.body.message]).toEqual([404, `identity ${id} not found`]);
});

test.each([
  { what: 'without a name', body: {}, field: 'name' },
  { what: 'with a blank name', body: { name: '  ' }, field: 'name' },
  { what: 'with a line in its name', body: { name: 'a\nb' }, field: 'name' },
  { what: 'with a name of 65 characters', body: { name: 'x'.repeat(65) }, field: 'name' },
  { what: 'with a role of many words', body: { name: 'a', role: 'a role' }, field: 'role' },
  { what: 'in no organization', body: { name: 'a', organizationId: '' }, field: 'organizationId' },
])('an identity $what is refused', async ({ body, field }) => {
  const answer = await create(body);
  expect(answer.body).toMatchObject({ statusCode: 422, message: [{ path: [field] }] });
});

test('identities are listed by page, with their number', async () => {
  const { id: organizationId } = await server.organization('paged');
  for (const name of ['b', 'c', 'a', 'd'])
    await server.do('POST', '/api/v1/identities', { body: { name, organizationId } });
  const names = (list: any[]) => list.map((item) => item.identity.name);
  for (const url of [
    `/api/v1/identities?orgId=${organizationId}`,
    `/api/v1/identities?organizationId=${organizationId}`,
  ]) {
    const { identities, totalCount } = await server.do('GET', url);
    expect([names(identities), totalCount]).toEqual([['a', 'b', 'c', 'd'], 4]);
  }
  const paged = `/api/v2/organizations/${organizationId}/identity-memberships`;
  const page = await server.do('GET', `${paged}?offset=1&limit=2`);
  expect([names(page.identityMemberships), page.totalCount]).toEqual([['b', 'c'], 4]);
  const beyond = await server.do('GET', `${paged}?offset=10`);
  expect(beyond).toEqual({ identityMemberships: [], totalCount: 4 });
  const unnamed = await server.send('GET', '/api/v1/identities', { token: server.admin });
  expect([unnamed.status, unnamed.body.message[0].path]).toEqual([422, ['organizationId']]);
});

test.each(['/api/v2/workspace', '/api/v1/projects'])('%s keeps memberships of identities', async (base) => {
  const machine = await server.machine('member');
  const list = `${base}/${project.id}/identity-memberships`;
  const url = `${list}/${machine.id}`;
  const role = {
    id: UUID,
    role: 'viewer',
    environments: ['prod'],
    customRoleId: null,
    customRoleName: null,
    customRoleSlug: null,
    isTemporary: false,
    projectMembershipId: UUID,
    temporaryMode: null,
    temporaryRange: null,
    temporaryAccessStartTime: null,
    temporaryAccessEndTime: null,
    createdAt: INSTANT,
    updatedAt: INSTANT,
  };
  const roles = [{ role: 'viewer', environments: ['production', 'prod'] }];
  const added = await server.do('POST', url, { body: { roles } });
  expect(added.identityMembership).toEqual({
    id: UUID,
    identityId: machine.id,
    projectId: project.id,
    createdAt: INSTANT,
    updatedAt: INSTANT,
    roles: [role],
    identity: { id: machine.id, name: 'member', authMethod: 'universal-auth', authMethods: ['universal-auth'] },
    project: { id: project.id, name: 'gateway' },
  });
  const again = await server.send('POST', url, { token: server.admin, body: { role: 'viewer' } });
  expect([again.status, again.body.message]).toEqual([409, 'this identity is a member of the project already']);
  expect(await server.do('GET', url)).toEqual(added);
  expect((await server.do('GET', list)).identityMemberships).toContainEqual(added.identityMembership);
  expect(await server.do('GET', `/api/v1/identities/${machine.id}/identity-memberships`)).toEqual({
    identityMemberships: [added.identityMembership],
    totalCount: 1,
  });
  const replaced = await server.do('PATCH', url, { body: { roles: [{ role: 'member' }, { role: 'ci' }] } });
  expect(replaced.roles.map((r: any) => r.role).sort()).toEqual(['ci', 'member']);
  expect((await server.do('DELETE', url)).identityMembership.id).toBe(added.identityMembership.id);
  for (const method of ['GET', 'DELETE']) {
    const gone = await server.send(method, url, { token: server.admin });
    expect([gone.status, gone.body.message]).toEqual([404, `identity ${machine.id} is no member of this project`]);
  }
});

test('a membership without roles gives no access', async () => {
  const machine = await server.machine('nothing');
  const { identityMembership } = await server.do(
    'POST',
    `/api/v2/workspace/${project.id}/identity-memberships/${machine.id}`,
    {
      body: {},
    },
  );
  expect(identityMembership.roles).toMatchObject([{ role: 'no-access', environments: null }]);
});

test('a deleted identity leaves no rights behind', async () => {
  const machine = await server.machine('leaving', { projectId: project.id, roles: [{ role: 'admin' }] });
  await server.do('DELETE', `/api/v1/identities/${machine.id}`);
  expect((await server.send('GET', '/api/v1/organization', { token: machine.token })).status).toBe(401);
  for (const table of ['organization_memberships', 'project_memberships', 'access_tokens']) {
    const { rowCount } = await server.sql.query(`select from ${table} where actor_id = $1`, [machine.id]);
    expect([table, rowCount]).toEqual([table, 0]);
  }
  for (const table of ['actors', 'identities']) {
    expect((await server.sql.query(`select from ${table} where id = $1`, [machine.id])).rowCount).toBe(0);
  }
});

test('an identity sees itself, and no other', async () => {
  const [self, other] = [await server.machine('self'), await server.machine('other')];
  const get = async (path: string) =>
    (await server.send('GET', `/api/v1/identities/${path}`, { token: self.token })).status;
  expect([await get(self.id), await get(`${self.id}/identity-memberships`)]).toEqual([200, 200]);
  expect([await get(other.id), await get(`${other.id}/identity-memberships`)]).toEqual([403, 403]);
  expect(await get(randomUUID())).toBe(404);
});

test.each<{ what: string; ask: (id: string) => [string, string, object?] }>([
  { what: 'deleted', ask: (id) => ['DELETE', `/api/v1/identities/${id}`] },
  { what: 'made a member', ask: (id) => ['PATCH', `/api/v1/identities/${id}`, { role: 'member' }] },
  { what: 'left without access', ask: (id) => ['PATCH', `/api/v1/identities/${id}`, { role: 'no-access' }] },
])('the last admin of an organization is not $what', async ({ ask }) => {
  const { id: organizationId } = await server.organization(`last-${randomUUID()}`);
  const last = await server.machine('last', { organizationId, role: 'admin' });
  // Its maker is the other admin; taken away by SQL, since no route reaches a machine of another organization.
  await server.sql.query('delete from organization_memberships where organization_id = $1 and actor_id <> $2', [
    organizationId,
    last.id,
  ]);
  const [method, url, body] = ask(last.id);
  const { status, body: answer } = await server.send(method, url, { token: last.token, body });
  expect([status, answer.message]).toEqual([
    400,
    'this is the last admin of the organization; make somebody else admin first',
  ]);
  const renamed = await server.send('PATCH', `/api/v1/identities/${last.id}`, {
    token: last.token,
    body: { name: 'x' },
  });
  expect(renamed.status).toBe(200);
});

test('who made an organization is not deleted as its last admin', async () => {
  const { id: organizationId } = await server.organization('made');
  const { identities } = await server.do('GET', `/api/v1/identities?orgId=${server.organizationId}`);
  const { identityId } = identities.find((i: any) => i.identity.name === 'Instance Admin Identity');
  const { status } = await server.send('DELETE', `/api/v1/identities/${identityId}`, { token: server.admin });
  expect(status).toBe(400);
  expect((await server.do('GET', `/api/v1/organization/${organizationId}`)).organization.slug).toBe('made');
});

test('a protected identity is not deleted until the protection is taken off', async () => {
  const { id } = (await create({ name: 'protected', hasDeleteProtection: true })).body.identity;
  const url = `/api/v1/identities/${id}`;
  const refused = await server.send('DELETE', url, { token: server.admin });
  expect([refused.status, refused.body.message]).toEqual([
    400,
    `identity ${id} is protected; set hasDeleteProtection to false before deleting it`,
  ]);
  expect((await server.do('GET', url)).identity.identity.hasDeleteProtection).toBe(true);
  await server.do('PATCH', url, { body: { hasDeleteProtection: false } });
  await server.do('DELETE', url);
});

test('metadata is kept, replaced as a whole, and left alone by other changes', async () => {
  const metadata = [
    { key: 'team', value: 'platform' },
    { key: 'env', value: 'prod' },
  ];
  const { id } = (await create({ name: 'described', metadata })).body.identity;
  const url = `/api/v1/identities/${id}`;
  expect((await server.do('GET', url)).identity.metadata).toEqual(metadata);
  await server.do('PATCH', url, { body: { name: 'renamed-described' } });
  expect((await server.do('GET', url)).identity.metadata).toEqual(metadata);
  const { identity } = await server.do('PATCH', url, { body: { metadata: [] } });
  expect(identity).toMatchObject({ metadata: [], name: 'renamed-described' });
  const twice = await create({ name: 'twice', metadata: [metadata[0], metadata[0]] });
  expect([twice.status, twice.body.message[0].path]).toEqual([422, ['metadata']]);
});

test('a search finds by name and role, in order, by pages', async () => {
  const { id: organizationId } = await server.organization('searched');
  for (const [name, role] of [
    ['alpha-100%', 'member'],
    ['alpha-2', 'no-access'],
    ['beta_3', 'admin'],
  ]) {
    await server.do('POST', '/api/v1/identities', { body: { name, role, organizationId } });
  }
  const found = async (body: object) => {
    const { identities, totalCount } = await server.do('POST', '/api/v1/identities/search', {
      body: { organizationId, ...body },
    });
    return [identities.map((each: any) => each.identity.name).join(), totalCount];
  };
  const at = (search: object, more: object = {}) => found({ search, ...more });
  expect(await found({})).toEqual(['alpha-100%,alpha-2,beta_3', 3]);
  expect(await at({ name: 'alpha-2' })).toEqual(['alpha-2', 1]);
  expect(await at({ name: { $contains: 'ALPHA' } })).toEqual(['alpha-100%,alpha-2', 2]);
  expect(await at({ name: { $contains: '%' } })).toEqual(['alpha-100%', 1]);
  expect(await at({ name: { $contains: '_' } })).toEqual(['beta_3', 1]);
  expect(await at({ name: { $in: ['beta_3', 'nobody'] } })).toEqual(['beta_3', 1]);
  expect(await at({ role: 'admin' })).toEqual(['beta_3', 1]);
  expect(await at({ role: { $in: ['admin', 'member'] }, name: { $contains: 'a' } })).toEqual(['alpha-100%,beta_3', 2]);
  expect(await at({ name: { $eq: 'alpha-2', $in: ['beta_3'] } })).toEqual(['', 0]);
  expect(await found({ orderDirection: 'desc', limit: 2 })).toEqual(['beta_3,alpha-2', 3]);
  expect(await found({ orderBy: 'role', offset: 1, limit: 1 })).toEqual(['alpha-100%', 3]);
  expect(await found({ offset: 9 })).toEqual(['', 3]);
  const stranger = await server.send('POST', '/api/v1/identities/search', {
    token: (await server.machine('outsider', { role: 'admin' })).token,
    body: { organizationId },
  });
  expect(stranger.status).toBe(404);
  const { token } = await server.machine('outsider-without', { organizationId });
  expect((await server.send('POST', '/api/v1/identities/search', { token, body: {} })).status).toBe(403);
});

test('memberships are searched in the organization and in its projects', async () => {
  const { id: organizationId, slug } = await server.organization('searched-too');
  const { id: projectId } = await server.project('searched-project', organizationId);
  const role = { slug: 'own-role', name: 'Own', description: 'of its own', permissions: [] };
  const { role: own } = await server.do('POST', `/api/v1/projects/${projectId}/roles`, { body: role });
  const at = { organizationId, projectId };
  const reader = await server.machine('gamma-reader', { ...at, roles: [{ role: 'own-role' }] });
  await server.machine('gamma-other', { organizationId, role: 'member' });
  const url = '/api/v2/identities/search';
  const search = { name: { $contains: 'GAMMA' } };
  const body = { organizationId, search, scope: ['organization', 'project'], orderBy: 'name', limit: 100 };
  const { identities, totalCount } = await server.do('POST', url, { body });
  expect([identities.map((one: any) => [one.identity.name, one.scope]), totalCount]).toEqual([
    expect.arrayContaining([
      ['gamma-other', 'organization'],
      ['gamma-reader', 'organization'],
      ['gamma-reader', 'project'],
    ]),
    3,
  ]);
  const UUID = expect.stringMatching(/^[0-9a-f-]{36}$/);
  const TIME = expect.stringMatching(/^\d{4}-.*Z$/);
  const times = {
    ...{ isTemporary: false, temporaryMode: null, temporaryRange: null },
    ...{ temporaryAccessStartTime: null, temporaryAccessEndTime: null },
  };
  const custom = { customRoleId: own.id, customRoleName: 'Own', customRoleSlug: 'own-role' };
  expect(identities.find((one: any) => one.scope === 'project')).toEqual({
    ...{ id: UUID, identityId: reader.id, scope: 'project', orgId: organizationId, projectId },
    project: { id: projectId, name: 'searched-project', slug: 'searched-project', type: 'secret-manager' },
    ...{ createdAt: TIME, updatedAt: TIME, lastLoginAuthMethod: 'universal-auth', lastLoginTime: TIME },
    roles: [{ id: UUID, role: 'custom', ...custom, customRoleDescription: 'of its own', ...times }],
    identity: {
      ...{ id: reader.id, name: 'gamma-reader', orgId: organizationId, hasDeleteProtection: false },
      ...{ authMethods: ['universal-auth'], activeLockoutAuthMethods: [] },
    },
  });
  const found = async (more: object) => {
    const { identities, totalCount } = await server.do('POST', url, { body: { organizationId, ...more } });
    return [identities.map((one: any) => one.identity.name).join(), totalCount];
  };
  expect(await found({ search: { role: 'own-role' }, scope: ['project'] })).toEqual(['gamma-reader', 1]);
  expect(await found({ search: { role: { $in: ['member'] } } })).toEqual(['gamma-other', 1]);
  expect(await found({ search, offset: 1, orderDirection: 'desc' })).toEqual(['gamma-other', 2]);
  const counted = { organizationId, search };
  expect(await server.do('POST', `${url}/count`, { body: counted })).toEqual({
    counts: { organization: 2, project: 1 },
  });
  const member = await server.machine('gamma-member', { organizationId, role: 'member' });
  const seen = await server.do('POST', `${url}/count`, { token: member.token, body: { search } });
  expect(seen).toEqual({ counts: { organization: 3, project: 0 } });
  const stranger = await server.machine('gamma-stranger', { role: 'admin' });
  for (const [token, status] of [
    [reader.token, 403],
    [stranger.token, 404],
  ] as const) {
    for (const path of [url, `${url}/count`]) {
      expect((await server.send('POST', path, { token, body: { organizationId } })).status, slug).toBe(status);
    }
  }
});

test('a machine reads which organization it is of', async () => {
  const { token } = await server.machine('curious');
  const { identityDetails } = await server.do('GET', '/api/v1/identities/details', { token });
  expect(identityDetails).toEqual({ organization: { id: server.organizationId, name: 'Hanzo', slug: 'hanzo' } });
});
