import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Machine, startServer, type TestServer } from '../../support/server.ts';

let server: TestServer;
let projectId: string;
let other: string;
let viewer: Machine;
let stranger: Machine;

beforeAll(async () => {
  server = await startServer();
  projectId = (await server.project('gateway')).id;
  other = (await server.project('billing')).id;
  viewer = await server.machine('viewer', { projectId, roles: [{ role: 'viewer' }] });
  const organizationId = (await server.organization('lux')).id;
  stranger = await server.machine('stranger', { organizationId, role: 'admin' });
});
afterAll(() => server.close());

const send = (method: string, url: string, body?: object, token = server.admin) =>
  server.send(method, url, { token, body });

test.each([
  { base: 'projects', one: 'tag', many: 'tags' },
  { base: 'workspace', one: 'workspaceTag', many: 'workspaceTags' },
])('tags of /$base are made, read, changed, deleted', async ({ base, one, many }) => {
  const url = `/api/v1/${base}/${projectId}/tags`;
  const slug = `${base}-db`;
  const made = (await server.do('POST', url, { body: { slug, name: 'Database', color: '#2f80ed' } }))[one];
  expect(made).toMatchObject({ slug, name: 'Database', color: '#2f80ed', projectId, createdByActorType: 'identity' });
  expect((await server.do('GET', `${url}/${made.id}`))[one]).toEqual(made);
  expect((await server.do('GET', `${url}/slug/${slug}`))[one]).toEqual(made);
  expect((await server.do('GET', url))[many]).toContainEqual(made);
  const changed = (await server.do('PATCH', `${url}/${made.id}`, { body: { slug: `${slug}-2`, color: '' } }))[one];
  expect(changed).toMatchObject({ id: made.id, slug: `${slug}-2`, name: 'Database', color: '' });
  expect((await server.do('DELETE', `${url}/${made.id}`))[one].id).toBe(made.id);
  expect((await send('GET', `${url}/${made.id}`)).status).toBe(404);
});

test('a tag without a name is called by its slug', async () => {
  const { tag } = await server.do('POST', `/api/v1/projects/${projectId}/tags`, { body: { slug: 'plain' } });
  expect(tag).toMatchObject({ name: 'plain', color: '' });
});

test('a slug is taken once in a project', async () => {
  const url = (project: string) => `/api/v1/projects/${project}/tags`;
  await server.do('POST', url(projectId), { body: { slug: 'once', color: '' } });
  const again = await send('POST', url(projectId), { slug: 'once', color: '' });
  expect([again.status, again.body.message]).toEqual([409, 'tag "once" exists already in this project']);
  expect((await send('POST', url(other), { slug: 'once', color: '' })).status).toBe(200);
});

test('secrets carry tags, and a changed tag shows at once', async () => {
  const tagsUrl = `/api/v1/projects/${projectId}/tags`;
  const one = (await server.do('POST', tagsUrl, { body: { slug: 'one', name: 'One', color: 'red' } })).tag;
  const two = (await server.do('POST', tagsUrl, { body: { slug: 'two', name: 'Two', color: 'blue' } })).tag;
  const at = { projectId, environment: 'dev' };
  const shown = { id: one.id, slug: 'one', name: 'One', color: 'red' };
  const body = { ...at, secretValue: 'v', tagIds: [two.id, one.id, one.id] };
  const made = (await server.do('POST', '/api/v4/secrets/TAGGED', { body })).secret;
  expect(made.tags.map(({ slug }: any) => slug)).toEqual(['one', 'two']);
  const read = async () => (await server.do('GET', `/api/v4/secrets/TAGGED?${new URLSearchParams(at)}`)).secret;
  expect((await read()).tags).toEqual(made.tags);
  expect(made.tags[0]).toEqual(shown);
  await server.do('PATCH', '/api/v4/secrets/TAGGED', { body: { ...at, secretValue: 'w' } });
  expect((await read()).tags).toHaveLength(2);
  await server.do('PATCH', '/api/v4/secrets/TAGGED', { body: { ...at, tagIds: [two.id] } });
  expect((await read()).tags).toMatchObject([{ slug: 'two' }]);
  await server.do('PATCH', `${tagsUrl}/${two.id}`, { body: { color: 'green' } });
  expect((await read()).tags).toMatchObject([{ slug: 'two', color: 'green' }]);
  await server.do('DELETE', `${tagsUrl}/${two.id}`);
  expect(await read()).toMatchObject({ tags: [], version: 3 });
});

test('tags come and go by their slugs', async () => {
  for (const slug of ['left', 'right'])
    await server.do('POST', `/api/v1/projects/${projectId}/tags`, { body: { slug, color: '' } });
  const at = { projectSlug: 'gateway', environment: 'dev' };
  await server.do('POST', '/api/v4/secrets/SLUGGED', { body: { ...at, secretValue: 'v' } });
  const url = '/api/v3/secrets/tags/SLUGGED';
  const slugs = async (method: string, tagSlugs: string[]) =>
    (await server.do(method, url, { body: { ...at, tagSlugs } })).secret.tags.map(({ slug }: any) => slug);
  expect(await slugs('POST', ['right'])).toEqual(['right']);
  expect(await slugs('POST', ['left', 'right'])).toEqual(['left', 'right']);
  expect(await slugs('DELETE', ['right'])).toEqual(['left']);
  const unknown = await send('POST', url, { ...at, tagSlugs: ['left', 'nowhere'] });
  expect([unknown.status, unknown.body.message]).toEqual([404, 'tag "nowhere" not found in this project']);
});

