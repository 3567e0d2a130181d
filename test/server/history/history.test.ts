import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { HIDDEN_VALUE } from '../../../contracts/index.ts';
import { Database } from '../../../server/database/database.ts';
import { Pruning } from '../../../server/history/pruning.ts';
import { type Machine, startServer, type TestServer } from '../../support/server.ts';

let server: TestServer;
let projectId: string;
let developer: Machine;
let viewer: Machine;
let stranger: Machine;
let round = 0;

beforeAll(async () => {
  server = await startServer();
  const organizationId = (await server.organization('lux')).id;
  stranger = await server.machine('stranger', { organizationId, role: 'admin' });
});
afterAll(() => server.close());
beforeEach(async () => {
  projectId = (await server.project(`gateway-${++round}`)).id;
  developer = await server.machine(`developer-${round}`, { projectId, roles: [{ role: 'developer' }] });
  viewer = await server.machine(`viewer-${round}`, { projectId, roles: [{ role: 'viewer' }] });
});

const at = () => ({ projectId, environment: 'dev' });
const write = async (method: string, key: string, body: object = {}) =>
  (await server.do(method, `/api/v4/secrets/${key}`, { body: { ...at(), ...body } })).secret;
const all = async (environment = 'dev', recursive = 'true') => {
  const query = new URLSearchParams({ projectId, environment, recursive });
  const { secrets } = await server.do('GET', `/api/v4/secrets?${query}`);
  return secrets.map((s: any) => `${s.secretPath}:${s.secretKey}=${s.secretValue}`).sort();
};
const versions = (id: string, token = server.admin) =>
  server.send('GET', `/api/v1/secret/${id}/secret-versions?offset=0&limit=20`, { token });
const back = (body: object, token = server.admin) =>
  server.send('POST', `/api/v1/projects/${projectId}/rollback`, { token, body: { environment: 'dev', ...body } });
/** A moment after all that was done, and before all that follows. */
async function moment(): Promise<string> {
  const { rows } = await server.sql.query("select clock_timestamp() + interval '2 ms' as now");
  await server.sql.query('select pg_sleep(0.01)');
  return rows[0].now.toISOString();
}

test('a deleted secret still tells its versions, and comes back', async () => {
  const { id } = await write('POST', 'A', { secretValue: 'one', secretComment: 'why' });
  await write('PATCH', 'A', { secretValue: 'two' });
  await write('DELETE', 'A');
  const { secretVersions, totalCount } = (await versions(id)).body;
  expect(secretVersions.map((v: any) => [v.version, v.secretValue, v.secretId, v.replacedAt !== null])).toEqual([
    [2, 'two', id, true],
    [1, 'one', id, true],
  ]);
  expect(totalCount).toBe(2);
  const restored = await server.do('POST', `/api/v1/secret/${id}/rollback`, { body: { version: 1 } });
  expect(restored).toMatchObject({ secretId: id, version: 3, secretValue: 'one', secretComment: 'why' });
  expect(restored.createdAt).toBe(secretVersions[1].createdAt);
  expect(await all()).toEqual(['/:A=one']);
});

test('a version comes back as the next one', async () => {
  const { id } = await write('POST', 'A', { secretValue: 'one' });
  await write('PATCH', 'A', { secretValue: 'two', newSecretName: 'B' });
  const { body } = await server.send('POST', `/api/v1/secret/${id}/rollback`, {
    token: server.admin,
    body: { version: 1 },
  });
  expect(body).toMatchObject({ version: 3, secretKey: 'B', secretValue: 'one' });
  const gone = await server.send('POST', `/api/v1/secret/${id}/rollback`, {
    token: server.admin,
    body: { version: 9 },
  });
  expect([gone.status, gone.body.message]).toEqual([404, 'secret "B" has no version 9']);
  await write('DELETE', 'B');
  await write('POST', 'B', { secretValue: 'another' });
  const taken = await server.send('POST', `/api/v1/secret/${id}/rollback`, {
    token: server.admin,
    body: { version: 1 },
  });
  expect(taken.status).toBe(409);
});

