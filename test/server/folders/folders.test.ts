import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startServer, type TestServer } from '../../support/server.ts';

let server: TestServer;
let projectId: string;
let at: { projectId: string; environment: string };

beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());
beforeEach(async () => {
  projectId = (await server.project(`p-${randomUUID()}`)).id;
  at = { projectId, environment: 'dev' };
});

const UUID = expect.stringMatching(/^[0-9a-f-]{36}$/);
const INSTANT = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const V1 = '/api/v1/folders';
const create = (name: string, path = '/') => server.do('POST', V1, { body: { ...at, name, path } });
async function paths(more: Record<string, string> = {}): Promise<string[]> {
  const { folders } = await server.do('GET', `${V1}?${new URLSearchParams({ ...at, ...more })}`);
  return folders.map((folder: any) => folder.path);
}

test.each([V1, '/api/v2/folders'])('%s makes, reads, renames and deletes folders', async (url) => {
  const made = await server.do('POST', url, { body: { ...at, name: 'database' } });
  const { folder } = made;
  expect(folder).toEqual({
    id: UUID,
    name: 'database',
    path: '/database',
    description: null,
    version: 1,
    envId: UUID,
    parentId: UUID,
    isReserved: false,
    lastSecretModified: null,
    createdAt: INSTANT,
    updatedAt: INSTANT,
  });
  expect(await server.do('GET', `${url}/${folder.id}`)).toEqual({
    folder: { ...folder, projectId, environment: { envId: folder.envId, envName: expect.any(String), envSlug: 'dev' } },
  });
  expect((await server.do('GET', `${url}?${new URLSearchParams(at)}`)).folders).toEqual([folder]);
  const renamed = await server.do('PATCH', `${url}/${folder.id}`, { body: { ...at, name: 'db' } });
  expect(renamed.folder).toMatchObject({ id: folder.id, name: 'db', path: '/db', version: 2 });
  const deleted = await server.do('DELETE', `${url}/db`, { body: at });
  expect(deleted.folder.id).toBe(folder.id);
  expect((await server.send('GET', `${url}/${folder.id}`, { token: server.admin })).body).toMatchObject({
    statusCode: 404,
    message: `folder ${folder.id} not found`,
  });
});

test.each([
  { what: 'workspaceId and directory', given: () => ({ workspaceId: projectId, environment: 'dev', directory: '/a' }) },
  { what: 'a trailing slash', given: () => ({ projectId, environment: 'dev', path: '/a/' }) },
  {
    what: 'empty strings',
    given: () => ({ projectId, workspaceId: '', environment: 'dev', path: '', directory: '/a' }),
  },
  { what: 'the alias of prod', given: () => ({ projectId, environment: 'production', path: '/a' }) },
])('a folder may be addressed with $what', async ({ given }) => {
  const { folder } = await server.do('POST', V1, { body: { ...given(), name: 'b' } });
  expect(folder.path).toBe('/a/b');
  const query = new URLSearchParams(given() as Record<string, string>);
  expect((await server.do('GET', `${V1}?${query}`)).folders).toMatchObject([{ path: '/a/b' }]);
});

test('missing folders above are made along', async () => {
  await create('deep', '/a/b/c');
  expect(await paths()).toEqual(['/a']);
  expect(await paths({ path: '/a/b' })).toEqual(['/a/b/c']);
  expect(await paths({ recursive: 'true' })).toEqual(['/a', '/a/b', '/a/b/c', '/a/b/c/deep']);
  expect(await paths({ path: '/a/b', recursive: 'true' })).toEqual(['/a/b/c', '/a/b/c/deep']);
});

test('a folder that is there is answered as it is', async () => {
  const first = await create('same', '/a');
  expect(await create('same', '/a')).toEqual(first);
  const many = await Promise.all(Array.from({ length: 8 }, () => create('race', '/x/y')));
  expect(new Set(many.map(({ folder }) => folder.id)).size).toBe(1);
  expect(await paths({ recursive: 'true' })).toEqual(['/a', '/a/same', '/x', '/x/y', '/x/y/race']);
});

