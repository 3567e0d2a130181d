import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startServer, type TestServer } from '../../support/server.ts';
import { statementsOf } from '../path/statements.ts';
import { auditOf, folder, importInto, query, read, readOne } from './world.ts';

let server: TestServer;
let at: { projectId: string };
let count = 0;

beforeAll(async () => {
  server = await startServer();
  at = { projectId: (await server.project('sight')).id };
  await folder(server, { ...at, path: '/db' });
  await server.setSecrets(at.projectId, 'dev', { APP_A: 'a', APP_B: 'b', OPS: 'ops' });
  await server.setSecrets(at.projectId, 'dev', { PASSWORD: 'p', APP_D: 'd' }, '/db');
  const { tag } = await server.do('POST', `/api/v1/projects/${at.projectId}/tags`, {
    body: { slug: 'sealed', color: '' },
  });
  await server.do('PATCH', '/api/v4/secrets/APP_B', {
    body: { ...at, environment: 'dev', tagIds: [tag.id], secretMetadata: [{ key: 'team', value: 'core' }] },
  });
});
afterAll(() => server.close());

/** A machine with a role of these rules. */
async function ruled(permissions: readonly object[]) {
  const slug = `role-${++count}`;
  await server.do('POST', `/api/v1/projects/${at.projectId}/roles`, { body: { slug, name: slug, permissions } });
  return server.machine(`machine-${count}`, { projectId: at.projectId, roles: [{ role: slug }] });
}
const rule = (action: string[], conditions: object = {}, inverted = false) => ({
  subject: 'secrets',
  action,
  conditions,
  inverted,
});
const recursive = { recursive: 'true' };
const hidden = '<hidden-by-infisical>';

test.each<{ what: string; rules: object[]; top: object; below: object }>([
  {
    what: 'keys by a glob',
    rules: [rule(['read'], { secretName: { $glob: 'APP_*' } })],
    top: { own: ['APP_A=a', 'APP_B=b'] },
    below: { own: ['APP_A=a', 'APP_B=b', 'APP_D=d'] },
  },
  {
    what: 'paths by a glob',
    rules: [rule(['read'], { secretPath: { $glob: '/db/**' } })],
    top: { status: 403 },
    below: { own: ['APP_D=d', 'PASSWORD=p'] },
  },
  {
    what: 'names without values',
    rules: [rule(['describeSecret'])],
    top: { own: [`APP_A=${hidden}`, `APP_B=${hidden}`, `OPS=${hidden}`] },
    below: { own: [`APP_A=${hidden}`, `APP_B=${hidden}`, `OPS=${hidden}`, `APP_D=${hidden}`, `PASSWORD=${hidden}`] },
  },
  {
    what: 'all but what carries a tag',
    rules: [rule(['read']), rule(['readValue'], { secretTags: { $in: ['sealed'] } }, true)],
    top: { own: ['APP_A=a', `APP_B=${hidden}`, 'OPS=ops'] },
    below: { own: ['APP_A=a', `APP_B=${hidden}`, 'OPS=ops', 'APP_D=d', 'PASSWORD=p'] },
  },
])('a list shows $what, and no more', async ({ rules, top, below }) => {
  const { token } = await ruled(rules);
  for (let round = 0; round < 2; round++) {
    expect(await read(server, token, at)).toMatchObject(top);
    expect(await read(server, token, at, recursive)).toMatchObject(below);
  }
});

test('by name, what is kept is refused and what is named only is hidden', async () => {
  const machine = await ruled([
    rule(['read'], { secretName: { $glob: 'APP_*' } }),
    rule(['describeSecret'], { secretName: 'OPS' }),
    rule(['describeSecret', 'readValue'], { secretTags: { $in: ['sealed'] } }, true),
  ]);
  const one = (key: string) => readOne(server, machine.token, key, at);
  for (let round = 0; round < 2; round++) {
    expect([await one('APP_A'), await one('OPS')]).toEqual(['a', hidden]);
    expect(await one('APP_B')).toMatchObject({ status: 403 });
    expect(await readOne(server, machine.token, 'PASSWORD', { ...at, path: '/db' })).toMatchObject({ status: 403 });
    expect(await one('APP_NONE')).toMatchObject({ status: 404 });
  }
});

