import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Machine, startServer, type TestServer } from '../../support/server.ts';

let server: TestServer;
let project: { id: string; slug: string };
let machine: Machine;
let viewer: Machine;
let count = 0;

const UUID = expect.stringMatching(/^[0-9a-f-]{36}$/);
const TIME = expect.stringMatching(/^\d{4}-.*Z$/);

beforeAll(async () => {
  server = await startServer();
  project = await server.project('gateway');
  for (const environment of ['dev', 'prod']) await server.setSecrets(project.id, environment, { KEY: 'x' });
  machine = await server.machine('worker');
  viewer = await server.machine('viewer', { projectId: project.id, roles: [{ role: 'viewer' }] });
});
afterAll(() => server.close());

async function person(): Promise<string> {
  const email = `person-${++count}@example.com`;
  await server.do('POST', `/api/v2/organizations/${server.organizationId}/memberships`, { body: { email } });
  return email;
}

async function newGroup(): Promise<{ id: string; slug: string }> {
  const body = { name: `Group ${++count}`, slug: `group-${count}`, organizationId: server.organizationId };
  return server.do('POST', '/api/v1/groups', { body });
}

const read = async (environment: string, by = machine) =>
  (await server.send('GET', `/api/v4/secrets?projectId=${project.id}&environment=${environment}`, { token: by.token }))
    .status;

describe('people', () => {
  test.each(['/api/v1/projects', '/api/v2/workspace'])('%s adds and removes them by e-mail address', async (base) => {
    const [one, two] = [await person(), await person()];
    const url = `${base}/${project.id}/memberships`;
    const { memberships } = await server.do('POST', url, { body: { emails: [one.toUpperCase()], usernames: [two] } });
    expect(memberships.map((m: any) => [m.user.email, m.roles[0].role])).toEqual([
      [one, 'developer'],
      [two, 'developer'],
    ]);
    const removed = await server.do('DELETE', url, { body: { usernames: [one, two] } });
    expect(removed.memberships.map((m: any) => m.id)).toEqual(memberships.map((m: any) => m.id));
  });

  test.each(['/api/v1/projects', '/api/v1/workspace'])('%s shows and changes them', async (base) => {
    const email = await person();
    const body = { emails: [email], roleSlugs: ['viewer'] };
    const [{ id, userId }] = (await server.do('POST', `/api/v1/projects/${project.id}/memberships`, { body }))
      .memberships;
    const url = `${base}/${project.id}/memberships`;
    const membership = {
      id,
      userId,
      projectId: project.id,
      createdAt: TIME,
      updatedAt: TIME,
      project: { id: project.id, name: 'gateway' },
      user: {
        id: userId,
        username: email,
        email,
        firstName: '',
        lastName: '',
        isEmailVerified: false,
        publicKey: null,
      },
      roles: [
        {
          id: UUID,
          role: 'viewer',
          environments: null,
          projectMembershipId: id,
          customRoleId: null,
          customRoleName: null,
          customRoleSlug: null,
          isTemporary: false,
          temporaryMode: null,
          temporaryRange: null,
          temporaryAccessStartTime: null,
          temporaryAccessEndTime: null,
          createdAt: TIME,
          updatedAt: TIME,
        },
      ],
    };
    expect(await server.do('GET', `${url}/${id}`)).toEqual({ membership });
    expect(await server.do('POST', `${url}/details`, { body: { username: email } })).toEqual({ membership });
    expect((await server.do('GET', url)).memberships).toContainEqual(membership);
    const { users } = await server.do('GET', `/api/v1/workspace/${project.id}/users`);
    expect(users).toContainEqual(membership);
    // As Go's clients send it: the empty values of what is not meant.
    const roles = [
      {
        role: 'ci',
        isTemporary: false,
        temporaryMode: '',
        temporaryRange: '',
        temporaryAccessStartTime: '0001-01-01T00:00:00Z',
      },
    ];
    const changed = await server.do('PATCH', `${url}/${id}`, { body: { roles } });
    expect(changed.roles).toMatchObject([{ role: 'ci', isTemporary: false, projectMembershipId: id }]);
    expect((await server.do('DELETE', `${url}/${id}`)).membership.id).toBe(id);
    expect((await server.send('GET', `${url}/${id}`, { token: server.admin })).status).toBe(404);
  });

  test('somebody of another organization is not added, and of several none', async () => {
    const known = await person();
    const url = `/api/v1/projects/${project.id}/memberships`;
    const body = { emails: [known, 'nobody@example.com'] };
    const answer = await server.send('POST', url, { token: server.admin, body });
    expect([answer.status, answer.body.message]).toEqual([
      404,
      'nobody@example.com is no member of this organization; add them there first',
    ]);
    const { memberships } = await server.do('GET', url);
    expect(memberships.map((m: any) => m.user.email)).not.toContain(known);
  });

  test('a member is added once', async () => {
    const body = { emails: [await person()] };
    const url = `/api/v1/projects/${project.id}/memberships`;
    await server.do('POST', url, { body });
    const answer = await server.send('POST', url, { token: server.admin, body });
    expect([answer.status, answer.body.message]).toEqual([409, 'this user is a member of the project already']);
  });
});

