import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
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
