import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startServer, type TestServer } from '../../support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

const UUID = expect.stringMatching(/^[0-9a-f-]{36}$/);
const INSTANT = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const create = (body: object) => server.send('POST', '/api/v2/organizations', { token: server.admin, body });

test('an organization is made, read, renamed and deleted', async () => {
  const { organization } = (await create({ name: 'Lux Network' })).body;
  expect(organization).toEqual({
    id: UUID,
    name: 'Lux Network',
    slug: 'lux-network',
    enforceMfa: false,
    authEnforced: false,
    ...{ customerId: null, scimEnabled: false, kmsDefaultKeyId: null },
    createdAt: INSTANT,
    updatedAt: INSTANT,
  });
  const url = `/api/v1/organization/${organization.id}`;
  expect(await server.do('GET', url)).toEqual({ organization });
  const renamed = await server.do('PATCH', url, { body: { name: 'Lux', slug: 'lux' } });
  expect(renamed.organization).toMatchObject({ id: organization.id, name: 'Lux', slug: 'lux' });
  expect((await server.do('PATCH', url, { body: { name: 'Lux II' } })).organization.slug).toBe('lux');
  const { organizations } = await server.do('GET', '/api/v1/organization');
  expect(organizations.map((o: any) => o.slug)).toEqual(['hanzo', 'lux']);
  expect((await server.do('DELETE', `/api/v2/organizations/${organization.id}`)).organization.slug).toBe('lux');
  const gone = await server.send('GET', url, { token: server.admin });
  expect([gone.status, gone.body.message]).toEqual([404, `organization ${organization.id} not found`]);
});

test.each([
  { what: '1 character', slug: 'z', status: 200 },
  { what: '64 characters', slug: 'x'.repeat(64), status: 200 },
  { what: '65 characters', slug: 'x'.repeat(65), status: 422 },
  { what: 'a capital letter', slug: 'Zen', status: 422 },
  { what: 'a hyphen at the end', slug: 'zen-', status: 422 },
  { what: 'two hyphens', slug: 'z--n', status: 422 },
  { what: 'a dot', slug: 'z.n', status: 422 },
  { what: 'a line end', slug: 'zen\n', status: 422 },
])('a slug with $what answers $status', async ({ slug, status }) => {
  const { status: answered, body } = await create({ name: 'Named', slug });
  expect([answered, body.organization?.slug ?? body.message[0].path]).toEqual([
    status,
    status === 200 ? slug : ['slug'],
  ]);
});

test('a slug is taken once, by whatever road', async () => {
  await create({ name: 'Zoo Labs' });
  const other = (await create({ name: 'Other' })).body.organization;
  const answers = [
    await create({ name: 'Zoo Labs' }),
    await create({ name: 'x', slug: 'zoo-labs' }),
    await server.send('PATCH', `/api/v1/organization/${other.id}`, { token: server.admin, body: { slug: 'zoo-labs' } }),
  ];
  for (const { status, body } of answers) {
    expect([status, body.error, body.message]).toEqual([409, 'Conflict', 'organization "zoo-labs" exists already']);
  }
});

test('a name without letters still gets a slug', async () => {
  expect((await create({ name: '動物園' })).body.organization).toMatchObject({
    name: '動物園',
    slug: expect.stringMatching(/^x-[a-z0-9]{4}$/),
  });
});

test('an organization with projects is not deleted', async () => {
  const { id } = await server.organization('full');
  const project = await server.project('kept', id);
  const machine = await server.machine('kept-service', { organizationId: id });
  const url = `/api/v2/organizations/${id}`;
  const refused = await server.send('DELETE', url, { token: server.admin });
  expect([refused.status, refused.body.message]).toEqual([
    400,
    'organization "full" still has 1 projects; delete them first',
  ]);
  expect((await server.send('GET', '/api/v1/organization', { token: machine.token })).status).toBe(200);
  await server.do('DELETE', `/api/v1/projects/${project.id}`);
  await server.do('DELETE', url);
  // Its machines go with it, tokens and all.
  expect((await server.send('GET', '/api/v1/organization', { token: machine.token })).status).toBe(401);
  expect((await server.sql.query('select from actors where id = $1', [machine.id])).rowCount).toBe(0);
});