describe('groups', () => {
  test('a group is made, read, changed and deleted', async () => {
    const made = await newGroup();
    const group = {
      id: made.id,
      orgId: server.organizationId,
      name: `Group ${count}`,
      slug: `group-${count}`,
      role: 'no-access',
      roleId: null,
      createdAt: TIME,
      updatedAt: TIME,
    };
    expect(made).toEqual(group);
    expect(await server.do('GET', `/api/v1/groups/${made.id}`)).toEqual({ ...group, customRoleSlug: null });
    expect(await server.do('GET', `/api/v1/groups?organizationId=${server.organizationId}`)).toContainEqual(group);
    expect(
      await server.do('PATCH', `/api/v1/groups/${made.id}`, { body: { name: 'Day shift', role: 'member' } }),
    ).toEqual({
      ...group,
      name: 'Day shift',
      role: 'member',
    });
    expect((await server.do('DELETE', `/api/v1/groups/${made.id}`)).id).toBe(made.id);
    expect((await server.send('GET', `/api/v1/groups/${made.id}`, { token: server.admin })).status).toBe(404);
  });

  test('nobody becomes admin of the organization by a group', async () => {
    const body = { name: 'Admins', role: 'admin', organizationId: server.organizationId };
    expect((await server.send('POST', '/api/v1/groups', { token: server.admin, body })).status).toBe(422);
  });

  test('people and identities enter and leave', async () => {
    const { id } = await newGroup();
    const email = await person();
    expect(await server.do('POST', `/api/v1/groups/${id}/users/${email}`)).toMatchObject({ email });
    const again = await server.send('POST', `/api/v1/groups/${id}/users/${email}`, { token: server.admin });
    expect(again.status).toBe(409);
    const { users, totalCount } = await server.do('GET', `/api/v1/groups/${id}/users?filter=existingMembers`);
    expect([users, totalCount]).toEqual([
      [
        {
          ...{ id: UUID, username: email, email, firstName: '', lastName: '', isEmailVerified: false, publicKey: null },
          ...{ isPartOfGroup: true, joinedGroupAt: TIME },
        },
      ],
      1,
    ]);
    const others = await server.do('GET', `/api/v1/groups/${id}/users?limit=1&search=${email}&filter=nonMembers`);
    expect(others).toEqual({ users: [], totalCount: 0 });
    await server.do('DELETE', `/api/v1/groups/${id}/users/${email}`);
    const gone = await server.send('DELETE', `/api/v1/groups/${id}/users/${email}`, { token: server.admin });
    expect(gone.status).toBe(400);
    const machines = `/api/v1/groups/${id}/machine-identities`;
    expect(await server.do('POST', `${machines}/${machine.id}`)).toEqual({ id: machine.id });
    const listed = await server.do('GET', `${machines}?filter=assignedMachineIdentities`);
    expect(listed).toEqual({
      machineIdentities: [{ id: machine.id, name: 'worker', isPartOfGroup: true, joinedGroupAt: TIME }],
      totalCount: 1,
    });
    expect(await server.do('DELETE', `${machines}/${machine.id}`)).toEqual({ id: machine.id });
  });

  test('its members are one list, and its projects another', async () => {
    const { id } = await newGroup();
    const email = await person();
    await server.do('POST', `/api/v1/groups/${id}/users/${email}`);
    await server.do('POST', `/api/v1/groups/${id}/machine-identities/${machine.id}`);
    const url = `/api/v1/groups/${id}`;
    const user = { type: 'user', id: UUID, joinedGroupAt: TIME, user: expect.objectContaining({ email }) };
    const identity = {
      ...{ type: 'machineIdentity', id: machine.id, joinedGroupAt: TIME },
      machineIdentity: { id: machine.id, name: 'worker' },
    };
    expect(await server.do('GET', `${url}/members`)).toEqual({ members: [user, identity], totalCount: 2 });
    const backwards = await server.do('GET', `${url}/members?orderBy=name&orderDirection=desc&limit=1`);
    expect(backwards).toEqual({ members: [identity], totalCount: 2 });
    const users = await server.do('GET', `${url}/members?memberTypeFilter=users&search=PERSON`);
    expect(users).toEqual({ members: [user], totalCount: 1 });
    const both = await server.do('GET', `${url}/members?memberTypeFilter=users&memberTypeFilter=machineIdentities`);
    expect(both.totalCount).toBe(2);

    const other = await server.project(`spare-${count}`);
    await server.do('POST', `/api/v1/projects/${project.id}/groups/${id}`, { body: { role: 'viewer' } });
    const one = (slug: string, of: { id: string }, joinedGroupAt: unknown) => ({
      ...{ id: of.id, name: slug, slug, description: '', type: 'secret-manager', joinedGroupAt },
    });
    const assigned = await server.do('GET', `${url}/projects?filter=assignedProjects`);
    expect(assigned).toEqual({ projects: [one('gateway', project, TIME)], totalCount: 1 });
    const free = await server.do('GET', `${url}/projects?filter=unassignedProjects&search=SPARE-${count}`);
    expect(free).toEqual({ projects: [one(`spare-${count}`, other, null)], totalCount: 1 });
    const all = await server.do('GET', `${url}/projects?orderDirection=desc`);
    expect(all.projects.map(({ slug }: any) => slug)).toEqual([`spare-${count}`, 'gateway']);
    await server.do('DELETE', url);
  });

  test('somebody of another organization is not taken in', async () => {
    const { id } = await newGroup();
    const lux = await server.organization(`lux-${++count}`);
    const foreign = await server.machine(`foreign-${count}`, { organizationId: lux.id });
    const url = `/api/v1/groups/${id}/machine-identities/${foreign.id}`;
    expect((await server.send('POST', url, { token: server.admin })).status).toBe(404);
  });

  test('rights come with the group and go with it, on the next request', async () => {
    const group = await newGroup();
    await server.do('POST', `/api/v1/groups/${group.id}/machine-identities/${machine.id}`);
    expect(await read('prod')).toBe(403);
    const url = `/api/v1/projects/${project.id}/groups/${group.id}`;
    await server.do('POST', url, { body: { roles: [{ role: 'viewer', environments: ['prod'] }] } });
    expect([await read('prod'), await read('dev')]).toEqual([200, 403]);
    const { projects } = await server.do('GET', '/api/v1/projects', { token: machine.token });
    expect(projects.map((one: any) => one.slug)).toEqual(['gateway']);
    await server.do('PATCH', url, { body: { roles: [{ role: 'viewer', environments: ['dev'] }] } });
    expect([await read('prod'), await read('dev')]).toEqual([403, 200]);
    await server.do('DELETE', `/api/v1/groups/${group.id}/machine-identities/${machine.id}`);
    expect(await read('dev')).toBe(403);
    await server.do('POST', `/api/v1/groups/${group.id}/machine-identities/${machine.id}`);
    expect(await read('dev')).toBe(200);
    await server.do('DELETE', url);
    expect(await read('dev')).toBe(403);
    await server.do('POST', url, { body: { role: 'viewer' } });
    expect(await read('prod')).toBe(200);
    await server.do('DELETE', `/api/v1/groups/${group.id}`);
    expect(await read('prod')).toBe(403);
  });

  test('own roles and those of groups are one; what one of them forbids is forbidden', async () => {
    const both = await server.machine(`both-${++count}`, { projectId: project.id, roles: [{ role: 'viewer' }] });
    const [first, second] = [await newGroup(), await newGroup()];
    const rule = { subject: 'secrets', action: ['read'], conditions: { environment: 'prod' }, inverted: true };
    const role = { slug: `no-prod-${count}`, name: 'No prod', permissions: [rule] };
    await server.do('POST', `/api/v1/projects/${project.id}/roles`, { body: role });
    for (const [group, given] of [
      [first, 'developer'],
      [second, role.slug],
    ] as const) {
      await server.do('POST', `/api/v1/projects/${project.id}/groups/${group.id}`, { body: { role: given } });
    }
    expect([await read('dev', both), await read('prod', both)]).toEqual([200, 200]);
    await server.do('POST', `/api/v1/groups/${first.id}/machine-identities/${both.id}`);
    await server.do('POST', `/api/v1/groups/${second.id}/machine-identities/${both.id}`);
    expect([await read('dev', both), await read('prod', both)]).toEqual([200, 403]);
    await server.setSecrets(project.id, 'dev', { [`BY_${count}`]: 'x' });
    const body = { projectId: project.id, environment: 'dev', secretValue: 'x' };
    expect((await server.send('POST', `/api/v4/secrets/MADE_${count}`, { token: both.token, body })).status).toBe(200);
  });

  test('who leaves the organization leaves its groups', async () => {
    const { id } = await newGroup();
    const email = await person();
    await server.do('POST', `/api/v1/groups/${id}/users/${email}`);
    const members = `/api/v2/organizations/${server.organizationId}/memberships`;
    const { users } = await server.do('GET', members);
    await server.do('DELETE', `${members}/${users.find((one: any) => one.user.email === email).id}`);
    const { rows } = await server.sql.query('select count(*)::int from group_members where group_id = $1', [id]);
    expect(rows).toEqual([{ count: 0 }]);
  });

  test.each([
    { address: 'today', base: () => `/api/v1/projects/${project.id}/memberships/groups` },
    { address: 'by hand', base: () => `/api/v1/projects/${project.id}/group-memberships` },
    { address: 'before', base: () => `/api/v1/projects/${project.id}/groups` },
    { address: 'older', base: () => `/api/v2/workspace/${project.id}/groups` },
    { address: 'oldest, by slugs', base: () => `/api/v2/workspace/${project.slug}/groups` },
  ])('a project keeps its groups: $address', async ({ base }) => {
    const group = await newGroup();
    const named = base().includes(project.slug) ? group.slug : group.id;
    const added = await server.do('POST', `${base()}/${named}`, { body: { role: 'viewer' } });
    const groupMembership = {
      id: UUID,
      groupId: group.id,
      projectId: project.id,
      createdAt: TIME,
      updatedAt: TIME,
      project: { id: project.id, name: 'gateway' },
      group: { id: group.id, name: `Group ${count}`, slug: group.slug, orgId: server.organizationId },
      roles: [expect.objectContaining({ role: 'viewer' })],
    };
    expect(added).toEqual({ groupMembership });
    expect(await server.do('GET', `${base()}/${named}`)).toEqual({ groupMembership });
    expect((await server.do('GET', base())).groupMemberships).toContainEqual(groupMembership);
    const changed = await server.do('PATCH', `${base()}/${named}`, { body: { roles: [{ role: 'ci' }] } });
    expect(changed.roles).toMatchObject([{ role: 'ci' }]);
    await server.do('DELETE', `${base()}/${named}`);
    expect((await server.send('GET', `${base()}/${named}`, { token: server.admin })).status).toBe(404);
  });
});

