import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Machine, startServer, type TestServer } from '../../support/server.ts';
import { statementsOf } from '../path/statements.ts';

let server: TestServer;
let project: { id: string; slug: string };
let reader: Machine;

beforeAll(async () => {
  server = await startServer();
  project = await server.project('gateway');
  await server.setSecrets(project.id, 'prod', { DATABASE_URL: 'postgresql://db' });
  reader = await server.machine('reader', { projectId: project.id, roles: [{ role: 'no-access' }] });
});
afterAll(() => server.close());

const UUID = expect.stringMatching(/^[0-9a-f-]{36}$/);
const TIME = expect.stringMatching(/^\d{4}-.*Z$/);
const readProd = { subject: 'secrets', action: ['read'], conditions: { environment: { $eq: 'prod' } } };
let count = 0;
const newSlug = () => `role-${++count}`;

async function newRole(permissions: unknown[]): Promise<{ id: string; slug: string }> {
  const body = { slug: newSlug(), name: 'A role', permissions };
  return (await server.do('POST', `/api/v1/projects/${project.id}/roles`, { body })).role;
}

const give = (machine: Machine, roles: object[]) =>
  server.do('PATCH', `/api/v1/projects/${project.id}/identity-memberships/${machine.id}`, { body: { roles } });
const list = (machine: Machine, environment = 'prod') =>
  server.send('GET', `/api/v4/secrets?projectId=${project.id}&environment=${environment}`, { token: machine.token });

describe.each([
  { address: 'today', base: () => `/api/v1/projects/${project.id}/roles` },
  { address: 'by id', base: () => `/api/v2/workspace/${project.id}/roles` },
  { address: 'by slug', base: () => `/api/v1/workspace/${project.slug}/roles` },
])('$address', ({ base }) => {
  test('a role is made, read, changed and deleted', async () => {
    const slug = newSlug();
    const made = await server.do('POST', base(), {
      body: { slug, name: 'Biller', description: 'Bills', permissions: [{ action: 'read', subject: 'audit-logs' }] },
    });
    const role = {
      id: UUID,
      projectId: project.id,
      slug,
      name: 'Biller',
      description: 'Bills',
      permissions: [{ subject: 'audit-logs', action: ['read'] }],
      createdAt: TIME,
      updatedAt: TIME,
    };
    expect(made).toEqual({ role });
    const { permissions: _, ...listed } = role;
    const { roles } = await server.do('GET', base());
    expect(roles.find((one: any) => one.slug === slug)).toEqual(listed);
    expect(await server.do('GET', `${base()}/slug/${slug}`)).toEqual({ role });
    const changed = await server.do('PATCH', `${base()}/${made.role.id}`, {
      body: { name: 'Payer', permissions: [readProd] },
    });
    expect(changed.role).toMatchObject({ slug, name: 'Payer', description: 'Bills', permissions: [readProd] });
    expect((await server.do('DELETE', `${base()}/${made.role.id}`)).role.id).toBe(made.role.id);
    expect((await server.send('GET', `${base()}/slug/${slug}`, { token: server.admin })).status).toBe(404);
  });
});

test('a role is found by its id alone', async () => {
  const { id } = await newRole([]);
  expect((await server.do('GET', `/api/v1/projects/roles/${id}`)).role.id).toBe(id);
});

test('built-in roles are listed, shown, and kept as they are', async () => {
  const { roles } = await server.do('GET', `/api/v1/projects/${project.id}/roles`);
  expect(roles.slice(0, 5).map((role: any) => role.slug)).toEqual(['admin', 'developer', 'ci', 'viewer', 'no-access']);
  const { role } = await server.do('GET', `/api/v1/projects/${project.id}/roles/slug/member`);
  expect(role).toMatchObject({ slug: 'developer' });
  expect(role.permissions).toContainEqual({
    subject: 'secrets',
    action: ['read', 'create', 'edit', 'delete'],
    conditions: { environment: { $in: ['dev', 'staging'] } },
  });
  for (const method of ['PATCH', 'DELETE']) {
    const url = `/api/v1/projects/${project.id}/roles/${role.id}`;
    const { status, body } = await server.send(method, url, { token: server.admin, body: { permissions: [] } });
    expect([status, body.message]).toEqual([400, '"developer" is a built-in role; make a role of your own instead']);
  }
});

