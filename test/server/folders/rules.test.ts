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

test.each([
  { what: 'the folder', glob: '/vault-%', path: '/vault-%' },
  { what: 'all in it', glob: '/vault-%/**', path: '/vault-%/deep' },
  { what: 'one below it', glob: '/vault-%/deep', path: '/vault-%/deep' },
])('what is forbidden in $what is not left behind by a rename', async ({ glob, path }) => {
  const here = (text: string) => text.replace('%', String(count));
  const name = here('vault-%');
  const at = { projectId: project.id, environment: 'dev' };
  await server.do('POST', '/api/v1/folders', { body: { ...at, name: 'deep', path: `/${name}` } });
  await server.setSecrets(project.id, 'dev', { KEPT: 'x' }, here(path));
  const forbidden = here(glob);
  const at0 = here(path);
  const someone = await holder([secrets(['read'], '/**'), secrets(['read'], forbidden, true)]);
  const reads = async (secretPath: string) => {
    const query = new URLSearchParams({ ...at, secretPath });
    return (await server.send('GET', `/api/v4/secrets/KEPT?${query}`, { token: someone.token })).status;
  };
  expect(await reads(at0)).toBe(403);
  const rename = () =>
    server.send('PATCH', `/api/v1/folders/${name}`, {
      token: server.admin,
      body: { ...at, path: '/', name: `${name}-2` },
    });
  const refused = await rename();
  expect([refused.status, refused.body.message, refused.body.details]).toEqual([
    409,
    `folder "/${name}" in environment "dev" cannot be renamed to "/${name}-2": rules of "role-${count}" forbid something at or below the one path and not at the other; let them forbid it there first`,
    { roles: [`role-${count}`] },
  ]);
  const { role } = await server.do('GET', `/api/v1/projects/${project.id}/roles/slug/role-${count}`);
  const moved = forbidden.replace(name, `${name}-2`);
  const permissions = [secrets(['read'], '/**'), secrets(['read'], forbidden, true), secrets(['read'], moved, true)];
  await server.do('PATCH', `/api/v1/projects/${project.id}/roles/${role.id}`, { body: { permissions } });
  expect((await rename()).status).toBe(200);
  expect(await reads(at0.replace(name, `${name}-2`))).toBe(403);
});

test('a rename by which less is allowed, or more is forbidden, is left to whoever may do it', async () => {
  const at = { projectId: project.id, environment: 'dev' };
  await holder([secrets(['read'], '/allowed/**'), secrets(['edit'], '/closed/**', true)]);
  const { folder: made } = await server.do('POST', '/api/v1/folders', { body: { ...at, name: 'allowed' } });
  await server.do('PATCH', `/api/v1/folders/${made.id}`, { body: { ...at, path: '/', name: 'closed' } });
  expect(await folder('/closed')).toMatchObject({ id: made.id });
});