test('a version from elsewhere is hidden from who may not read there', async () => {
  await server.setSecrets(projectId, 'prod', { P: 'planted-in-prod' });
  const query = new URLSearchParams({ projectId, environment: 'prod' });
  const { id } = (await server.do('GET', `/api/v4/secrets/P?${query}`)).secret;
  await server.do('PATCH', '/api/v4/secrets/P', { body: { projectId, environment: 'prod', secretValue: 'planted-2' } });
  await server.do('POST', '/api/v4/secrets/move', {
    body: { projectId, sourceEnvironment: 'prod', destinationEnvironment: 'dev', secretIds: [id] },
  });
  await write('PATCH', 'P', { secretValue: 'of dev' });
  const seen = await versions(id, developer.token);
  expect(seen.body.secretVersions.map((v: any) => v.secretValue)).toEqual([
    'of dev',
    'planted-2',
    HIDDEN_VALUE,
    HIDDEN_VALUE,
  ]);
  expect(seen.text).not.toContain('planted-in-prod');
  const old = await server.send('GET', `/api/v4/secrets/P?${new URLSearchParams({ ...at(), version: '1' })}`, {
    token: developer.token,
  });
  expect(old.status).toBe(404);
  const rollback = await server.send('POST', `/api/v1/secret/${id}/rollback`, {
    token: developer.token,
    body: { version: 1 },
  });
  expect(rollback.status).toBe(403);
});

test('a folder goes back: what was deleted, changed, renamed, added and moved', async () => {
  for (const [name, path] of [
    ['db', '/'],
    ['kept', '/db'],
  ]) {
    await server.do('POST', '/api/v1/folders', { body: { ...at(), name, path } });
  }
  for (const key of ['SAME', 'CHANGED', 'DELETED', 'ONE', 'TWO', 'MOVED'])
    await write('POST', key, { secretValue: `${key}-then`, secretMetadata: [{ key: 'm', value: key }] });
  await server.setSecrets(projectId, 'dev', { DEEP: 'deep-then' }, '/db/kept');
  const then = await all();
  const when = await moment();

  await write('PATCH', 'CHANGED', { secretValue: 'now' });
  await write('DELETE', 'DELETED');
  await write('POST', 'DELETED', { secretValue: 'another of that name' });
  await write('PATCH', 'ONE', { newSecretName: 'THREE' });
  await write('PATCH', 'TWO', { newSecretName: 'ONE' });
  await write('PATCH', 'THREE', { newSecretName: 'TWO' });
  await write('POST', 'ADDED', { secretValue: 'now' });
  const { id: movedId } = await write('PATCH', 'MOVED', {});
  await server.do('POST', '/api/v4/secrets/move', {
    body: { projectId, sourceEnvironment: 'dev', destinationEnvironment: 'staging', secretIds: [movedId] },
  });
  const { folders } = await server.do('GET', `/api/v1/folders?${new URLSearchParams(at())}`);
  await server.do('DELETE', `/api/v1/folders/${folders[0].id}`, { body: at() });
  const now = await all();

  const wish = { recursive: true, at: when };
  const planned = await back({ ...wish, dryRun: true });
  expect(planned.body).toMatchObject({ applied: false, at: when });
  expect(planned.body.plan.map((s: any) => `${s.action} ${s.secretPath}:${s.secretKey}`).sort()).toEqual(
    [
      'create /:DELETED',
      'create /:MOVED',
      'create /db/kept:DEEP',
      'delete /:ADDED',
      'delete /:DELETED',
      'update /:CHANGED',
      'update /:ONE',
      'update /:TWO',
    ].sort(),
  );
  expect(planned.text).not.toMatch(/-then|another/);
  expect(await all()).toEqual(now);
  expect((await back(wish)).body).toEqual({ ...planned.body, applied: true, plan: expect.any(Array) });
  expect(await all()).toEqual(then);
  expect(await all('staging')).toEqual(['/:MOVED=MOVED-then']);
  // Nothing is left to do, and the way there is history itself.
  expect((await back(wish)).body.plan).toEqual([]);
  const changed = (await server.do('GET', `/api/v4/secrets/CHANGED?${new URLSearchParams(at())}`)).secret;
  expect(changed).toMatchObject({ version: 3, secretMetadata: [{ key: 'm', value: 'CHANGED' }] });
  expect((await versions(changed.id)).body.secretVersions).toHaveLength(3);
});