test('packed rules are unpacked', async () => {
  const permissions = [{ subject: ['secrets', 'tags'], action: ['read'], inverted: false, conditions: null }];
  const { role } = await server.do('POST', `/api/v1/projects/${project.id}/roles`, {
    body: { slug: newSlug(), name: 'Packed', permissions },
  });
  expect(role.permissions).toEqual([
    { subject: 'secrets', action: ['read'] },
    { subject: 'tags', action: ['read'] },
  ]);
});

test('an older client gives folders with the secrets, and sees what it wrote', async () => {
  const slug = newSlug();
  const permissions = [{ action: 'edit', subject: 'secrets', conditions: { secretPath: { $glob: '/app/**' } } }];
  const { role } = await server.do('POST', `/api/v1/workspace/${project.slug}/roles`, {
    body: { slug, name: 'Older', permissions },
  });
  expect(role.permissions).toEqual([{ ...permissions[0], action: ['edit'] }]);
  const today = await server.do('GET', `/api/v1/projects/${project.id}/roles/slug/${slug}`);
  expect(today.role.permissions.map((rule: any) => rule.subject)).toEqual([
    'secrets',
    'secret-folders',
    'secret-imports',
  ]);
});

test.each<{ what: string; body: object; issue: string }>([
  {
    what: 'a subject that is none',
    body: { permissions: [{ subject: 'secret', action: ['read'] }] },
    issue: 'no subject "secret"',
  },
  {
    what: 'an action that is none',
    body: { permissions: [{ subject: 'secrets', action: ['reed'] }] },
    issue: 'nobody can reed secrets',
  },
  {
    what: 'a condition without operator',
    body: { permissions: [{ ...readProd, conditions: { environment: {} } }] },
    issue: '',
  },
  {
    what: 'an operator that is none',
    body: { permissions: [{ ...readProd, conditions: { secretName: { $regex: 'A+' } } }] },
    issue: '',
  },
  {
    what: 'a path without a slash',
    body: { permissions: [{ ...readProd, conditions: { secretPath: { $glob: 'app/**' } } }] },
    issue: 'begins with "/"',
  },
  {
    what: 'a placeholder',
    body: { permissions: [{ ...readProd, conditions: { secretPath: { $eq: '/{{identity.name}}' } }, inverted: true }] },
    issue: 'nothing is put in for a placeholder here',
  },
  {
    what: 'a glob of another language',
    body: { permissions: [{ ...readProd, conditions: { secretName: { $glob: '+(a|b)' } } }] },
    issue: 'means nothing in a glob',
  },
  {
    what: 'a glob without an end',
    body: { permissions: [{ ...readProd, conditions: { secretName: { $glob: '{a,b' } } }] },
    issue: '"{" without "}"',
  },
  {
    what: 'a glob of thousands',
    body: { permissions: [{ ...readProd, conditions: { secretName: { $glob: '{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}' } } }] },
    issue: 'stands for more than',
  },
  { what: 'the slug of a built-in role', body: { slug: 'admin', permissions: [] }, issue: 'built-in role' },
])('a role with $what is refused', async ({ body, issue }) => {
  const url = `/api/v1/projects/${project.id}/roles`;
  const answer = await server.send('POST', url, {
    token: server.admin,
    body: { slug: newSlug(), name: 'Bad', ...body },
  });
  expect(answer.status, answer.text).toBe(422);
  expect(JSON.stringify(answer.body.message.map((one: any) => one.message))).toContain(
    JSON.stringify(issue).slice(1, -1),
  );
});

test('a slug is taken once in a project', async () => {
  const { slug } = await newRole([]);
  const url = `/api/v1/projects/${project.id}/roles`;
  const answer = await server.send('POST', url, {
    token: server.admin,
    body: { slug, name: 'Again', permissions: [] },
  });
  expect([answer.status, answer.body.message]).toEqual([409, `role "${slug}" exists already in project "gateway"`]);
});

test('a role that somebody has is not deleted', async () => {
  const { id, slug } = await newRole([readProd]);
  await give(reader, [{ role: slug }]);
  const url = `/api/v1/projects/${project.id}/roles/${id}`;
  const answer = await server.send('DELETE', url, { token: server.admin });
  expect([answer.status, answer.body.message]).toEqual([
    400,
    `role "${slug}" is given to 1 members of the project; take it from them first`,
  ]);
  const { identityMembership } = await server.do(
    'GET',
    `/api/v1/projects/${project.id}/identity-memberships/${reader.id}`,
  );
  expect(identityMembership.roles).toMatchObject([
    { role: 'custom', customRoleId: id, customRoleName: 'A role', customRoleSlug: slug },
  ]);
});

