import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Machine, startServer, type TestServer } from '../../support/server.ts';
import { reader } from './readers.ts';
import { statementsOf } from './statements.ts';

let server: TestServer;
let machine: Machine;
let project: { id: string; slug: string };
let projects = 0;
const UUID = /^[0-9a-f-]{36}$/;

beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

/** A project of each test's own, and its list in memory. */
beforeEach(async () => {
  project = await server.project(`project-${++projects}`);
  await server.do('POST', '/api/v2/folders', { body: { projectId: project.id, environment: 'prod', name: 'db' } });
  await server.setSecrets(project.id, 'prod', { A: 'one', B: 'two' });
  await server.setSecrets(project.id, 'prod', { PASSWORD: 'three' }, '/db');
  machine = await reader(server, `service-${projects}`, project.id);
  await list();
});

/** All of `prod`, as `{path: {KEY: value}}` or as the refusal. */
async function list() {
  const url = `/api/v4/secrets?environment=prod&projectId=${project.id}&recursive=true`;
  const { status, body } = await server.send('GET', url, { token: machine.token });
  if (status !== 200) return { status, message: body.message };
  return Object.fromEntries(
    body.secrets.map((s: any) => [`${s.secretPath === '/' ? '' : s.secretPath}/${s.secretKey}`, s.secretValue]),
  );
}

const start = { '/A': 'one', '/B': 'two', '/db/PASSWORD': 'three' };
const place = () => ({ projectId: project.id, environment: 'prod' });
const environment = async (slug: string) => {
  const { environments } = (await server.do('GET', `/api/v1/projects/${project.id}`)).project;
  return `/api/v1/projects/${project.id}/environments/${environments.find((e: any) => e.slug === slug).id}`;
};
const patchSecret = (key: string, change: object) =>
  server.do('PATCH', `/api/v4/secrets/${key}`, { body: { ...place(), ...change } });
const patchRoles = (roles: object[]) =>
  server.do('PATCH', `/api/v2/workspace/${project.id}/identity-memberships/${machine.id}`, { body: { roles } });

test.each<{ name: string; write: () => Promise<unknown>; next: object }>([
  {
    name: 'a new secret',
    write: () => server.setSecrets(project.id, 'prod', { C: 'new' }),
    next: { ...start, '/C': 'new' },
  },
  { name: 'a changed value', write: () => patchSecret('A', { secretValue: '1' }), next: { ...start, '/A': '1' } },
  {
    name: 'a renamed secret',
    write: () => patchSecret('A', { newSecretName: 'Z' }),
    next: { '/Z': 'one', '/B': 'two', '/db/PASSWORD': 'three' },
  },
  {
    name: 'a deleted secret',
    write: () => server.do('DELETE', '/api/v4/secrets/B', { body: place() }),
    next: { '/A': 'one', '/db/PASSWORD': 'three' },
  },
  {
    name: 'a renamed folder',
    write: async () => {
      const { folders } = await server.do('GET', `/api/v2/folders?environment=prod&projectId=${project.id}`);
      await server.do('PATCH', `/api/v2/folders/${folders[0].id}`, { body: { ...place(), name: 'data' } });
    },
    next: { '/A': 'one', '/B': 'two', '/data/PASSWORD': 'three' },
  },
  {
    name: 'a deleted folder',
    write: () => server.do('DELETE', '/api/v2/folders/db', { body: place() }),
    next: { '/A': 'one', '/B': 'two' },
  },
  {
    name: 'a deleted environment',
    write: async () => server.do('DELETE', await environment('prod')),
    // The membership was limited to prod, and let go of it.
    next: { status: 403, message: expect.stringContaining('may not read secrets in environment "prod"') },
  },
  {
    name: 'a role in another environment only',
    write: () => patchRoles([{ role: 'viewer', environments: ['staging'] }]),
    next: { status: 403, message: expect.stringContaining('its roles there are: viewer@staging') },
  },
  {
    name: 'one more role',
    write: () => patchRoles([{ role: 'viewer', environments: ['prod'] }, { role: 'ci' }]),
    next: start,
  },
  {
    name: 'a deleted project',
    write: () => server.do('DELETE', `/api/v1/projects/${project.id}`),
    next: { status: 404, message: expect.stringMatching(/^project ".*" not found$/) },
  },
])('$name shows in the very next read', async ({ write, next }) => {
  expect(await list()).toEqual(start);
  await write();
  expect(await list()).toEqual(next);
});