describe('a tag that rules go by', () => {
  const DEVELOPER = { role: 'developer' };
  let id: string;
  let gated: string;
  let bound: Machine;
  const tagUrl = () => `/api/v1/projects/${gated}/tags/${id}`;
  const at = () => ({ projectId: gated, environment: 'dev' });
  const slugs = async () =>
    (await server.do('GET', `/api/v4/secrets/GUARDED?${new URLSearchParams(at())}`)).secret.tags.map(
      ({ slug }: any) => slug,
    );

  beforeAll(async () => {
    gated = (await server.project('gated')).id;
    const url = `/api/v1/projects/${gated}`;
    id = (await server.do('POST', `${url}/tags`, { body: { slug: 'restricted' } })).tag.id;
    await server.do('POST', '/api/v4/secrets/GUARDED', { body: { ...at(), secretValue: 'v', tagIds: [id] } });
    const secretTags = { $in: ['restricted'] };
    const permissions = [{ subject: 'secrets', action: ['read'], conditions: { secretTags }, inverted: true }];
    await server.do('POST', `${url}/roles`, { body: { slug: 'kept-out', name: 'Kept out', permissions } });
    bound = await server.machine('bound', { projectId: gated, roles: [DEVELOPER, { role: 'kept-out' }] });
  });

  test.each<{ what: string; ask: () => [string, string, object?] }>([
    { what: 'ended', ask: () => ['DELETE', tagUrl()] },
    { what: 'called otherwise', ask: () => ['PATCH', tagUrl(), { slug: 'harmless' }] },
    { what: 'taken off by none', ask: () => ['PATCH', '/api/v4/secrets/GUARDED', { ...at(), tagIds: [] }] },
    {
      what: 'taken off in a batch',
      ask: () => ['PATCH', '/api/v4/secrets/batch', { ...at(), secrets: [{ secretKey: 'GUARDED', tagIds: [] }] }],
    },
    {
      what: 'taken off by its slug',
      ask: () => ['DELETE', '/api/v3/secrets/tags/GUARDED', { ...at(), tagSlugs: ['restricted'] }],
    },
  ])('is not $what by whom it keeps out', async ({ ask }) => {
    const [method, url, body] = ask();
    const { status, text } = await send(method, url, body, bound.token);
    expect(status, text).toBe(403);
    expect(await slugs()).toEqual(['restricted']);
    const read = await send('GET', `/api/v4/secrets/GUARDED?${new URLSearchParams(at())}`, undefined, bound.token);
    expect(read.status).toBe(403);
  });

  test('is not given the slug that lets somebody in', async () => {
    const developer = await server.machine('tagger', { projectId: gated, roles: [DEVELOPER] });
    expect((await send('PATCH', tagUrl(), { slug: 'public' }, developer.token)).status).toBe(403);
    expect((await send('PATCH', tagUrl(), { color: 'red', slug: 'restricted' }, developer.token)).status).toBe(200);
  });

  test('is ended by who may read and change every secret', async () => {
    await server.do('PATCH', '/api/v4/secrets/GUARDED', { body: { ...at(), tagIds: [] } });
    expect(await slugs()).toEqual([]);
    // Its history goes by it still.
    expect((await send('DELETE', tagUrl(), undefined, bound.token)).status).toBe(403);
    await server.do('DELETE', tagUrl());
  });
});

test("another project's tag is not found", async () => {
  const { tag } = await server.do('POST', `/api/v1/projects/${other}/tags`, { body: { slug: 'theirs', color: '' } });
  const at = { projectId, environment: 'dev', secretValue: 'v' };
  for (const tagIds of [[tag.id], [randomUUID()]]) {
    const { status, body } = await send('POST', '/api/v4/secrets/FOREIGN', { ...at, tagIds });
    expect([status, body.message]).toEqual([404, `tag "${tagIds[0]}" not found in this project`]);
  }
  for (const method of ['GET', 'PATCH', 'DELETE']) {
    const url = `/api/v1/projects/${projectId}/tags/${tag.id}`;
    expect((await send(method, url, method === 'PATCH' ? { color: 'x' } : undefined)).status).toBe(404);
  }
});

test.each([
  ['POST', '', { slug: 'nope', color: '' }],
  ['PATCH', `/${randomUUID()}`, { color: '' }],
  ['DELETE', `/${randomUUID()}`, undefined],
])('%s of tags is refused to viewers and to strangers', async (method, path, body) => {
  const url = `/api/v1/projects/${projectId}/tags${path}`;
  expect((await send(method, url, body, viewer.token)).status).toBe(403);
  expect((await send(method, url, body, stranger.token)).status).toBe(404);
  expect((await send('GET', `/api/v1/projects/${projectId}/tags`, undefined, stranger.token)).status).toBe(404);
  expect((await send('GET', `/api/v1/projects/${projectId}/tags`, undefined, viewer.token)).status).toBe(200);
});

test('changes of tags are in the audit', async () => {
  const url = `/api/v1/projects/${projectId}/tags`;
  const { tag } = await server.do('POST', url, { body: { slug: 'audited', color: '' } });
  await server.do('PATCH', `${url}/${tag.id}`, { body: { color: 'x' } });
  await server.do('DELETE', `${url}/${tag.id}`);
  const { rows } = await server.sql.query("select event from audit_log where metadata->>'tagId' = $1 order by at", [
    tag.id,
  ]);
  expect(rows.map(({ event }) => event)).toEqual(['create-tag', 'update-tag', 'delete-tag']);
});
