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
    pitVersionLimit: 10,
    keepsAllVersions: true,
    auditLogsRetentionDays: null,
    version: 3,
    upgradeStatus: null,
    kmsCertificateKeyId: null,
    kmsSecretManagerKeyId: null,
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
  expect(ofOrganization.workspaces).toContainEqual({ ...project, organization: server.organizationId });
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

test('an organization may be named by its slug, and one of strangers is not there', async () => {
  const { id, slug } = await server.organization('by-slug');
  const body = { projectName: 'Where', organizationSlug: slug };
  expect((await server.do('POST', '/api/v2/workspace', { body })).project.orgId).toBe(id);
  const { token } = await server.machine('other-org', { role: 'admin' });
  const refused = await server.send('POST', '/api/v2/workspace', { token, body });
  expect([refused.status, refused.body.message]).toEqual([404, 'organization "by-slug" not found']);
});

test('projects are listed with their roles for those who may invite people', async () => {
  const { id: projectId } = await server.project('with-roles');
  const role = { slug: 'deployer', name: 'Deployer', permissions: [{ subject: 'secrets', action: ['read'] }] };
  await server.do('POST', `/api/v1/projects/${projectId}/roles`, { body: role });
  const url = `/api/v1/projects?includeRoles=true&organizationId=${server.organizationId}`;
  const { projects } = await server.do('GET', url);
  const slugs = projects.find(({ id }: any) => id === projectId).roles.map(({ slug }: any) => slug);
  expect(slugs).toEqual(['admin', 'developer', 'ci', 'viewer', 'no-access', 'deployer']);
  const others = projects.filter(({ id }: any) => id !== projectId).flatMap(({ roles }: any) => roles);
  expect(others.map(({ slug }: any) => slug)).not.toContain('deployer');
  const { token } = await server.machine('lists', { projectId, roles: [{ role: 'viewer' }] });
  expect((await server.send('GET', url, { token })).status).toBe(403);
  expect((await server.do('GET', url.replace('true', 'false'), { token })).projects[0].roles).toBeUndefined();
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

const FAMILIES = [
  { base: '/api/v1/projects', word: 'project' },
  { base: '/api/v1/workspace', word: 'workspace' },
  { base: '/api/v2/workspace', word: 'workspace' },
] as const;
const SETTINGS = [
  { method: 'POST', path: 'name', body: { name: 'Renamed' }, what: 'name' },
  { method: 'POST', path: 'auto-capitalization', body: { autoCapitalization: true }, what: 'settings' },
  { method: 'POST', path: 'delete-protection', body: { hasDeleteProtection: true }, what: 'settings' },
  { method: 'PUT', path: 'version-limit', body: { pitVersionLimit: 3 }, what: 'version limit' },
  { method: 'PUT', path: 'audit-logs-retention', body: { auditLogsRetentionDays: 400 }, what: 'audit retention' },
] as const;

test.each(FAMILIES)('$base sets single settings, by id and by slug', async ({ base, word }) => {
  const { id, slug } = await server.project(`set-${base.replaceAll('/', '-').slice(1)}`);
  for (const named of [id, slug]) {
    for (const { method, path, body, what } of SETTINGS) {
      const answer = await server.do(method, `${base}/${named}/${path}`, { body });
      expect(answer.message).toBe(`Successfully changed ${word} ${what}`);
      expect(answer[word]).toMatchObject({ id, ...body });
    }
  }
  const { rows } = await server.sql.query(
    "select metadata from audit_log where project_id = $1 and event = 'update-project' order by at",
    [id],
  );
  expect(rows.slice(0, 5).map(({ metadata }) => metadata)).toEqual(SETTINGS.map(({ body }) => body));
});

test.each([
  {
    what: 'a version limit',
    body: { pitVersionLimit: 3 },
    unset: { pitVersionLimit: null },
    shown: { pitVersionLimit: 10 },
  },
  {
    what: 'a retention',
    body: { auditLogsRetentionDays: 400 },
    unset: { auditLogsRetentionDays: 0 },
    shown: { auditLogsRetentionDays: null },
  },
])('$what may be taken back', async ({ body, unset, shown }) => {
  const { id } = await server.project(`unset-${Object.keys(body)[0]!.toLowerCase()}`);
  const url = `/api/v1/projects/${id}`;
  expect((await server.do('PATCH', url, { body })).project).toMatchObject({ ...body });
  // What a change does not name stays.
  expect((await server.do('PATCH', url, { body: { name: 'x' } })).project).toMatchObject({ ...body });
  expect((await server.do('PATCH', url, { body: unset })).project).toMatchObject({ ...shown, keepsAllVersions: true });
});

test.each([
  { field: 'pitVersionLimit', value: 0 },
  { field: 'pitVersionLimit', value: 101 },
  { field: 'auditLogsRetentionDays', value: -1 },
])('$field $value is refused', async ({ field, value }) => {
  const { id } = await server.project(`bad-${field.toLowerCase()}-${Math.abs(value)}`);
  const { status, body } = await server.send('PATCH', `/api/v1/projects/${id}`, {
    token: server.admin,
    body: { [field]: value },
  });
  expect([status, body.message[0].path]).toEqual([422, [field]]);
});

test.each([
  { field: 'type', value: 'cert-manager', says: 'there is one type of project here: "secret-manager"' },
  { field: 'template', value: 'mine', says: 'there are no project templates here besides "default"' },
])('a project of another $field is refused', async ({ field, value, says }) => {
  const { status, body } = await create({ projectName: 'Other', [field]: value });
  expect([status, body.message]).toEqual([422, [expect.objectContaining({ path: [field], message: says })]]);
});

test('the only type and the default template may be named', async () => {
  const { project } = (await create({ projectName: 'Typed', type: 'secret-manager', template: 'default' })).body;
  expect(project.type).toBe('secret-manager');
});

test('names in lower case are refused where the project wants capitals', async () => {
  const { id } = await server.project('capitals');
  await server.setSecrets(id, 'dev', { before: '1' });
  await server.do('POST', `/api/v1/workspace/${id}/auto-capitalization`, { body: { autoCapitalization: true } });
  const at = { projectId: id, environment: 'dev' };
  const refused: [string, string, object][] = [
    ['POST', '/api/v4/secrets/lower', { ...at, secretValue: 'x' }],
    ['POST', '/api/v3/secrets/batch/raw', { ...at, secrets: [{ secretKey: 'lower', secretValue: 'x' }] }],
    ['PATCH', '/api/v4/secrets/before', { ...at, newSecretName: 'After' }],
    ['PATCH', '/api/v4/secrets/batch', { ...at, mode: 'upsert', secrets: [{ secretKey: 'lower', secretValue: 'x' }] }],
  ];
  for (const [method, url, body] of refused) {
    const answer = await server.send(method, url, { token: server.admin, body });
    expect([url, answer.status], answer.text).toEqual([url, 400]);
    expect(answer.body.message).toMatch(/^secret names must be in UPPERCASE in this project: "(lower|After)";/);
  }
  // What is there keeps its name, and may be changed.
  await server.do('PATCH', '/api/v4/secrets/before', { body: { ...at, secretValue: '2' } });
  await server.do('POST', '/api/v4/secrets/UPPER_1', { body: { ...at, secretValue: 'x' } });
  await server.do('PATCH', '/api/v4/secrets/before', { body: { ...at, newSecretName: 'BEFORE' } });
  const { secrets } = await server.do('GET', `/api/v4/secrets?${new URLSearchParams(at)}`);
  expect(secrets.map((secret: any) => secret.secretKey)).toEqual(['BEFORE', 'UPPER_1']);
});

test('projects are listed in pages', async () => {
  const { projects: all } = await server.do('GET', `/api/v1/projects?organizationId=${server.organizationId}`);
  const page = async (offset: number) =>
    (await server.do('GET', `/api/v1/projects?organizationId=${server.organizationId}&limit=2&offset=${offset}`))
      .projects;
  expect([...(await page(0)), ...(await page(2))]).toEqual(all.slice(0, 4));
  expect(await page(1000)).toEqual([]);
});

test('a search finds what the caller can see, and nothing else', async () => {
  const names = ['Needle one', 'needle two', 'hay'];
  const made = await Promise.all(
    names.map(async (projectName, n) => (await create({ projectName, slug: `found-${n}` })).body.project),
  );
  const zoo = await server.organization('needles');
  await create({ projectName: 'needle elsewhere', slug: 'elsewhere', organizationId: zoo.id });
  const reader = await server.machine('searcher', { projectId: made[1].id, roles: [{ role: 'viewer' }] });
  const search = async (body: object, token = reader.token) =>
    server.do('POST', '/api/v1/projects/search', { token, body });
  const found = await search({ name: 'NEEDLE' });
  expect(found).toEqual({ projects: [{ ...made[1], isMember: true }], totalCount: 1 });
  const slugs = async (body: object) => {
    const { projects, totalCount } = await search(body, server.admin);
    return [projects.map((one: any) => one.slug), totalCount];
  };
  expect(await slugs({ name: 'needle' })).toEqual([['elsewhere', 'found-0', 'found-1'], 3]);
  expect(await slugs({ name: 'needle', orderDirection: 'desc' })).toEqual([['found-1', 'found-0', 'elsewhere'], 3]);
  expect(await slugs({ name: 'needle', limit: 1, offset: 1 })).toEqual([['found-0'], 3]);
  expect(await slugs({ name: 'needle', offset: 9 })).toEqual([[], 3]);
  expect(await slugs({ projectIds: [made[2].id, made[0].id] })).toEqual([['found-2', 'found-0'], 2]);
  // It is no pattern.
  expect(await slugs({ name: 'needle%' })).toEqual([[], 0]);
  const { projects } = await search({ projectIds: [made[0].id] });
  expect(projects).toEqual([]);
});

test.each([
  { who: 'a stranger of another organization', status: 404 },
  { who: 'a member without the right', status: 403 },
])('$who gets a $status from each setting', async ({ status }) => {
  const { id, slug } = await server.project(`closed-${status}`);
  const elsewhere = status === 404 ? { organizationId: (await server.organization('closed')).id } : {};
  const member = status === 403 ? { projectId: id, roles: [{ role: 'developer' }] } : {};
  const { token } = await server.machine(`setter-${status}`, { ...elsewhere, ...member });
  for (const { base } of FAMILIES) {
    for (const { method, path, body } of SETTINGS) {
      for (const named of [id, slug]) {
        const answer = await server.send(method, `${base}/${named}/${path}`, { token, body });
        expect([base, path, answer.status], answer.text).toEqual([base, path, status]);
      }
    }
  }
});