test('a folder is brought back by those who may, all or nothing', async () => {
  await server.setSecrets(projectId, 'prod', { A: '1' });
  await server.setSecrets(projectId, 'dev', { A: '1' });
  const when = await moment();
  await write('PATCH', 'A', { secretValue: '2' });
  const prod = { environment: 'prod', at: when };
  expect((await back(prod, developer.token)).status).toBe(403);
  expect((await back({ at: when }, viewer.token)).status).toBe(403);
  expect((await back({ at: when }, stranger.token)).status).toBe(404);
  expect(await all()).toEqual(['/:A=2']);
  expect((await back({ at: when, path: '/nowhere' })).status).toBe(404);
  expect((await back({ at: '2999-01-01T00:00:00Z' })).status).toBe(400);
  expect((await back({})).status).toBe(400);
  expect((await back({ at: when }, developer.token)).status).toBe(200);
  expect(await all()).toEqual(['/:A=1']);
});

test('snapshots are the moments of a folder, and bring it back', async () => {
  await write('POST', 'A', { secretValue: 'one' });
  await moment();
  await write('PATCH', 'A', { secretValue: 'two' });
  await moment();
  await write('DELETE', 'A');
  const url = `/api/v1/workspace/${projectId}/secret-snapshots`;
  const query = new URLSearchParams({ environment: 'dev', path: '/', offset: '0', limit: '20' });
  const { secretSnapshots } = await server.do('GET', `${url}?${query}`);
  expect(secretSnapshots).toHaveLength(3);
  expect((await server.do('GET', `${url}/count?${query}`)).count).toBe(3);
  const shown = await server.do('GET', `/api/v1/secret-snapshot/${secretSnapshots[1].id}`);
  expect(shown.secretSnapshot).toMatchObject({ projectId, environment: { slug: 'dev' }, folderVersion: [] });
  expect(shown.secretSnapshot.secretVersions).toMatchObject([{ secretKey: 'A', secretValue: 'two', version: 2 }]);
  const rollback = `/api/v1/secret-snapshot/${secretSnapshots[2].id}/rollback`;
  expect((await server.send('POST', rollback, { token: viewer.token })).status).toBe(403);
  expect((await server.send('POST', rollback, { token: stranger.token })).status).toBe(404);
  const { secretSnapshot } = await server.do('POST', rollback);
  expect(await all()).toEqual(['/:A=one']);
  expect((await server.do('GET', `${url}?${query}`)).secretSnapshots[0].id).toBe(secretSnapshot.id);
  expect((await back({ commit: secretSnapshots[1].id })).status).toBe(200);
  expect(await all()).toEqual(['/:A=two']);
});

test('history ends with its environment', async () => {
  const { id } = await write('POST', 'A', { secretValue: 'one' });
  await write('DELETE', 'A');
  const { environments } = (await server.do('GET', `/api/v1/projects/${projectId}`)).project;
  const dev = environments.find(({ slug }: any) => slug === 'dev');
  await server.do('DELETE', `/api/v1/projects/${projectId}/environments/${dev.id}`);
  expect((await versions(id)).status).toBe(404);
  await server.do('DELETE', `/api/v1/projects/${projectId}`);
  const { rows } = await server.sql.query('select from secret_versions where project_id = $1', [projectId]);
  expect(rows).toEqual([]);
});