test('a renamed folder takes what is below along', async () => {
  const { folder } = await create('inner', '/old');
  const { id } = (await server.do('GET', `${V1}?${new URLSearchParams(at)}`)).folders[0];
  // A neighbour whose name starts alike stays where it is.
  await create('old-too');
  await create('old', '/other');
  await server.setSecrets(projectId, 'dev', { A: 'kept' }, '/old/inner');
  await server.do('PATCH', `${V1}/${id}`, { body: { ...at, name: 'new' } });
  expect(await paths({ recursive: 'true' })).toEqual(['/new', '/new/inner', '/old-too', '/other', '/other/old']);
  const query = new URLSearchParams({ ...at, secretPath: '/new/inner' });
  expect((await server.do('GET', `/api/v4/secrets?${query}`)).secrets).toMatchObject([
    { secretKey: 'A', secretValue: 'kept', secretPath: '/new/inner' },
  ]);
  expect((await server.do('GET', `${V1}/${folder.id}`)).folder.path).toBe('/new/inner');
  const old = new URLSearchParams({ ...at, secretPath: '/old/inner' });
  expect((await server.send('GET', `/api/v4/secrets?${old}`, { token: server.admin })).status).toBe(404);
});

test('a folder is not renamed over another', async () => {
  await create('taken');
  const { folder } = await create('mine');
  const body = { ...at, name: 'taken' };
  const answer = await server.send('PATCH', `${V1}/${folder.id}`, { token: server.admin, body });
  expect([answer.status, answer.body.message]).toEqual([409, 'folder "taken" exists already beside it']);
  expect(await paths()).toEqual(['/mine', '/taken']);
});

test.each(['id', 'name'])('a folder deleted by %s takes its secrets along', async (by) => {
  const { folder } = await create('doomed');
  await create('inner', '/doomed');
  await server.setSecrets(projectId, 'dev', { A: '1' }, '/doomed');
  await server.setSecrets(projectId, 'dev', { A: '1' }, '/doomed/inner');
  await server.setSecrets(projectId, 'dev', { A: 'kept' });
  await server.do('DELETE', `${V1}/${by === 'id' ? folder.id : folder.name}`, { body: at });
  expect(await paths({ recursive: 'true' })).toEqual([]);
  const { rows } = await server.sql.query('select key from secrets where project_id = $1', [projectId]);
  expect(rows).toEqual([{ key: 'A' }]);
});

test('the root folder is neither renamed nor deleted', async () => {
  const { rows } = await server.sql.query("select id from folders where project_id = $1 and path = '/'", [projectId]);
  for (const { id } of rows) {
    for (const method of ['PATCH', 'DELETE']) {
      const answer = await server.send(method, `${V1}/${id}`, { token: server.admin, body: { ...at, name: 'x' } });
      expect(answer.status).toBe(404);
    }
  }
});

test.each([
  {
    what: 'environment',
    more: { environment: 'dve' },
    says: /^environment "dve" not found in project ".*": it has dev, staging, prod$/,
  },
  { what: 'path', more: { path: '/gone' }, says: /^folder "\/gone" not found in environment "dev" of project ".*"$/ },
])('a mistyped $what is a 404 naming it', async ({ more, says }) => {
  const { folder } = await create('here');
  const given = { ...at, ...more } as Record<string, string>;
  const answers = [
    await server.send('GET', `${V1}?${new URLSearchParams(given)}`, { token: server.admin }),
    await server.send('PATCH', `${V1}/${folder.id}`, { token: server.admin, body: { ...given, name: 'x' } }),
    await server.send('DELETE', `${V1}/here`, { token: server.admin, body: given }),
  ];
  for (const { status, body } of answers) expect([status, body.message]).toEqual([404, expect.stringMatching(says)]);
});

test.each(['', 'a/b', 'a b', '..', '.', 'ü', 'a:b', 'x'.repeat(256), 'a\n'])(
  'the folder name %j is refused',
  async (name) => {
    const answer = await server.send('POST', V1, { token: server.admin, body: { ...at, name } });
    expect([answer.status, answer.body.message[0].path]).toEqual([422, ['name']]);
  },
);

