import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Machine, startServer, type TestServer } from '../../support/server.ts';
import { statementsOf } from '../path/statements.ts';
import { auditOf, folder, importInto, query, read, readOne } from '../reads/world.ts';

let server: TestServer;
let project: { id: string; slug: string };
let at: { projectId: string };
let machine: Machine;
let count = 0;

beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

beforeEach(async () => {
  project = await server.project(`imports-${++count}`);
  at = { projectId: project.id };
  for (const path of ['/a', '/b', '/c']) await folder(server, { ...at, path });
  await server.setSecrets(project.id, 'dev', { OWN: 'own', BOTH: 'own' });
  await server.setSecrets(project.id, 'dev', { A: 'a', BOTH: 'a' }, '/a');
  await server.setSecrets(project.id, 'dev', { B: 'b', BOTH: 'b', A: 'b' }, '/b');
  await server.setSecrets(project.id, 'dev', { C: 'c', B: 'c' }, '/c');
  machine = await server.machine(`reader-${count}`, { projectId: project.id, roles: [{ role: 'viewer' }] });
});

const list = (more = {}) => read(server, machine.token, at, more);
const imports = async () => {
  const { secretImports } = await server.do('GET', `/api/v2/secret-imports?projectId=${project.id}&environment=dev`);
  return secretImports.map((one: any) => `${one.position} ${one.importEnv.slug}:${one.importPath}`);
};
const body = (more: object = {}) => ({ projectId: project.id, environment: 'dev', path: '/', ...more });

test('imports stand beside the own secrets, in order', async () => {
  await importInto(server, at, { path: '/a' });
  await importInto(server, at, { path: '/b' });
  expect(await list()).toEqual({
    own: ['BOTH=own', 'OWN=own'],
    imports: [
      ['dev:/a', 'A=a', 'BOTH=a'],
      ['dev:/b', 'A=b', 'B=b', 'BOTH=b'],
    ],
  });
});

test.each([
  { version: 'v4', url: '/api/v4/secrets', default: 1 },
  { version: 'v3', url: '/api/v3/secrets/raw', default: 0 },
])('$version shows $default imports unless told', async ({ url, default: shown }) => {
  await importInto(server, at, { path: '/a' });
  const count = async (more = {}) => (await server.do('GET', `${url}?${query(at, more)}`)).imports.length;
  expect(await count()).toBe(shown);
  expect(await count({ include_imports: '' })).toBe(shown);
  for (const name of ['include_imports', 'includeImports']) {
    expect([await count({ [name]: 'true' }), await count({ [name]: 'false' })]).toEqual([1, 0]);
  }
});

test('an import brings along what its folder imports, the own first', async () => {
  await importInto(server, at, { path: '/a' });
  await importInto(server, { ...at, path: '/a' }, { path: '/b' });
  await importInto(server, { ...at, path: '/b' }, { path: '/c' });
  expect(await list()).toMatchObject({ imports: [['dev:/a', 'A=a', 'BOTH=a', 'B=b', 'C=c']] });
});

test('a key that the folder lacks is found in the latest import', async () => {
  await importInto(server, at, { path: '/a' });
  await importInto(server, at, { path: '/b' });
  const one = (key: string, more = {}) => readOne(server, machine.token, key, at, more);
  expect([await one('BOTH'), await one('A'), await one('B')]).toEqual(['own', 'b', 'b']);
  expect(await one('A', { includeImports: 'false' })).toMatchObject({ status: 404 });
  expect(await one('NONE')).toMatchObject({ status: 404 });
});

test.each<{ what: string; into: string; from: string; before: [string, string][] }>([
  { what: 'itself', into: '/a', from: '/a', before: [] },
  { what: 'one that imports it', into: '/b', from: '/a', before: [['/a', '/b']] },
  {
    what: 'one that imports it through another',
    into: '/c',
    from: '/a',
    before: [
      ['/a', '/b'],
      ['/b', '/c'],
    ],
  },
])('a folder cannot import $what', async ({ into, from, before }) => {
  for (const [one, other] of before) await importInto(server, { ...at, path: one }, { path: other });
  const answer = await server.send('POST', '/api/v2/secret-imports', {
    token: server.admin,
    body: body({ path: into, import: { environment: 'dev', path: from } }),
  });
  expect([answer.status, answer.body.message]).toEqual([400, expect.stringMatching(/^Cyclic import not allowed/)]);
});