async function prune(): Promise<number> {
  const db = new Database({ uri: server.database.uri });
  try {
    return await new Pruning({ db }).run();
  } finally {
    await db.close();
  }
}

test('a limit of versions keeps the latest, and everything of other projects', async () => {
  const { id } = await write('POST', 'A', { secretValue: 'v1' });
  const gone = await write('POST', 'GONE', { secretValue: 'v1' });
  for (const n of [2, 3, 4, 5]) {
    await write('PATCH', 'A', { secretValue: `v${n}` });
    await write('PATCH', 'GONE', { secretValue: `v${n}` });
  }
  await write('DELETE', 'GONE');
  expect(await prune()).toBe(0);
  await server.do('PUT', `/api/v1/projects/${projectId}/version-limit`, { body: { pitVersionLimit: 2 } });
  const kept = async (of: string) => (await versions(of)).body.secretVersions.map((one: any) => one.version);
  expect(await kept(id)).toEqual([5, 4, 3, 2, 1]);
  expect(await prune()).toBe(6);
  expect([await kept(id), await kept(gone.id)]).toEqual([
    [5, 4],
    [5, 4],
  ]);
  expect(await prune()).toBe(0);
  expect(await all()).toEqual(['/:A=v5']);
  // What is kept comes back; what is not is not there.
  expect((await server.do('POST', `/api/v1/secret/${gone.id}/rollback`, { body: { version: 4 } })).version).toBe(6);
  const missing = await server.send('POST', `/api/v1/secret/${id}/rollback`, {
    token: server.admin,
    body: { version: 1 },
  });
  expect(missing.status).toBe(404);
});

test('a folder does not go back to a moment that is pruned: it would lose what was there', async () => {
  await write('POST', 'OLD', { secretValue: 'v1' });
  await write('POST', 'STILL', { secretValue: 'kept' });
  const pruned = await moment();
  for (const n of [2, 3]) await write('PATCH', 'OLD', { secretValue: `v${n}` });
  const whole = await moment();
  await write('PATCH', 'OLD', { secretValue: 'v4' });
  await server.do('PATCH', `/api/v1/projects/${projectId}`, { body: { pitVersionLimit: 2 } });
  await prune();
  for (const dryRun of [true, false]) {
    const { status, body } = await back({ at: pruned, dryRun });
    expect([status, body.message]).toEqual([
      400,
      'what "OLD" was at that moment is pruned: this project keeps a limited number of versions (pitVersionLimit); go back to a later moment, or roll back single secrets',
    ]);
  }
  expect(await all()).toEqual(['/:OLD=v4', '/:STILL=kept']);
  expect((await back({ at: whole })).status).toBe(200);
  expect(await all()).toEqual(['/:OLD=v3', '/:STILL=kept']);
});

const past = (
  at: string,
  more: Record<string, string> = {},
  token = server.admin,
  key = '',
  base = '/api/v4/secrets',
) =>
  server.send(
    'GET',
    `${base}${key && `/${key}`}?${new URLSearchParams({ projectId, environment: 'dev', asOf: at, ...more })}`,
    {
      token,
    },
  );
const pairs = ({ body }: { body: any }) =>
  body.secrets.map((s: any) => `${s.secretPath}:${s.secretKey}=${s.secretValue}`).sort();

/** Shown as it is written. */
const reference = 'one $' + '{B}';