test('a member without the right changes no membership', async () => {
  const group = await newGroup();
  const email = await person();
  const base = `/api/v1/projects/${project.id}`;
  const { identityMembership: own } = await server.do('GET', `${base}/identity-memberships/${viewer.id}`);
  const { id: organizationId } = await server.organization(`strangers-${++count}`);
  const stranger = await server.machine(`stranger-${count}`, { organizationId, role: 'admin' });
  for (const [method, url, body] of [
    ['GET', `${base}/memberships`, undefined],
    ['POST', `${base}/memberships`, { emails: [email] }],
    ['DELETE', `${base}/memberships`, { emails: [email] }],
    ['GET', `${base}/groups`, undefined],
    ['POST', `${base}/groups/${group.id}`, { role: 'viewer' }],
    ['DELETE', `${base}/groups/${group.id}`, undefined],
    ['GET', `/api/v1/groups?orgId=${server.organizationId}`, undefined],
    ['GET', `/api/v1/groups/${group.id}`, undefined],
    ['GET', `/api/v1/groups/${group.id}/members`, undefined],
    ['GET', `/api/v1/groups/${group.id}/projects`, undefined],
    ['GET', `${base}/memberships/identities`, undefined],
    ['GET', `/api/v2/workspace/identity-memberships/${own.id}`, undefined],
    ['POST', `/api/v1/groups/${group.id}/users/${email}`, undefined],
  ] as const) {
    const { status } = await server.send(method, url, { token: viewer.token, body });
    expect([method, url, status]).toEqual([method, url, 403]);
    const other = await server.send(method, url, { token: stranger.token, body });
    expect([method, url, other.status]).toEqual([method, url, 404]);
  }
});