test.each(['a', '/a//b', '/../a', '/a b', '/%2e', '/a\\b'])('the path %j is refused', async (path) => {
  const answer = await server.send('POST', V1, { token: server.admin, body: { ...at, path, name: 'x' } });
  expect([answer.status, answer.body.message[0].path]).toEqual([422, ['path']]);
});

test('32 levels are a path, 33 are not', async () => {
  const levels = (count: number) => `/${Array(count).fill('l').join('/')}`;
  expect((await create('l', levels(31))).folder.path).toBe(levels(32));
  const answer = await server.send('POST', V1, { token: server.admin, body: { ...at, path: levels(32), name: 'l' } });
  expect([answer.status, answer.body.message]).toEqual([400, 'a path has at most 32 levels']);
});

test.each([
  ['True', ['/a', '/a/b']],
  ['TRUE', ['/a', '/a/b']],
  ['False', ['/a']],
])('recursive=%s is read in any case', async (recursive, expected) => {
  await create('b', '/a');
  expect(await paths({ recursive })).toEqual(expected);
});

test('recursive=yes is refused', async () => {
  expect(
    (await server.send('GET', `${V1}?${new URLSearchParams({ ...at, recursive: 'yes' })}`, { token: server.admin }))
      .status,
  ).toBe(422);
});

const list = async (more: Record<string, string> = {}) =>
  (await server.do('GET', `${V1}?${new URLSearchParams({ ...at, ...more })}`)).folders;

test('a description is kept, changed, and taken away', async () => {
  const { folder } = await server.do('POST', V1, {
    body: { ...at, name: 'a', path: '/above', description: 'what for' },
  });
  expect(folder.description).toBe('what for');
  // Not of those that were made along.
  expect((await list())[0]).toMatchObject({ name: 'above', description: null });
  const change = async (body: object) =>
    (await server.do('PATCH', `${V1}/${folder.id}`, { body: { ...at, path: '/above', ...body } })).folder;
  expect(await change({ name: 'b' })).toMatchObject({ name: 'b', description: 'what for', version: 2 });
  expect(await change({ name: 'b', description: 'other' })).toMatchObject({ path: '/above/b', description: 'other' });
  expect(await change({ name: 'b', description: null })).toMatchObject({ description: null });
  const long = await server.send('POST', V1, {
    token: server.admin,
    body: { ...at, name: 'l', description: 'x'.repeat(256) },
  });
  expect([long.status, long.body.message[0].path]).toEqual([422, ['description']]);
});

test('a folder may be renamed by its name, as older clients do', async () => {
  await create('a', '/above');
  const { folder } = await server.do('PATCH', `${V1}/a`, { body: { ...at, path: '/above', name: 'b' } });
  expect(folder.path).toBe('/above/b');
});

test('a folder tells when a secret in it was last made, changed, moved or deleted', async () => {
  const { folder } = await create('kept');
  await create('below', '/kept');
  const last = async () => (await server.do('GET', `${V1}/${folder.id}`)).folder.lastSecretModified;
  expect(await last()).toBe(null);
  const inside = { ...at, secretPath: '/kept' };
  const { secret } = await server.do('POST', '/api/v4/secrets/A', { body: { ...inside, secretValue: '1' } });
  expect(await last()).toBe(secret.updatedAt);
  const changed = await server.do('PATCH', '/api/v4/secrets/A', { body: { ...inside, secretValue: '2' } });
  expect(await last()).toBe(changed.secret.updatedAt);
  await server.setSecrets(projectId, 'dev', { B: '1' }, '/kept/below');
  expect(await last()).toBe(changed.secret.updatedAt);
  await server.sql.query('select pg_sleep(0.01)');
  await server.do('DELETE', '/api/v4/secrets/A', { body: inside });
  const deleted = await last();
  expect(Date.parse(deleted)).toBeGreaterThan(Date.parse(changed.secret.updatedAt));
  // Those that were changed since, the moment itself included.
  const since = (lastSecretModified: string) => list({ recursive: 'true', lastSecretModified });
  expect((await since(deleted)).map(({ path }: any) => path)).toEqual(['/kept']);
  expect((await since('2000-01-01T00:00:00Z')).map(({ path }: any) => path)).toEqual(['/kept', '/kept/below']);
  expect(await since('2999-01-01T00:00:00Z')).toEqual([]);
  const bad = await server.send('GET', `${V1}?${new URLSearchParams({ ...at, lastSecretModified: 'soon' })}`, {
    token: server.admin,
  });
  expect(bad.status).toBe(422);
});