test('reads at a moment show what was there then, under the names of then', async () => {
  await server.do('POST', '/api/v1/folders', { body: { ...at(), name: 'db', path: '/' } });
  const { id } = await write('POST', 'A', { secretValue: reference });
  await write('POST', 'GONE', { secretValue: 'gone-then' });
  await server.setSecrets(projectId, 'dev', { DEEP: 'deep-then' }, '/db');
  const when = await moment();
  await write('PATCH', 'A', { secretValue: 'two', newSecretName: 'B' });
  await write('DELETE', 'GONE');
  await write('POST', 'NEW', { secretValue: 'new' });
  const { folders } = await server.do('GET', `/api/v1/folders?${new URLSearchParams(at())}`);
  await server.do('DELETE', `/api/v1/folders/${folders[0].id}`, { body: at() });

  expect(pairs(await past(when))).toEqual([`/:A=${reference}`, '/:GONE=gone-then']);
  expect(pairs(await past(when, { recursive: 'true' }))).toEqual([
    `/:A=${reference}`,
    '/:GONE=gone-then',
    '/db:DEEP=deep-then',
  ]);
  expect(pairs(await past(when, { secretPath: '/db' }, developer.token))).toEqual(['/db:DEEP=deep-then']);
  expect(pairs(await past('2001-01-01T00:00:00Z'))).toEqual([]);
  for (const base of ['/api/v4/secrets', '/api/v3/secrets/raw']) {
    const { body } = await past(when, {}, developer.token, 'A', base);
    expect(body.secret).toMatchObject({ id, version: 1, secretKey: 'A', secretValue: reference });
    expect((await past(when, {}, server.admin, 'NEW', base)).status).toBe(404);
  }
  expect((await past(when, { viewSecretValue: 'false' }, server.admin, 'A')).body.secret.secretValue).toBe(
    HIDDEN_VALUE,
  );
  const { rows } = await server.sql.query(
    "select event, secret_key, metadata, (select keys from audit_manifests m where m.id = manifest_id) as keys from audit_log where metadata ? 'asOf' and project_id = $1 order by at",
    [projectId],
  );
  expect(rows[0]).toMatchObject({ event: 'get-secrets', metadata: { asOf: when }, keys: ['A', 'GONE'] });
  expect(rows).toContainEqual(expect.objectContaining({ event: 'get-secret', secret_key: 'A' }));
});

test.each([
  ['a moment to come', { asOf: '2999-01-01T00:00:00Z' }, /yet to come/],
  ['expanded references', { expandSecretReferences: 'true' }, /leave out expandSecretReferences/],
  ['a version', { version: '1' }, /leave out version/],
  ['no moment', { asOf: 'yesterday' }, /./],
])('a read of the past with %s is refused', async (_, more, message) => {
  const { status, text } = await past('2020-01-01T00:00:00Z', more, server.admin, 'A');
  expect([400, 422]).toContain(status);
  expect(text).toMatch(message);
});

test('the past is shown to who may read there, and may look at the past', async () => {
  await server.setSecrets(projectId, 'prod', { P: 'planted-past' });
  await server.setSecrets(projectId, 'dev', { D: 'planted-dev' });
  const when = await moment();
  const ci = await server.machine(`ci-${round}`, { projectId, roles: [{ role: 'ci' }] });
  const prod = { environment: 'prod' };
  for (const [token, more, status] of [
    [stranger.token, {}, 404],
    [developer.token, prod, 403],
    // It reads production, and has no right to its history.
    [ci.token, prod, 403],
    [viewer.token, prod, 200],
  ] as const) {
    for (const key of ['', more === prod ? 'P' : 'D']) {
      const answer = await past(when, more, token, key);
      expect([answer.status, answer.text.includes('planted')]).toEqual([status, status === 200]);
    }
  }
});

test('a pruned past is not taken for an empty one', async () => {
  await write('POST', 'A', { secretValue: 'one' });
  const when = await moment();
  await write('PATCH', 'A', { secretValue: 'two' });
  await write('PATCH', 'A', { secretValue: 'three' });
  await server.do('PATCH', `/api/v1/projects/${projectId}`, { body: { pitVersionLimit: 1 } });
  await prune();
  for (const key of ['', 'A']) {
    const { status, body } = await past(when, {}, server.admin, key);
    expect([status, body.message]).toEqual([400, expect.stringContaining('is pruned')]);
  }
});
