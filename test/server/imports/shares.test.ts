import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Machine, startServer, type TestServer } from '../../support/server.ts';
import { statementsOf } from '../path/statements.ts';
import { auditOf, folder, importInto, read, readOne, share } from '../reads/world.ts';

let server: TestServer;
let source: { id: string; slug: string };
let target: { id: string; slug: string };
let machine: Machine;
let count = 0;

beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

beforeEach(async () => {
  source = await server.project(`source-${++count}`);
  target = await server.project(`target-${count}`);
  await folder(server, { projectId: source.id, environment: 'prod', path: '/postgres' });
  await server.setSecrets(source.id, 'prod', { PASSWORD: 'one', USER: 'pg' }, '/postgres');
  await server.setSecrets(source.id, 'prod', { UNSHARED: 'hidden' });
  await server.setSecrets(target.id, 'prod', { OWN: 'own' });
  machine = await server.machine(`service-${count}`, {
    projectId: target.id,
    roles: [{ role: 'viewer', environments: ['prod'] }],
  });
});

const from = () => ({ projectId: source.id, environment: 'prod', path: '/postgres' });
const into = () => ({ projectId: target.id, environment: 'prod' });
const list = () => read(server, machine.token, into());
const imported = [['prod:/postgres', 'PASSWORD=one', 'USER=pg']];
const tryImport = (token: string, path = '/postgres') =>
  server.send('POST', '/api/v2/secret-imports', {
    token,
    body: { ...into(), path: '/', import: { environment: 'prod', path, projectId: source.id } },
  });

test('a shared folder is read by who was never a member of its project', async () => {
  await share(server, from(), target.id);
  await importInto(server, into(), from());
  expect(await list()).toEqual({ own: ['OWN=own'], imports: imported });
  expect(await readOne(server, machine.token, 'PASSWORD', into())).toBe('one');
  expect((await read(server, machine.token, from())) as any).toMatchObject({ status: expect.any(Number) });
});

test('both sides have to want it', async () => {
  expect((await tryImport(server.admin)).status).toBe(404);
  await share(server, from(), target.id);
  const member = await server.machine(`member-${count}`, { projectId: target.id, roles: [{ role: 'viewer' }] });
  expect((await tryImport(member.token)).status).toBe(403);
  expect((await tryImport(server.admin, '/')).status).toBe(404);
  expect((await tryImport(server.admin)).status).toBe(200);
});

test('a folder that is not shared is not told apart from none', async () => {
  const [unshared, none] = [await tryImport(server.admin, '/postgres'), await tryImport(server.admin, '/nowhere')];
  expect(unshared.body.message.replace('/postgres', '')).toBe(none.body.message.replace('/nowhere', ''));
});

test('a withdrawn share ends every read on the next request', async () => {
  const id = await share(server, from(), target.id);
  await importInto(server, into(), from());
  expect(await list()).toMatchObject({ imports: imported });
  await server.do('DELETE', `/api/v1/projects/${source.id}/folder-shares/${id}`);
  expect(await list()).toEqual({ own: ['OWN=own'], imports: [] });
  expect(await readOne(server, machine.token, 'PASSWORD', into())).toMatchObject({ status: 404 });
  const { secretImports } = await server.do('GET', `/api/v2/secret-imports?projectId=${target.id}&environment=prod`);
  expect(secretImports).toMatchObject([{ isActive: false, importProjectId: source.id }]);
  await share(server, from(), target.id);
  expect(await list()).toMatchObject({ imports: imported });
});

test.each<{ name: string; write: () => Promise<unknown>; next: object }>([
  {
    name: 'a changed value',
    write: () =>
      server.do('PATCH', '/api/v4/secrets/PASSWORD', {
        body: { projectId: source.id, environment: 'prod', secretPath: '/postgres', secretValue: 'two' },
      }),
    next: { imports: [['prod:/postgres', 'PASSWORD=two', 'USER=pg']] },
  },
  {
    name: 'a deleted folder',
    write: () =>
      server.do('DELETE', '/api/v2/folders/postgres', { body: { projectId: source.id, environment: 'prod' } }),
    next: { imports: [] },
  },
  {
    name: 'a deleted project',
    write: () => server.do('DELETE', `/api/v1/projects/${source.id}`),
    next: { imports: [] },
  },
])('$name of the source shows in the very next read', async ({ write, next }) => {
  await share(server, from(), target.id);
  await importInto(server, into(), from());
  expect(await list()).toMatchObject({ imports: imported });
  await write();
  expect(await list()).toMatchObject(next);
});