test.each([
  { path: '/', expected: ['/a', '/a/b', '/a/b/c'] },
  { path: '/a', expected: ['/b', '/b/c'] },
])('a recursive list from $path says where each folder is from there', async ({ path, expected }) => {
  await create('c', '/a/b');
  const found = await list({ path, recursive: 'true' });
  expect(found.map(({ relativePath }: any) => relativePath)).toEqual(expected);
  expect('relativePath' in (await list({ path }))[0]).toBe(false);
});

test('a folder is read by where it is, as the Terraform provider names it', async () => {
  const { folder } = await create('b', '/a');
  const read = (path: string, environment = 'dev') =>
    server.send('GET', `${V1}/${projectId}/${environment}/${path}`, { token: server.admin });
  const found = await server.do('GET', `${V1}/${folder.id}`);
  for (const path of ['%2Fa%2Fb', 'a%2Fb', '%2Fa%2Fb%2F']) expect((await read(path)).body).toEqual(found);
  expect((await read('%2F', 'production')).body.folder).toMatchObject({ path: '/', environment: { envSlug: 'prod' } });
  expect((await read('%2Fnone')).status).toBe(404);
  expect((await read('%2Fa%20b')).status).toBe(422);
});

test('folders are listed in pages', async () => {
  for (const name of ['a', 'b', 'c']) await create(name);
  expect(await paths({ limit: '2' })).toEqual(['/a', '/b']);
  expect(await paths({ limit: '2', offset: '2' })).toEqual(['/c']);
  expect(await paths({ recursive: 'true', offset: '1', limit: '1' })).toEqual(['/b']);
  expect(await paths({ offset: '3' })).toEqual([]);
});

describe.each([V1, '/api/v2/folders'])('%s/batch', (base) => {
  const batch = (method: string, folders: object[], project: object = { projectId }) =>
    server.send(method, `${base}/batch`, { token: server.admin, body: { ...project, folders } });

  test('makes, changes and deletes several folders', async () => {
    const made = await batch('POST', [
      { environment: 'dev', path: '/x', name: 'a', description: 'd' },
      { environment: 'production', name: 'b' },
    ]);
    expect(made.body.folders).toMatchObject([{ path: '/x/a', description: 'd' }, { path: '/b' }]);
    const [a, b] = made.body.folders;
    const { slug: projectSlug } = (await server.do('GET', `/api/v1/projects/${projectId}`)).project;
    const changed = await batch(
      'PATCH',
      [
        { id: a.id, environment: 'dev', path: '/x', name: 'a2' },
        { id: 'x', environment: 'dev', name: 'y' },
        { id: b.id, environment: 'prod', name: 'b2', description: 'new' },
      ],
      { projectSlug },
    );
    expect(changed.body.folders).toMatchObject([
      { id: a.id, path: '/y/a2', description: 'd' },
      { path: '/y' },
      { id: b.id, path: '/b2', description: 'new' },
    ]);
    const gone = await batch('DELETE', [
      { environment: 'dev', path: '/y', id: 'a2' },
      { environment: 'prod', id: b.id },
    ]);
    expect(gone.body.folders).toMatchObject([{ id: a.id }, { id: b.id }]);
    expect(await paths({ recursive: 'true' })).toEqual(['/y']);
    const { rows } = await server.sql.query(
      "select event, secret_path as path from audit_log where project_id = $1 and event like '%-folder' order by at, secret_path",
      [projectId],
    );
    expect(rows).toHaveLength(3 + 3 + 2);
  });

  test('changes all or nothing', async () => {
    const { folder } = await create('first');
    await create('second');
    const answers = [
      [
        404,
        await batch('POST', [
          { environment: 'dev', name: 'new' },
          { environment: 'none', name: 'new' },
        ]),
      ],
      [
        409,
        await batch('PATCH', [
          { id: folder.id, environment: 'dev', name: 'other' },
          { id: 'other', environment: 'dev', name: 'second' },
        ]),
      ],
      [
        404,
        await batch('DELETE', [
          { environment: 'dev', id: folder.id },
          { environment: 'dev', id: 'none' },
        ]),
      ],
    ] as const;
    for (const [status, answer] of answers) expect(answer.status, answer.text).toBe(status);
    expect(await paths({ recursive: 'true' })).toEqual(['/first', '/second']);
    const { rowCount } = await server.sql.query(
      "select from audit_log where project_id = $1 and event like '%-folder' and outcome = 'allowed'",
      [projectId],
    );
    expect(rowCount).toBe(2);
  });

  test('needs a project and a list', async () => {
    const nowhere = await batch('PATCH', [{ id: 'a', environment: 'dev', name: 'b' }], {});
    expect([nowhere.status, nowhere.body.message[0].path]).toEqual([422, ['projectId']]);
    const one = await server.send('DELETE', `${base}/batch`, { token: server.admin, body: at });
    expect([one.status, one.body.message[0].message]).toEqual([
      422,
      'a list of folders; one folder that is called "batch" is named by its id',
    ]);
  });
});