test('of a deletion and a new project at once, one wins', async () => {
  for (let round = 0; round < 5; round++) {
    const { id } = await server.organization(`race-${round}`);
    const [made, deleted] = await Promise.all([
      server.send('POST', '/api/v1/projects', {
        token: server.admin,
        body: { projectName: 'late', slug: 'late', organizationId: id },
      }),
      server.send('DELETE', `/api/v2/organizations/${id}`, { token: server.admin }),
    ]);
    expect([made.status, deleted.status].filter((status) => status === 200)).toHaveLength(1);
    expect(Math.max(made.status, deleted.status)).toBeLessThan(500);
  }
});

test('people are added by e-mail address, in one spelling', async () => {
  const { id } = await server.organization('people');
  const members = `/api/v2/organizations/${id}/memberships`;
  const { membership } = await server.do('POST', members, { body: { email: ' Ada@Example.COM ', role: 'admin' } });
  const user = {
    ...{ id: UUID, username: 'ada@example.com', email: 'ada@example.com', firstName: '', lastName: '' },
    ...{ isEmailVerified: false, publicKey: null },
  };
  expect(membership).toEqual({
    id: UUID,
    orgId: id,
    userId: user.id,
    role: 'admin',
    roleId: null,
    customRole: null,
    status: 'accepted',
    inviteEmail: 'ada@example.com',
    isActive: true,
    ...{ projectFavorites: null, lastLoginAuthMethod: null, lastLoginTime: null },
    user,
  });
  expect(await server.do('GET', members)).toEqual({ users: [membership] });
  expect(await server.do('GET', `${members}/${membership.id}`)).toEqual({ membership });
  const again = await server.send('POST', members, { token: server.admin, body: { email: 'ADA@example.com' } });
  expect([again.status, again.body.message]).toEqual([409, 'ada@example.com is a member already']);
  const changed = await server.do('PATCH', `${members}/${membership.id}`, { body: { role: 'member' } });
  expect(changed.membership).toEqual({ ...membership, role: 'member' });
  // The same account in another organization.
  const other = await server.organization('people-too');
  const there = await server.do('POST', `/api/v2/organizations/${other.id}/memberships`, {
    body: { email: user.email },
  });
  const here = (await server.do('GET', `/api/v2/organizations/${id}/memberships/${membership.id}`)).membership;
  expect(there.membership).toMatchObject({ userId: here.userId, role: 'member' });
  await server.do('DELETE', `${members}/${membership.id}`);
  expect((await server.do('GET', members)).users).toEqual([]);
  expect((await server.do('GET', `/api/v2/organizations/${other.id}/memberships`)).users).toHaveLength(1);
});

test('a membership is reached through its own organization alone', async () => {
  const [one, two] = [await server.organization('one'), await server.organization('two')];
  const body = { email: 'grace@example.com' };
  const { membership } = await server.do('POST', `/api/v2/organizations/${one.id}/memberships`, { body });
  const url = `/api/v2/organizations/${two.id}/memberships/${membership.id}`;
  for (const method of ['GET', 'PATCH', 'DELETE']) {
    const answer = await server.send(method, url, {
      token: server.admin,
      ...(method === 'PATCH' ? { body: { role: 'admin' } } : {}),
    });
    expect([answer.status, answer.body.message]).toEqual([404, `membership ${membership.id} not found`]);
  }
});