test('who wrote a secret is named as they are called now, and not at all when they are gone', async () => {
  const writer = await server.machine(`writer-${projects}`, { projectId: project.id, roles: [{ role: 'admin' }] });
  const written = { ...place(), secretValue: 'by the writer' };
  const answer = await server.do('PATCH', '/api/v4/secrets/A', { token: writer.token, body: written });
  const actors = async (token = machine.token) => {
    const at = `environment=prod&projectId=${project.id}`;
    const { secrets } = (await server.send('GET', `/api/v4/secrets?${at}`, { token })).body;
    const { secret } = (await server.send('GET', `/api/v4/secrets/A?${at}`, { token })).body;
    expect(secret.actor).toEqual(secrets[0].actor);
    return secret.actor;
  };
  const actor = { actorId: writer.id, actorType: 'identity', name: `writer-${projects}` };
  expect(answer.secret.actor).toEqual({ ...actor, membershipId: null, groupId: null });
  expect(await actors()).toEqual({ ...actor, membershipId: expect.stringMatching(UUID), groupId: null });
  await server.do('PATCH', `/api/v1/identities/${writer.id}`, { body: { name: 'another name' } });
  expect(await actors()).toMatchObject({ actorId: writer.id, name: 'another name' });
  await server.do('DELETE', `/api/v2/workspace/${project.id}/identity-memberships/${writer.id}`);
  expect(await actors()).toEqual({ ...actor, name: 'another name', membershipId: null, groupId: null });
  await server.do('DELETE', `/api/v1/identities/${writer.id}`);
  expect(await actors()).toEqual({
    actorId: writer.id,
    actorType: null,
    name: null,
    membershipId: null,
    groupId: null,
  });
  const old = await server.send('GET', `/api/v4/secrets/A?environment=prod&projectId=${project.id}&version=1`, {
    token: machine.token,
  });
  expect(old.body.secret.actor).toMatchObject({ actorType: 'identity', name: expect.any(String) });
});

test('who writes by way of a group is named with it, until they leave it', async () => {
  const body = { name: `writers-${projects}`, organizationId: server.organizationId };
  const { id: groupId } = await server.do('POST', '/api/v1/groups', { body });
  await server.do('POST', `/api/v1/projects/${project.id}/groups/${groupId}`, { body: { role: 'admin' } });
  const writer = await server.machine(`grouped-${projects}`);
  const membership = `/api/v1/groups/${groupId}/machine-identities/${writer.id}`;
  await server.do('POST', membership);
  const create = (key: string) => {
    const at = { ...place(), secretValue: 'by one of a group' };
    return server.do('POST', `/api/v4/secrets/${key}`, { token: writer.token, body: at });
  };
  await create('G');
  const seen = async () => {
    const url = `/api/v4/secrets/G?environment=prod&projectId=${project.id}`;
    return (await server.do('GET', url, { token: machine.token })).secret.actor;
  };
  const membershipId = expect.stringMatching(UUID);
  expect(await seen()).toMatchObject({ actorId: writer.id, membershipId, groupId });
  await server.do('DELETE', membership);
  expect(await seen()).toMatchObject({ actorId: writer.id, membershipId: null, groupId: null });
  await server.do('POST', membership);
  expect(await seen()).toMatchObject({ groupId });
  await server.do('DELETE', `/api/v1/groups/${groupId}`);
  expect(await seen()).toMatchObject({ actorId: writer.id, membershipId: null, groupId: null });
});

test('a write that is rolled back disturbs no reader', async () => {
  const { sql } = server;
  await sql.query('begin');
  await sql.query('delete from secrets where project_id = $1', [project.id]);
  const during = await statementsOf(sql, async () => expect(await list()).toEqual(start));
  await sql.query('rollback');
  const after = await statementsOf(sql, async () => expect(await list()).toEqual(start));
  expect({ during, after }).toEqual({ during: { pass: 1 }, after: { pass: 1 } });
});

test('an answer filled beside an open write is out with its commit', async () => {
  const { sql } = server;
  await server.setSecrets(project.id, 'dev', { STALE: 'makes the answer in memory stale' });
  await sql.query('begin');
  await sql.query(`delete from secrets where project_id = $1 and key = 'A'`, [project.id]);
  const filled = await statementsOf(sql, async () => expect(await list()).toEqual(start));
  expect(filled).toEqual({ pass: 1, fill: 1 });
  await sql.query('commit');
  expect(await list()).toEqual({ '/B': 'two', '/db/PASSWORD': 'three' });
});

test("a write to another project leaves this one's answers", async () => {
  const other = await server.project(`other-${projects}`);
  await server.setSecrets(other.id, 'prod', { A: 'other' });
  expect(await statementsOf(server.sql, list)).toEqual({ pass: 1 });
});

test('a write of one environment keeps the ETag of others', async () => {
  const url = `/api/v4/secrets?environment=prod&projectId=${project.id}`;
  const before = await server.send('GET', url, { token: machine.token });
  await server.setSecrets(project.id, 'dev', { D: 'dev' });
  const headers = { 'if-none-match': String(before.headers.etag) };
  expect((await server.send('GET', url, { token: machine.token, headers })).status).toBe(304);
  await patchSecret('A', { secretValue: 'changed' });
  expect((await server.send('GET', url, { token: machine.token, headers })).status).toBe(200);
});

test('readers under a storm of writes never see an older value', async () => {
  let written = 0;
  let stopped = false;
  const writer = (async () => {
    for (let value = 1; value <= 20; value++) {
      await patchSecret('A', { secretValue: String(value) });
      written = value;
    }
    stopped = true;
  })();
  const readers = Array.from({ length: 4 }, async () => {
    while (!stopped) {
      const atLeast = written;
      const seen = await list();
      // A later one is right: it was committed while this read was under way.
      if (atLeast > 0) expect(Number(seen['/A'])).toBeGreaterThanOrEqual(atLeast);
    }
  });
  await Promise.all([writer, ...readers]);
  expect(await list()).toMatchObject({ '/A': '20' });
});