test.each(['identity-memberships', 'memberships/identities'])(
  'identities of a project come in pages: %s',
  async (list) => {
    const { id } = await server.project(`pages-${++count}`);
    const names = ['ant', 'bee', 'cat'].map((name) => `${name}-${count}`);
    for (const name of names) {
      await server.machine(name, { projectId: id, roles: [{ role: name.startsWith('bee') ? 'developer' : 'ci' }] });
    }
    const base = `/api/v1/projects/${id}/${list}`;
    const page = async (query: string) => {
      const { identityMemberships, totalCount } = await server.do('GET', base + query);
      return [identityMemberships.map((one: any) => one.identity.name), totalCount];
    };
    const [ant, bee, cat] = names;
    // Whoever makes a project through the API is no member of it: admins of the organization have every right.
    const { identityMemberships: all } = await server.do('GET', base);
    const others = all.filter((one: any) => !names.includes(one.identity.name)).length;
    expect(await page('?search=-&orderBy=name&orderDirection=desc&limit=2')).toEqual([[cat, bee], 3 + others]);
    expect(await page('?textFilter=ANT')).toEqual([[ant], 1]);
    expect(await page('?roles=member,admin&identityName=bee')).toEqual([[bee], 1]);
    expect(await page('?roles=ci&offset=1')).toEqual([[cat], 2]);
    expect(await page('?offset=100')).toEqual([[], 3 + others]);
    const one = all.find((member: any) => member.identity.name === cat);
    for (const family of ['/api/v1/projects', '/api/v2/workspace']) {
      const read = await server.do('GET', `${family}/identity-memberships/${one.id}`);
      expect(read).toEqual({ identityMembership: one });
    }
  },
);

test('each change of a membership or a group is in the audit', async () => {
  const group = await newGroup();
  const email = await person();
  await server.do('POST', `/api/v1/groups/${group.id}/users/${email}`);
  await server.do('POST', `/api/v1/projects/${project.id}/groups/${group.id}`, { body: { role: 'viewer' } });
  await server.do('DELETE', `/api/v1/projects/${project.id}/groups/${group.id}`);
  await server.do('DELETE', `/api/v1/groups/${group.id}/users/${email}`);
  await server.do('DELETE', `/api/v1/groups/${group.id}`);
  const { rows } = await server.sql.query(`select event from audit_log where metadata->>'groupId' = $1 order by at`, [
    group.id,
  ]);
  expect(rows.map(({ event }) => event)).toEqual([
    'create-group',
    'add-user-to-group',
    'add-group-to-project',
    'remove-group-from-project',
    'remove-user-from-group',
    'delete-group',
  ]);
});
