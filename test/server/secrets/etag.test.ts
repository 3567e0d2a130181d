import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Answer, type Machine, startServer, type TestServer } from '../../support/server.ts';

let server: TestServer;
let project: { id: string };
let reader: Machine;

beforeAll(async () => {
  server = await startServer();
  project = await server.project('gateway');
  await server.setSecrets(project.id, 'prod', { A: '1', B: '2' });
  reader = await server.machine('reader', { projectId: project.id, roles: [{ role: 'viewer' }] });
});
afterAll(() => server.close());

const LIST = '/api/v3/secrets/raw?workspaceSlug=gateway&environment=prod';
const ONE = '/api/v3/secrets/raw/A?workspaceSlug=gateway&environment=prod';
const get = (url: string, etag?: string): Promise<Answer> =>
  server.send('GET', url, { token: reader.token, headers: etag === undefined ? {} : { 'if-none-match': etag } });
const set = (environment: string, key: string, secretValue: string) =>
  server.do('PATCH', `/api/v4/secrets/${key}`, { body: { projectId: project.id, environment, secretValue } });

test.each([LIST, ONE])('an unchanged %s is a 304 without a body', async (url) => {
  const first = await get(url);
  const etag = String(first.headers.etag);
  expect([first.status, etag]).toEqual([200, expect.stringMatching(/^"[A-Za-z0-9_-]{20,}"$/)]);
  for (const given of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
    const again = await get(url, given);
    expect([again.status, again.text, again.headers.etag]).toEqual([304, '', etag]);
  }
  for (const given of ['"other"', etag.slice(1, -1), '']) expect((await get(url, given)).status).toBe(200);
});

test('answers are never stored on the way', async () => {
  expect((await get(LIST)).headers['cache-control']).toBe('no-store');
});

test('a change makes a new tag, and going back brings none back', async () => {
  const before = String((await get(LIST)).headers.etag);
  await set('prod', 'A', 'changed');
  const changed = await get(LIST, before);
  expect([changed.status, changed.body.secrets[0].secretValue]).toEqual([200, 'changed']);
  await set('prod', 'A', '1');
  // Same value, later version: it is another content.
  expect((await get(LIST, before)).status).toBe(200);
});

test('a write elsewhere in the project keeps the tag', async () => {
  const before = String((await get(LIST)).headers.etag);
  await server.setSecrets(project.id, 'dev', { A: 'of dev' });
  expect((await get(LIST, before)).status).toBe(304);
});

test('a list names its folder and the change id, from the database and from memory', async () => {
  const folderOf = async (environment: string) => {
    const { body } = await get(`/api/v4/secrets?projectId=${project.id}&environment=${environment}`);
    return body.folder as { id: string; projectId: string; changeId: string };
  };
  const filled = await folderOf('staging');
  expect(filled).toEqual({ id: expect.any(String), projectId: project.id, changeId: expect.any(String) });
  expect(await folderOf('staging')).toEqual(filled);
  await server.setSecrets(project.id, 'dev', { B: 'of dev' });
  const { id, changeId } = await folderOf('staging');
  expect([id, changeId]).toEqual([filled.id, expect.not.stringMatching(filled.changeId)]);
  expect((await folderOf('prod')).id).not.toBe(id);
});

test('an empty folder in place of another empty one has another tag', async () => {
  const folder = { projectId: project.id, environment: 'staging', name: 'empty', path: '/' };
  const url = `${LIST.replace('prod', 'staging')}&secretPath=/empty`;
  const made = await server.do('POST', '/api/v2/folders', { body: folder });
  const before = String((await get(url)).headers.etag);
  await server.do('DELETE', `/api/v2/folders/${made.folder.id}`, { body: folder });
  await server.do('POST', '/api/v2/folders', { body: folder });
  expect((await get(url, before)).status).toBe(200);
});

test('a 304 is refused like the read that it stands for', async () => {
  const etag = String((await get(LIST)).headers.etag);
  const member = `/api/v2/workspace/${project.id}/identity-memberships/${reader.id}`;
  await server.do('PATCH', member, { body: { roles: [{ role: 'viewer', environments: ['dev'] }] } });
  expect((await get(LIST, etag)).status).toBe(403);
  await server.do('DELETE', member);
  expect((await get(LIST, etag)).status).toBe(403);
  await server.do('POST', member, { body: { roles: [{ role: 'viewer' }] } });
  expect((await get(LIST, etag)).status).toBe(304);
});

test('a tag is no plain hash of the body', async () => {
  // Somebody who sees tags and knows what a value could be must not be able to check the guess.
  const { text, headers } = await get(LIST);
  for (const encoding of ['hex', 'base64', 'base64url'] as const) {
    const plain = createHash('sha256').update(text).digest(encoding);
    expect(String(headers.etag)).not.toContain(plain.slice(0, 20));
  }
});