test('the last admin stays, also against two at once', async () => {
  const { id } = await server.organization('guarded');
  const members = `/api/v2/organizations/${id}/memberships`;
  const add = async (email: string) =>
    (await server.do('POST', members, { body: { email, role: 'admin' } })).membership as { id: string };
  const [ada, grace] = [await add('ada@hanzo.ai'), await add('grace@hanzo.ai')];
  // The two are all the admins there are, but for a machine that acts for them.
  const acting = await server.machine('acting', { organizationId: id, role: 'admin' });
  await server.sql.query(
    'delete from organization_memberships where organization_id = $1 and actor_id not in (select id from users) and actor_id <> $2',
    [id, acting.id],
  );
  const remove = (member: { id: string }) => server.send('DELETE', `${members}/${member.id}`, { token: acting.token });
  expect((await remove(ada)).status).toBe(200);
  const self = await server.send('DELETE', `/api/v1/identities/${acting.id}`, { token: acting.token });
  expect(self.status).toBe(200);
  const session = await sessionOf('grace@hanzo.ai');
  for (const [method, body] of [
    ['DELETE', undefined],
    ['PATCH', { role: 'member' }],
  ] as const) {
    const answer = await server.send(method, `${members}/${grace.id}`, { token: session, body });
    expect([answer.status, answer.body.message]).toEqual([
      400,
      'this is the last admin of the organization; make somebody else admin first',
    ]);
  }
  const again = await server.send('POST', members, { token: session, body: { email: 'ada@hanzo.ai', role: 'admin' } });
  const leave = (member: { id: string }) => server.send('DELETE', `${members}/${member.id}`, { token: session });
  const both = await Promise.all([leave(again.body.membership), leave(grace)]);
  expect(both.filter(({ status }) => status === 200)).toHaveLength(1);
  const { rows } = await server.sql.query(
    "select count(*)::int as n from organization_memberships where organization_id = $1 and role = 'admin'",
    [id],
  );
  expect(rows[0].n).toBe(1);
});

/** A session of a person, by the way in that instance admins have. */
async function sessionOf(email: string): Promise<string> {
  await server.sql.query('update actors set instance_admin = true where id = (select id from users where email = $1)', [
    email,
  ]);
  const path = '/api/v1/admin/recovery-session';
  const body = { email };
  const headers = { 'x-kms-proof': server.proof('POST', path, body) };
  return (await server.do('POST', path, { body, headers })).accessToken;
}

test.each([
  { role: 'admin', sees: 200, changes: 200 },
  { role: 'member', sees: 200, changes: 403 },
  { role: 'no-access', sees: 403, changes: 403 },
])('a machine with the role $role sees $sees, changes $changes', async ({ role, sees, changes }) => {
  const { id } = await server.organization(`role-${role}`);
  const { token } = await server.machine(role, { organizationId: id, role });
  const members = `/api/v2/organizations/${id}/memberships`;
  expect((await server.send('GET', `/api/v1/organization/${id}`, { token })).status).toBe(200);
  for (const url of [members, `/api/v1/identities?orgId=${id}`]) {
    expect([url, (await server.send('GET', url, { token })).status]).toEqual([url, sees]);
  }
  const made = await server.send('POST', '/api/v1/projects', { token, body: { projectName: 'p', organizationId: id } });
  expect(made.status).toBe(sees);
  for (const [method, url, body] of [
    ['PATCH', `/api/v1/organization/${id}`, { name: 'x' }],
    ['POST', members, { email: `${role}@example.com` }],
    ['POST', '/api/v1/identities', { name: 'made', organizationId: id }],
  ] as const) {
    expect([url, (await server.send(method, url, { token, body })).status]).toEqual([url, changes]);
  }
});

test('an organization that nobody has is a 404', async () => {
  const id = randomUUID();
  for (const [method, url, body] of [
    ['GET', `/api/v1/organization/${id}`],
    ['PATCH', `/api/v1/organization/${id}`, { name: 'x' }],
    ['DELETE', `/api/v2/organizations/${id}`],
    ['GET', `/api/v2/organizations/${id}/workspaces`],
    ['POST', '/api/v1/projects', { projectName: 'x', organizationId: id }],
    ['POST', '/api/v1/identities', { name: 'x', organizationId: id }],
  ] as const) {
    const answer = await server.send(method, url, { token: server.admin, body });
    expect([url, answer.status, answer.body.message]).toEqual([url, 404, `organization ${id} not found`]);
  }
});