test('no reference and no import shows what a rule hides', async () => {
  const place = { ...at, path: '/through' };
  await folder(server, place);
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a reference
  await server.setSecrets(at.projectId, 'dev', { REFERS: 'at ${dev.APP_B}' }, '/through');
  await importInto(server, place, { path: '/' });
  const machine = await ruled([rule(['read']), rule(['readValue'], { secretTags: { $in: ['sealed'] } }, true)]);
  for (let round = 0; round < 2; round++) {
    expect(await readOne(server, machine.token, 'REFERS', place)).toMatchObject({ status: 403 });
    expect(await read(server, machine.token, place, { expandSecretReferences: 'false' })).toMatchObject({
      imports: [['dev:/', 'APP_A=a', `APP_B=${hidden}`, 'OPS=ops']],
    });
    expect(await readOne(server, machine.token, 'APP_B', place)).toBe(hidden);
    expect(await readOne(server, server.admin, 'REFERS', place)).toBe('at b');
  }
});

test('the audit of a list names what was shown alone', async () => {
  const machine = await ruled([rule(['read'], { secretName: { $glob: 'APP_*' } })]);
  for (let round = 0; round < 2; round++) await read(server, machine.token, at);
  expect(await auditOf(server, machine.id)).toMatchObject(Array(2).fill({ keys: ['APP_A', 'APP_B'] }));
});

test('an answer of some of the secrets costs one statement once it is held', async () => {
  const machine = await ruled([rule(['read'], { secretName: { $glob: 'APP_*' } })]);
  await read(server, machine.token, at);
  expect(await statementsOf(server.sql, () => read(server, machine.token, at))).toEqual({ pass: 1 });
});

test.each([
  { what: 'one of several tags', more: { tagSlugs: 'none, sealed' }, own: ['APP_B=b'] },
  { what: 'no tag that is there', more: { tagSlugs: 'none' }, own: [] },
  { what: 'metadata by key and value', more: { metadataFilter: 'key=team,value=core' }, own: ['APP_B=b'] },
  { what: 'metadata that differs', more: { metadataFilter: 'key=team,value=core|key=team,value=ops' }, own: [] },
  { what: 'nothing asked for', more: { tagSlugs: '', metadataFilter: '' }, own: ['APP_A=a', 'APP_B=b', 'OPS=ops'] },
])('a list can be narrowed to $what', async ({ more, own }) => {
  for (let round = 0; round < 2; round++)
    expect(await read(server, server.admin, at, more as any)).toMatchObject({ own });
});

test('a filter that says nothing is refused', async () => {
  expect(await read(server, server.admin, at, { metadataFilter: 'team' })).toMatchObject({ status: 422 });
});

test('a secret is read by its id, wherever it is, and by nobody else', async () => {
  const { secrets } = await server.do('GET', `/api/v4/secrets?${query({ ...at, path: '/db' })}`);
  const { id } = secrets.find((s: any) => s.secretKey === 'PASSWORD');
  const lux = await server.organization('lux');
  const stranger = await server.machine('stranger', { organizationId: lux.id, role: 'admin' });
  const get = (token: string, secretId = id) => server.send('GET', `/api/v4/secrets/id/${secretId}`, { token });
  expect((await get(server.admin)).body.secret).toMatchObject({ id, secretPath: '/db', secretValue: 'p' });
  expect(await statementsOf(server.sql, () => get(server.admin))).toEqual({ pass: 1 });
  const none = randomUUID();
  const [theirs, nobodys] = [await get(stranger.token), await get(stranger.token, none)];
  expect([theirs.status, theirs.body.message]).toEqual([404, nobodys.body.message.replace(none, id)]);
  const body = { ...at, environment: 'dev', secretPath: '/db' };
  await server.do('PATCH', '/api/v4/secrets/PASSWORD', { body: { ...body, newSecretName: 'RENAMED' } });
  expect((await get(server.admin)).body.secret).toMatchObject({ id, secretKey: 'RENAMED' });
  await server.do('DELETE', '/api/v4/secrets/RENAMED', { body });
  await server.setSecrets(at.projectId, 'dev', { RENAMED: 'another' }, '/db');
  expect((await get(server.admin)).status).toBe(404);
});

test('an unchanged answer with imports is a 304', async () => {
  const url = `/api/v4/secrets?${query(at, recursive)}`;
  const { headers } = await server.send('GET', url, { token: server.admin });
  const again = await server.send('GET', url, {
    token: server.admin,
    headers: { 'if-none-match': String(headers.etag) },
  });
  expect([again.status, again.text]).toEqual([304, '']);
});