test('the tree of a project shows each environment with its folders', async () => {
  await create('b', '/a');
  const url = `/api/v1/projects/${projectId}/environment-folder-tree`;
  const tree = await server.do('GET', url);
  expect(Object.keys(tree)).toEqual(['dev', 'staging', 'prod']);
  expect(tree.dev).toMatchObject({ slug: 'dev', name: 'Development', projectId });
  expect(tree.dev.folders.map(({ path }: any) => path)).toEqual(['/', '/a', '/a/b']);
  expect(tree.prod.folders.map(({ path }: any) => path)).toEqual(['/']);
  // Whoever may look into some environments alone sees those.
  const developer = await server.machine(`dev-${randomUUID()}`, { projectId, roles: [{ role: 'developer' }] });
  expect(Object.keys(await server.do('GET', url, { token: developer.token }))).toEqual(['dev', 'staging']);
});

test.each([
  { who: 'a stranger of another organization', status: 404 },
  { who: 'a member without the right', status: 403 },
])('$who gets a $status from each route', async ({ status }) => {
  const { folder } = await create('kept');
  const elsewhere = status === 404 ? { organizationId: (await server.organization('lux')).id } : {};
  const member = status === 403 ? { projectId, roles: [{ role: 'no-access' }] } : {};
  const { token } = await server.machine(`asking-${status}`, { ...elsewhere, ...member });
  const item = { environment: 'dev', id: folder.id, name: 'x' };
  const requests = [V1, '/api/v2/folders'].flatMap((base): [string, string, object?][] => [
    ['POST', base, { ...at, name: 'x' }],
    ['GET', `${base}?${new URLSearchParams(at)}`],
    ['GET', `${base}?${new URLSearchParams({ ...at, recursive: 'true' })}`],
    ['GET', `${base}/${folder.id}`],
    ['GET', `${base}/${projectId}/dev/%2Fkept`],
    ['PATCH', `${base}/${folder.id}`, { ...at, name: 'x' }],
    ['DELETE', `${base}/${folder.id}`, at],
    ['POST', `${base}/batch`, { projectId, folders: [item] }],
    ['PATCH', `${base}/batch`, { projectId, folders: [item] }],
    ['DELETE', `${base}/batch`, { projectId, folders: [item] }],
  ]);
  for (const [method, url, body] of [
    ...requests,
    ['GET', `/api/v1/projects/${projectId}/environment-folder-tree`] as [string, string],
  ]) {
    const answer = await server.send(method, url, { token, body });
    expect([method, url, answer.status], answer.text).toEqual([method, url, status]);
  }
  expect(await paths()).toEqual(['/kept']);
});