test('an answer of two projects costs one statement, and none of the second when it has no part', async () => {
  await share(server, from(), target.id);
  await importInto(server, into(), from());
  await list();
  expect(await statementsOf(server.sql, list)).toEqual({ admit: 1 });
});

test('both audits show the read, cached or not', async () => {
  await share(server, from(), target.id);
  await importInto(server, into(), from());
  for (let round = 0; round < 2; round++) await list();
  const records = await auditOf(server, machine.id);
  expect(records.filter(({ project }) => project === target.id)).toMatchObject(Array(2).fill({ keys: ['OWN'] }));
  expect(records.filter(({ project }) => project === source.id)).toMatchObject(
    Array(2).fill({
      environment: 'prod',
      path: '/postgres',
      keys: ['PASSWORD', 'USER'],
      metadata: { through: 'import', readIn: target.id },
    }),
  );
});

test('a share brings nothing along that is not shared itself', async () => {
  await folder(server, { projectId: source.id, environment: 'prod', path: '/deeper' });
  await server.setSecrets(source.id, 'prod', { DEEP: 'deep' }, '/deeper');
  await importInto(server, from(), { environment: 'prod', path: '/deeper' });
  await server.do('PATCH', '/api/v4/secrets/USER', {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a reference
    body: { projectId: source.id, environment: 'prod', secretPath: '/postgres', secretValue: 'at ${prod.UNSHARED}' },
  });
  await share(server, from(), target.id);
  await importInto(server, into(), from());
  const answer = await list();
  expect(answer).toMatchObject({ status: 400 });
  expect(JSON.stringify(answer)).not.toContain('hidden');
  expect(await read(server, machine.token, into(), { expandSecretReferences: 'false' })).toMatchObject({
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a reference
    imports: [['prod:/postgres', 'PASSWORD=one', 'USER=at ${prod.UNSHARED}']],
  });
  await share(server, { ...from(), path: '/deeper' }, target.id);
  expect(await read(server, machine.token, into(), { expandSecretReferences: 'false' })).toMatchObject({
    imports: [['prod:/postgres', 'PASSWORD=one', expect.any(String), 'DEEP=deep']],
  });
});

test('only who runs a project shares of it', async () => {
  const viewer = await server.machine(`viewer-${count}`, { projectId: source.id, roles: [{ role: 'viewer' }] });
  const lux = await server.organization(`lux-${count}`);
  const theirs = await server.project(`theirs-${count}`, lux.id);
  const stranger = await server.machine(`stranger-${count}`, { organizationId: lux.id, role: 'admin' });
  const url = `/api/v1/projects/${source.id}/folder-shares`;
  const body = { environment: 'prod', path: '/postgres', targetProjectId: target.id };
  const send = async (token: string, more = {}) =>
    (await server.send('POST', url, { token, body: { ...body, ...more } })).status;
  expect(await send(viewer.token)).toBe(403);
  expect(await send(stranger.token)).toBe(404);
  expect(await send(server.admin, { targetProjectId: theirs.id })).toBe(404);
  expect(await send(server.admin, { targetProjectId: source.id })).toBe(400);
  expect(await send(server.admin, { path: '/nowhere' })).toBe(404);
  expect(await send(server.admin)).toBe(200);
  expect(await send(server.admin)).toBe(409);
  const received = await server.do('GET', `/api/v1/projects/${target.id}/folder-shares/received`);
  expect(received.folderShares).toMatchObject([{ projectSlug: source.slug, path: '/postgres' }]);
  const { folderShares } = await server.do('GET', url);
  const withdraw = async (token: string) =>
    (await server.send('DELETE', `${url}/${folderShares[0].id}`, { token })).status;
  expect([await withdraw(viewer.token), await withdraw(stranger.token)]).toEqual([403, 404]);
});
