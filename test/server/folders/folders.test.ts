import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
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
    version: 1,
    envId: UUID,
    parentId: UUID,
    isReserved: false,
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
