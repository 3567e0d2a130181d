import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { listen } from '../../support/listener.ts';
import type { Machine } from '../../support/server.ts';
import { type LiveServer, startLiveServer } from '../support/live-server.ts';
import { runProgram } from '../support/run-program.ts';

/** A project of one instance made in another. Our own server stands for Infisical: it speaks its API. */

const page = await readFile(new URL('../../../docs/migration.md', import.meta.url), 'utf8');
const commands = page
  .split(/^## /m)
  .find((part) => part.startsWith('An Infisical instance'))!
  .matchAll(/^npx kms (import https.*)$/gm);
const [plan, make] = [...commands].map(([, text]) => text!) as [string, string];
const command = plan.replace(' --dry-run', '');

let source: LiveServer;
let target: LiveServer;
let reader: Machine;
let folder: string;
let projectId: string;

beforeAll(async () => {
  [source, target] = await Promise.all([startLiveServer(), startLiveServer()]);
  folder = await mkdtemp(join(tmpdir(), 'kms-infisical-'));
  await Promise.all([source.server.bootstrap(), target.server.bootstrap()]);
  const { server } = source;
  projectId = (await server.project('gateway')).id;
  reader = await server.machine('mover', { projectId, roles: [{ role: 'viewer' }] });
  const post = (path: string, body: object) => server.do('POST', path, { body });
  const { tag } = await post(`/api/v1/projects/${projectId}/tags`, { slug: 'rotated', color: '#2f80ed' });
  await post(`/api/v1/workspace/${projectId}/environments`, { slug: 'qa', name: 'Quality' });
  for (const [environment, path, name] of [
    ['prod', '/', 'database'],
    ['prod', '/database', 'replica'],
    ['dev', '/', 'shared'],
  ])
    await post('/api/v1/folders', { workspaceId: projectId, environment, path, name });
  const at = { projectId, environment: 'prod', secretPath: '/database' };
  await post('/api/v4/secrets/URL', {
    ...{ ...at, secretValue: 'postgres://1', secretComment: 'the first' },
    ...{ tagIds: [tag.id], secretMetadata: [{ key: 'owner', value: 'ada' }] },
  });
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a reference
  for (const secretValue of ['postgres://2\n', 'postgres://${HOST}'])
    await server.do('PATCH', '/api/v4/secrets/URL', { body: { ...at, secretValue } });
  await server.setSecrets(projectId, 'prod', { HOST: 'db', QUOTED: `it's "x" $y` }, '/database/replica');
  await server.setSecrets(projectId, 'dev', { SHARED: 'of dev' }, '/shared');
  await server.setSecrets(projectId, 'dev', { TOKEN: 'of dev' });
  const from = { environment: 'dev', path: '/shared' };
  await post('/api/v1/secret-imports', { workspaceId: projectId, environment: 'prod', path: '/', import: from });
}, 60_000);
afterAll(async () => {
  await Promise.all([source.close(), target.close()]);
  await rm(folder, { recursive: true });
});

/** The command of the page, with the address of the source in place of Infisical's. */
const take = (more: string, url = source.url, env: Record<string, string> = {}) =>
  runProgram(
    'bootstrap/kms.ts',
    [...command.replace('https://app.infisical.com', url).split(' '), ...more.split(' ')],
    {
      cwd: folder,
      env: {
        ...{ HOME: folder, KMS_URL: target.url, KMS_TOKEN: target.server.admin },
        ...{ INFISICAL_UNIVERSAL_AUTH_CLIENT_ID: reader.clientId },
        ...{ INFISICAL_UNIVERSAL_AUTH_CLIENT_SECRET: reader.clientSecret },
        ...env,
      },
    },
  );
const projects = async () => (await target.server.do('GET', '/api/v1/projects')).projects as { slug: string }[];

test('the page plans it and makes it with the same command', () => {
  expect(make).toBe(`${command} --yes --json > ids.json`);
});

test('it is planned by names, and nothing is made', async () => {
  const { code, stdout, stderr } = await take('--dry-run');
  expect([code, stderr]).toEqual([0, 'nothing was changed: --dry-run\n']);
  expect(stdout).toContain('  + prod /database URL, 3 versions\n');
  expect(stdout).toContain('  + prod / imports dev /shared\n');
  expect(stdout).not.toMatch(/postgres|of dev|it's/);
  expect(await projects()).toEqual([]);
});

test('a part that fails leaves nothing behind', async () => {
  // Imports come last. One that leads nowhere is refused, as one would be whose folder was deleted while it was read.
  const broken = await listen(async (request, response) => {
    const answer = await fetch(`${source.url}${request.url}`, {
      headers: { authorization: request.headers.authorization ?? '' },
    });
    const text = await answer.text();
    const isImports = request.url!.includes('secret-imports');
    response.writeHead(answer.status, { 'content-type': 'application/json' });
    response.end(isImports ? text.replaceAll('/shared', '/gone') : text);
  });
  const { code, stderr } = await take('--yes', `http://127.0.0.1:${broken.port}`, { INFISICAL_TOKEN: reader.token });
  await broken.close();
  expect([code, stderr]).toEqual([1, expect.stringContaining('/gone')]);
  expect(await projects()).toEqual([]);
});

test('folders, values, versions, tags, comments, metadata and imports are there, with the ids of both', async () => {
  const { code, stdout, stderr } = await take('--yes --json');
  expect([code, stderr]).toEqual([0, '']);
  const ids = JSON.parse(stdout);
  expect(ids.leftOut).toEqual([]);
  const list = async (live: LiveServer, id: string, environment: string) => {
    const query = `workspaceId=${id}&environment=${environment}&recursive=true&includeImports=true`;
    const { secrets, imports } = await live.server.do('GET', `/api/v3/secrets/raw?${query}`);
    const told = (one: any) => ({
      ...{ key: one.secretKey, value: one.secretValue, comment: one.secretComment, path: one.secretPath },
      ...{
        version: one.version,
        metadata: one.secretMetadata,
        tags: one.tags.map(({ slug, color }: any) => [slug, color]),
      },
    });
    return { secrets: secrets.map(told), imports: imports.map((each: any) => each.secrets.map(told)) };
  };
  for (const environment of ['dev', 'staging', 'prod', 'qa'])
    expect(await list(target, ids.project.to, environment)).toEqual(await list(source, projectId, environment));
  const url = ids.secrets.find(({ key }: { key: string }) => key === 'URL');
  expect(url).toMatchObject({ environment: 'prod', path: '/database', versions: [1, 2, 3] });
  const versions = async (live: LiveServer, id: string) =>
    (await live.server.do('GET', `/api/v1/secret/${id}/secret-versions`)).secretVersions.map((one: any) => [
      ...[one.version, one.secretValue, one.secretComment],
    ]);
  expect(await versions(target, url.to)).toEqual(await versions(source, url.from));
  expect(ids.tags).toEqual([{ from: expect.any(String), to: expect.any(String), slug: 'rotated' }]);
});

test('a project that is there is not touched', async () => {
  const { code, stderr } = await take('--yes');
  expect([code, stderr]).toEqual([1, expect.stringMatching(/gateway/)]);
  expect(await projects()).toHaveLength(1);
});

test('a folder that is within itself is not read without end', async () => {
  const hostile = await listen((request, response) => {
    const { pathname } = new URL(request.url!, 'http://x');
    const answers: Record<string, unknown> = {
      '/api/v1/folders': { folders: [{ name: 'a' }] },
      '/api/v1/secret-imports': { secretImports: [] },
      '/api/v3/secrets/raw': { secrets: [] },
    };
    const project = { id: 'p', name: 'p', slug: 'gateway', environments: [{ id: 'e', slug: 'dev', name: 'dev' }] };
    const other = pathname.endsWith('/tags') ? { workspaceTags: [] } : project;
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answers[pathname] ?? other));
  });
  const { code, stderr } = await take('--dry-run', `http://127.0.0.1:${hostile.port}`, { INFISICAL_TOKEN: 't' });
  await hostile.close();
  expect([code, stderr]).toEqual([1, expect.stringContaining('at most 32 levels')]);
});

test.each<{ what: string; env: Record<string, string>; says: RegExp }>([
  { what: 'no credentials', env: { INFISICAL_UNIVERSAL_AUTH_CLIENT_ID: '' }, says: /set INFISICAL_TOKEN/ },
  { what: 'a token of nobody', env: { INFISICAL_TOKEN: 'x' }, says: /401|token/i },
])('$what is said in one line', async ({ env, says }) => {
  const { code, stderr } = await take('--yes', source.url, env);
  expect([code, stderr]).toEqual([1, expect.stringMatching(says)]);
});

test('who may not read the values takes nothing over', async () => {
  const { server } = source;
  const blind = await server.machine('blind', { projectId, roles: [{ role: 'no-access' }] });
  const { code, stdout } = await take('--yes', source.url, { INFISICAL_TOKEN: blind.token });
  expect([code, stdout]).toEqual([1, '']);
});