test('an edited role holds on the very next request, whatever is in memory', async () => {
  const { id, slug } = await newRole([readProd]);
  await give(reader, [{ role: slug }]);
  const edit = (permissions: unknown[]) =>
    server.do('PATCH', `/api/v1/projects/${project.id}/roles/${id}`, { body: { permissions } });
  expect((await list(reader)).status).toBe(200);
  expect((await list(reader)).status).toBe(200);
  await edit([readProd, { ...readProd, inverted: true }]);
  const refused = await list(reader);
  expect([refused.status, refused.body.message]).toEqual([
    403,
    `reader may not read secrets in environment "prod" of project "gateway"; its roles there are: ${slug}@*; ` +
      `a rule of ${slug}@* forbids it: {"subject":"secrets","action":["read"],` +
      '"conditions":{"environment":{"$eq":"prod"}},"inverted":true}',
  ]);
  await edit([readProd]);
  expect((await list(reader)).status).toBe(200);
});

test('a custom role costs one statement when it is first met, and none after', async () => {
  const { slug } = await newRole([readProd]);
  await give(reader, [{ role: slug }]);
  const get = async () => expect((await list(reader)).status).toBe(200);
  const first = await statementsOf(server.sql, get);
  const loads = Object.entries(first).filter(([text]) => text.includes('from project_roles where revision'));
  expect(loads.map(([, times]) => times)).toEqual([1]);
  expect(await statementsOf(server.sql, get)).toEqual({ pass: 1 });
});

test('a custom role can be limited to environments and to a time', async () => {
  const { slug } = await newRole([{ subject: 'secrets', action: ['read'] }]);
  await give(reader, [{ role: slug, environments: ['dev'] }]);
  expect([(await list(reader, 'dev')).status, (await list(reader, 'prod')).status]).toEqual([200, 403]);
  await give(reader, [
    { role: slug, isTemporary: true, temporaryRange: '1s', temporaryAccessStartTime: '2001-01-01T00:00:00Z' },
  ]);
  expect((await list(reader, 'dev')).status).toBe(403);
});

test('roles are changed by those alone who may', async () => {
  const { id } = await newRole([]);
  const viewer = await server.machine('viewer', { projectId: project.id, roles: [{ role: 'viewer' }] });
  const base = `/api/v1/projects/${project.id}/roles`;
  for (const [method, url, body] of [
    ['POST', base, { slug: newSlug(), name: 'Mine', permissions: [] }],
    ['PATCH', `${base}/${id}`, { permissions: [] }],
    ['DELETE', `${base}/${id}`, undefined],
    ['GET', base, undefined],
  ] as const) {
    expect([method, (await server.send(method, url, { token: viewer.token, body })).status]).toEqual([method, 403]);
  }
});

test('a role of another project is not there', async () => {
  const other = await server.project('billing');
  const { id, slug } = await newRole([readProd]);
  const base = `/api/v1/projects/${other.id}/roles`;
  const answers = [
    await server.send('PATCH', `${base}/${id}`, { token: server.admin, body: { permissions: [] } }),
    await server.send('DELETE', `${base}/${id}`, { token: server.admin }),
    await server.send('GET', `${base}/slug/${slug}`, { token: server.admin }),
  ];
  expect(answers.map(({ status }) => status)).toEqual([404, 404, 404]);
  const url = `/api/v1/projects/${other.id}/identity-memberships/${reader.id}`;
  const answer = await server.send('POST', url, { token: server.admin, body: { role: slug } });
  expect(answer.status).toBe(422);
});

test('each change of a role is in the audit, with what it says', async () => {
  const { id } = await newRole([readProd]);
  await server.do('PATCH', `/api/v1/projects/${project.id}/roles/${id}`, { body: { permissions: [] } });
  await server.do('DELETE', `/api/v1/projects/${project.id}/roles/${id}`);
  const { rows } = await server.sql.query(
    `select event, metadata->'permissions' as permissions from audit_log where metadata->>'roleId' = $1 order by at`,
    [id],
  );
  expect(rows).toEqual([
    { event: 'create-project-role', permissions: [readProd] },
    { event: 'update-project-role', permissions: [] },
    { event: 'delete-project-role', permissions: [] },
  ]);
});
