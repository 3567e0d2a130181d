import { afterAll, beforeAll, expect, test } from 'vitest';
import { startServer, type TestServer } from '../../support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

const UUID = expect.stringMatching(/^[0-9a-f-]{36}$/);
const INSTANT = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const create = (body: object, url = '/api/v1/projects') =>
  server.send('POST', url, { token: server.admin, body: { organizationId: server.organizationId, ...body } });

test.each(['/api/v1/projects', '/api/v2/workspace'])('%s makes a project with its environments', async (url) => {
  const slug = url.endsWith('projects') ? 'gateway' : 'chat';
  const body = { projectName: 'LLM Gateway', slug, projectDescription: 'llm.hanzo.ai' };
  const { project } = (await create(body, url)).body;
  expect(project).toEqual({
    id: UUID,
    _id: project.id,
    name: 'LLM Gateway',
    slug,
    description: 'llm.hanzo.ai',
    type: 'secret-manager',
    orgId: server.organizationId,
    autoCapitalization: false,
    version: 3,
    hasDeleteProtection: false,
    unresolvedReferences: 'error',
    createdAt: INSTANT,
    updatedAt: INSTANT,
    environments: [
      { id: UUID, slug: 'dev', name: 'Development' },
      { id: UUID, slug: 'staging', name: 'Staging' },
      { id: UUID, slug: 'prod', name: 'Production' },
    ],
  });
  // At every address the same project, in the wrapping that each has.
  expect((await server.do('GET', `/api/v1/projects/${project.id}`)).project).toEqual(project);
  expect((await server.do('GET', `/api/v1/workspace/${project.id}`)).workspace).toEqual(project);
  expect(await server.do('GET', `/api/v1/projects/slug/${slug}`)).toEqual(project);
  expect(await server.do('GET', `/api/v2/workspace/${slug}`)).toEqual(project);
  expect((await server.do('GET', '/api/v1/projects')).projects).toContainEqual(project);
  expect((await server.do('GET', '/api/v1/workspace')).workspaces).toContainEqual(project);
  const ofOrganization = await server.do('GET', `/api/v2/organizations/${server.organizationId}/workspaces`);
  expect(ofOrganization.workspaces).toContainEqual(project);
});

test.each([
  { what: '1 character', slug: 'z', status: 200 },
  { what: '3 characters', slug: 'zen', status: 200 },
  { what: '64 characters', slug: 'x'.repeat(64), status: 200 },
  { what: '65 characters', slug: 'x'.repeat(65), status: 422 },
  { what: 'an underscore', slug: 'a_b', status: 422 },
])('a slug with $what answers $status', async ({ slug, status }) => {
  const { status: answered, body } = await create({ projectName: 'Named', slug });
  expect([answered, body.project?.slug ?? body.message[0].path]).toEqual([status, status === 200 ? slug : ['slug']]);
});

test('a project without a slug gets one of its name', async () => {
  for (const slug of [undefined, '', null]) {
    const { project } = (await create({ projectName: 'No Slug', slug })).body;
    expect(project.slug).toMatch(/^no-slug-[a-z0-9]{4}$/);
  }
  const long = (await create({ projectName: 'x'.repeat(64) })).body.project;
  expect(long.slug).toMatch(/^x{59}-[a-z0-9]{4}$/);
});

test('a slug is taken once in an organization', async () => {
  await create({ projectName: 'Taken', slug: 'taken' });
  const other = (await create({ projectName: 'Other', slug: 'other' })).body.project;
  const answers = [
    await create({ projectName: 'Taken', slug: 'taken' }),
    await create({ projectName: 'Taken', slug: 'taken' }, '/api/v2/workspace'),
    await server.send('PATCH', `/api/v1/projects/${other.id}`, { token: server.admin, body: { slug: 'taken' } }),
  ];
  for (const { status, body } of answers) {
    expect([status, body.message]).toEqual([409, 'project "taken" exists already in this organization']);
  }
  const lux = await server.organization('lux');
  expect((await create({ projectName: 'Taken', slug: 'taken', organizationId: lux.id })).status).toBe(200);
});

test('a slug in two organizations is ambiguous to both their member', async () => {
  const zoo = await server.organization('zoo');
  const here = await server.project('twin');
  const there = await server.project('twin', zoo.id);
  const ambiguous = 'project "twin" exists in 2 of your organizations; name it by its id';
  for (const [method, url] of [
    ['GET', '/api/v1/projects/slug/twin'],
    ['GET', '/api/v2/workspace/twin'],
    ['PATCH', '/api/v2/workspace/twin'],
    ['DELETE', '/api/v2/workspace/twin'],
  ] as const) {
    const body = method === 'PATCH' ? { name: 'x' } : undefined;
    const answer = await server.send(method, url, { token: server.admin, body });
    expect([answer.status, answer.body.message]).toEqual([400, ambiguous]);
  }
  expect((await server.do('GET', `/api/v1/projects/slug/twin?organizationId=${zoo.id}`)).id).toBe(there.id);
  const { token } = await server.machine('one-sided', { projectId: here.id, roles: [{ role: 'viewer' }] });
  expect((await server.do('GET', '/api/v2/workspace/twin', { token })).id).toBe(here.id);
});