test('a position moves an import, and the others make room', async () => {
  const ids: string[] = [];
  for (const path of ['/a', '/b', '/c']) ids.push(await importInto(server, at, { path }));
  const move = (id: string, position: number) =>
    server.do('PATCH', `/api/v2/secret-imports/${id}`, { body: body({ import: { position } }) });
  await move(ids[2]!, 1);
  expect(await imports()).toEqual(['1 dev:/c', '2 dev:/a', '3 dev:/b']);
  expect((await move(ids[2]!, 99)).secretImport.position).toBe(3);
  expect(await imports()).toEqual(['1 dev:/a', '2 dev:/b', '3 dev:/c']);
  await server.do('DELETE', `/api/v2/secret-imports/${ids[1]}`, { body: body() });
  expect(((await list()) as any).imports.map(([name]: any) => name)).toEqual(['dev:/a', 'dev:/c']);
});

test('an import can be pointed elsewhere', async () => {
  const id = await importInto(server, at, { path: '/a' });
  const { secretImport } = await server.do('PATCH', `/api/v1/secret-imports/${id}`, {
    body: { workspaceId: project.id, environment: 'dev', path: '/', import: { path: '/c' } },
  });
  expect(secretImport).toMatchObject({ importPath: '/c', version: 2, importEnv: { slug: 'dev' } });
  expect(await list()).toMatchObject({ imports: [['dev:/c', 'B=c', 'C=c']] });
});

test('an import follows a renamed folder and ends with a deleted one', async () => {
  await importInto(server, at, { path: '/a' });
  const { folders } = await server.do('GET', `/api/v2/folders?projectId=${project.id}&environment=dev`);
  const { id } = folders.find((one: any) => one.name === 'a');
  await server.do('PATCH', `/api/v2/folders/${id}`, { body: body({ name: 'renamed' }) });
  expect(await list()).toMatchObject({ imports: [['dev:/renamed', 'A=a', 'BOTH=a']] });
  await server.do('DELETE', `/api/v2/folders/${id}`, { body: body() });
  expect(await list()).toMatchObject({ imports: [] });
});

test('what the caller may not read is not imported for it', async () => {
  await server.setSecrets(project.id, 'prod', { SECRET: 'of prod' });
  await importInto(server, at, { environment: 'prod' });
  await importInto(server, at, { path: '/a' });
  const developer = await server.machine(`developer-${count}`, {
    projectId: project.id,
    roles: [{ role: 'developer' }],
  });
  for (let round = 0; round < 2; round++) {
    expect(await read(server, developer.token, at)).toMatchObject({ imports: [['dev:/a', 'A=a', 'BOTH=a']] });
    expect(await readOne(server, developer.token, 'SECRET', at)).toMatchObject({ status: 404 });
    expect(await readOne(server, machine.token, 'SECRET', at)).toBe('of prod');
  }
});

test('who may not read a folder cannot import it', async () => {
  const developer = await server.machine(`maker-${count}`, { projectId: project.id, roles: [{ role: 'developer' }] });
  const send = (environment: string) =>
    server.send('POST', '/api/v2/secret-imports', {
      token: developer.token,
      body: body({ import: { environment, path: environment === 'prod' ? '/' : '/a' } }),
    });
  expect((await send('prod')).status).toBe(403);
  expect((await send('dev')).status).toBe(200);
  const viewer = await server.send('POST', '/api/v2/secret-imports', {
    token: machine.token,
    body: body({ import: { environment: 'dev', path: '/b' } }),
  });
  expect(viewer.status).toBe(403);
});

test('an answer with imports costs one statement once it is held', async () => {
  await importInto(server, at, { path: '/a' });
  await list();
  expect(await statementsOf(server.sql, list)).toEqual({ admit: 1 });
  await server.do('PATCH', '/api/v4/secrets/A', {
    body: { ...body({ path: undefined }), secretPath: '/a', secretValue: 'new' },
  });
  expect(await list()).toMatchObject({ imports: [['dev:/a', 'A=new', 'BOTH=a']] });
});

test('the audit tells what was read through an import, cached or not', async () => {
  await importInto(server, at, { path: '/a' });
  for (let round = 0; round < 2; round++) await list();
  const records = await auditOf(server, machine.id);
  const own = { project: project.id, path: '/', keys: ['BOTH', 'OWN'], metadata: null };
  const imported = {
    project: project.id,
    path: '/a',
    keys: ['A', 'BOTH'],
    metadata: { through: 'import', readIn: project.id },
  };
  expect(records).toMatchObject([own, imported, own, imported]);
});

test.each([
  { what: 'a missing folder', source: { environment: 'dev', path: '/nowhere' }, status: 404 },
  { what: 'a missing environment', source: { environment: 'qa', path: '/' }, status: 404 },
  { what: 'what is imported already', source: { environment: 'dev', path: '/a' }, status: 409 },
  { what: 'a replication', source: { environment: 'dev', path: '/b' }, isReplication: true, status: 400 },
])('importing $what is refused', async ({ source, status, isReplication }) => {
  await importInto(server, at, { path: '/a' });
  const answer = await server.send('POST', '/api/v2/secret-imports', {
    token: server.admin,
    body: body({ import: source, isReplication }),
  });
  expect(answer.status).toBe(status);
});
