import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Machine, startServer, type TestServer } from '../../support/server.ts';

/** Folders under rules about paths: what a path keeps closed, no new name opens. */

let server: TestServer;
let project: { id: string };
let count = 0;

beforeAll(async () => {
  server = await startServer();
  project = await server.project('gateway');
  for (const [path, name] of [
    ['/', 'open'],
    ['/', 'locked'],
    ['/open', 'inner'],
    ['/locked', 'deep'],
  ]) {
    await server.do('POST', '/api/v1/folders', { body: { projectId: project.id, environment: 'dev', path, name } });
  }
  await server.setSecrets(project.id, 'dev', { KEPT: 'x' }, '/locked');
  await server.setSecrets(project.id, 'dev', { KEPT: 'x' }, '/open/inner');
});
afterAll(() => server.close());

const folders = (action: string[], $glob: string, inverted = false) => ({
  subject: 'secret-folders',
  action,
  conditions: { secretPath: { $glob } },
  inverted,
});
const secrets = (action: string[], $glob: string, inverted = false) => ({
  ...folders(action, $glob, inverted),
  subject: 'secrets',
});

async function holder(permissions: unknown[]): Promise<Machine> {
  const slug = `role-${++count}`;
  await server.do('POST', `/api/v1/projects/${project.id}/roles`, { body: { slug, name: 'A role', permissions } });
  return server.machine(`holder-${count}`, { projectId: project.id, roles: [{ role: slug }] });
}

async function folder(path: string): Promise<{ id: string }> {
  const url = `/api/v2/folders?projectId=${project.id}&environment=dev&recursive=true`;
  return (await server.do('GET', url)).folders.find((one: any) => one.path === path);
}

const send = (method: string, url: string, by: Machine, body: object) =>
  server.send(method, url, { token: by.token, body: { projectId: project.id, environment: 'dev', ...body } });

test('a folder is not renamed into the reach of a rule', async () => {
  const all = ['read', 'create', 'edit', 'delete'];
  const mallory = await holder([folders(all, '/**'), secrets(all, '/open*/**')]);
  const { id } = await folder('/locked');
  const answer = await send('PATCH', `/api/v1/folders/${id}`, mallory, { path: '/', name: 'open2' });
  expect([answer.status, answer.body.message]).toEqual([
    403,
    `holder-${count} may not read secrets at "/locked" in environment "dev" of project "gateway"; its roles there are: role-${count}@*`,
  ]);
  expect(await folder('/locked')).toMatchObject({ id });
});

test('a folder is not deleted with secrets that a rule protects', async () => {
  const all = ['read', 'create', 'edit', 'delete'];
  const keeper = await holder([folders(all, '/**'), secrets(all, '/**'), secrets(['delete'], '/open/inner', true)]);
  const { id } = await folder('/open');
  const answer = await send('DELETE', `/api/v1/folders/${id}`, keeper, { path: '/' });
  expect([answer.status, answer.body.details]).toMatchObject([403, { action: 'delete', path: '/open/inner' }]);
  expect(await folder('/open/inner')).toBeDefined();
});

test('a folder that is named by its id is judged by where it is', async () => {
  const all = ['read', 'create', 'edit', 'delete'];
  const owner = await holder([folders(all, '/open/**'), secrets(all, '/**')]);
  const { id } = await folder('/locked/deep');
  for (const [method, body] of [
    ['PATCH', { path: '/open', name: 'mine' }],
    ['DELETE', { path: '/open' }],
  ] as const) {
    expect([method, (await send(method, `/api/v1/folders/${id}`, owner, body)).status]).toEqual([method, 403]);
  }
  expect((await send('POST', '/api/v1/folders', owner, { path: '/open', name: 'more' })).status).toBe(200);
  expect((await send('POST', '/api/v1/folders', owner, { path: '/', name: 'more' })).status).toBe(403);
});

test('a list shows the folders that the rules reach', async () => {
  const reader = await holder([secrets(['describeSecret'], '/open/**')]);
  const paths = async (query: string) => {
    const url = `/api/v2/folders?projectId=${project.id}&environment=dev${query}`;
    const { folders } = await server.do('GET', url, { token: reader.token });
    return folders.map((one: any) => one.path);
  };
  expect(await paths('')).toEqual(['/open']);
  expect(await paths('&recursive=true')).toEqual(expect.arrayContaining(['/open', '/open/inner']));
  expect(await paths('&recursive=true')).not.toContain('/locked');
  const { id } = await folder('/locked');
  expect((await server.send('GET', `/api/v1/folders/${id}`, { token: reader.token })).status).toBe(403);
  const nobody = await holder([secrets(['describeSecret'], '/open/**', true)]);
  const url = `/api/v2/folders?projectId=${project.id}&environment=dev`;
  expect((await server.send('GET', url, { token: nobody.token })).status).toBe(403);
});