test('a project is changed at each of its addresses', async () => {
  const { id } = await server.project('moving');
  const change = async (method: string, url: string, body: object) => server.do(method, url, { body });
  expect((await change('PATCH', `/api/v1/projects/${id}`, { name: 'One', description: 'd' })).project).toMatchObject({
    name: 'One',
    slug: 'moving',
    description: 'd',
  });
  expect((await change('PATCH', `/api/v1/workspace/${id}`, { slug: 'moved' })).workspace).toMatchObject({
    name: 'One',
    slug: 'moved',
    description: 'd',
  });
  expect(await change('PATCH', '/api/v2/workspace/moved', { name: 'Two' })).toMatchObject({ id, name: 'Two' });
  expect((await server.send('GET', '/api/v2/workspace/moving', { token: server.admin })).status).toBe(404);
});

test('a protected project is not deleted', async () => {
  const { project } = (await create({ projectName: 'Safe', slug: 'safe', hasDeleteProtection: true })).body;
  await server.setSecrets(project.id, 'prod', { A: '1' });
  for (const url of [`/api/v1/projects/${project.id}`, `/api/v1/workspace/${project.id}`, '/api/v2/workspace/safe']) {
    const { status, body } = await server.send('DELETE', url, { token: server.admin });
    expect([status, body.message]).toEqual([
      400,
      'project "safe" is protected from deletion; set hasDeleteProtection to false first',
    ]);
  }
  await server.do('PATCH', `/api/v1/projects/${project.id}`, { body: { hasDeleteProtection: false } });
  expect((await server.do('DELETE', `/api/v1/projects/${project.id}`)).project.slug).toBe('safe');
});

test('a deleted project takes all that is in it along', async () => {
  const { id } = await server.project('doomed');
  await server.machine('doomed-service', { projectId: id, roles: [{ role: 'viewer' }] });
  await server.do('POST', '/api/v1/folders', {
    body: { projectId: id, environment: 'dev', name: 'deep', path: '/a/b' },
  });
  await server.setSecrets(id, 'dev', { A: '1' }, '/a/b/deep');
  await server.do('PATCH', '/api/v4/secrets/A', {
    body: { projectId: id, environment: 'dev', secretPath: '/a/b/deep', secretValue: '2' },
  });
  await server.do('DELETE', `/api/v1/projects/${id}`);
  for (const table of [
    'secrets',
    'secret_versions',
    'folders',
    'environments',
    'project_keys',
    'project_memberships',
  ]) {
    const { rowCount } = await server.sql.query(`select from ${table} where project_id = $1`, [id]);
    expect([table, rowCount]).toEqual([table, 0]);
  }
  const gone = await server.send('GET', `/api/v1/projects/${id}`, { token: server.admin });
  expect([gone.status, gone.body.message]).toEqual([404, `project "${id}" not found`]);
  // What was done there stays on record.
  const kept = await server.sql.query('select from audit_log where project_id = $1', [id]);
  expect(kept.rowCount).toBeGreaterThan(3);
});

test('each project has a key of its own', async () => {
  const [one, two] = [await server.project('key-one'), await server.project('key-two')];
  const { rows } = await server.sql.query('select wrapped, version from project_keys where project_id in ($1, $2)', [
    one.id,
    two.id,
  ]);
  expect(rows.map(({ version }) => version)).toEqual([1, 1]);
  expect(rows[0].wrapped.equals(rows[1].wrapped)).toBe(false);
});

test('a member of the organization runs the projects it makes', async () => {
  const { token } = await server.machine('maker', { role: 'member' });
  const { project } = await server.do('POST', '/api/v1/projects', {
    token,
    body: { projectName: 'Mine', slug: 'mine' },
  });
  const body = { projectId: project.id, environment: 'prod', secretValue: '1' };
  expect((await server.send('POST', '/api/v4/secrets/A', { token, body })).status).toBe(200);
  expect((await server.do('GET', '/api/v1/projects', { token })).projects.map((p: any) => p.slug)).toEqual(['mine']);
});

test('a caller in several organizations names one', async () => {
  const { status, body } = await server.send('POST', '/api/v1/projects', {
    token: server.admin,
    body: { projectName: 'Where' },
  });
  expect([status, body.message]).toEqual([
    400,
    expect.stringMatching(/^name the organization by organizationId: you belong to hanzo, /),
  ]);
});

test('a project may start without environments', async () => {
  const { project } = (await create({ projectName: 'Bare', slug: 'bare', shouldCreateDefaultEnvs: false })).body;
  expect(project.environments).toEqual([]);
  const answer = await server.send('GET', '/api/v4/secrets?projectSlug=bare&environment=prod', { token: server.admin });
  expect([answer.status, answer.body.message]).toEqual([
    404,
    'environment "prod" not found in project "bare": it has none',
  ]);
});
