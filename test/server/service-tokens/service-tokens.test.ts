import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newClientSecretMacKey, serviceTokenOf } from '../../../keys/index.ts';
import { SERVICE_TOKEN_ROUTES } from '../../../server/http/service-tokens.ts';
import { startServer, type TestServer } from '../../support/server.ts';
import { routesOf, urlOf } from '../input/routes.ts';
import { statementsOf } from '../path/statements.ts';

let server: TestServer;
let project: { id: string; slug: string };
let other: { id: string };

const CREATE = '/api/v2/service-token';
const RAW = '/api/v3/secrets/raw';
const switchOn = (...machineAuthMethods: string[]) =>
  server.do('PATCH', '/api/v1/admin/config', { body: { machineAuthMethods } });

beforeAll(async () => {
  server = await startServer();
  await switchOn('service-token');
  project = await server.project('gateway');
  other = await server.project('other');
  for (const [id, mark] of [
    [project.id, 'ours'],
    [other.id, 'others'],
  ] as const) {
    for (const environment of ['dev', 'prod']) {
      for (const path of ['/app', '/app/db', '/app/db/deep', '/apple']) {
        const at = path.lastIndexOf('/');
        const body = { projectId: id, environment, path: path.slice(0, at) || '/', name: path.slice(at + 1) };
        await server.do('POST', '/api/v1/folders', { body });
        await server.setSecrets(id, environment, { KEY: `${mark}-${environment}-${path}` }, path);
      }
      await server.setSecrets(id, environment, { KEY: `${mark}-${environment}-/` });
    }
  }
});
afterAll(() => server.close());

interface Given {
  readonly scopes?: readonly [string, string][];
  readonly permissions?: readonly string[];
  readonly expiresIn?: number | null;
  readonly as?: string;
}

const bodyOf = ({ scopes = [['dev', '/app/**']], permissions = ['read'], expiresIn = null }: Given = {}) => ({
  ...{ name: 'a token', workspaceId: project.id, permissions, expiresIn },
  scopes: scopes.map(([environment, secretPath]) => ({ environment, secretPath })),
  ...{ encryptedKey: 'x', iv: 'x', tag: 'x' },
});

async function made(given: Given = {}): Promise<{ text: string; id: string }> {
  const body = bodyOf(given);
  const { serviceToken, serviceTokenData } = await server.do('POST', CREATE, {
    body,
    ...(given.as === undefined ? {} : { token: given.as }),
  });
  return { text: serviceToken, id: serviceTokenData.id };
}

const listUrl = (environment: string, path: string, more = '', workspaceId = project.id) =>
  `${RAW}?workspaceId=${workspaceId}&environment=${environment}&secretPath=${encodeURIComponent(path)}${more}`;
const get = (token: string, url: string) => server.send('GET', url, { token });
const valuesOf = (body: any): string[] => body.secrets.map(({ secretValue }: any) => secretValue).sort();
const twoFolders: [string, string][] = [
  ['dev', '/app'],
  ['dev', '/apple'],
];

test("a token's text and its data are Infisical's, and the text is kept nowhere", async () => {
  const { serviceToken, serviceTokenData } = await server.do('POST', CREATE, { body: bodyOf({ expiresIn: 60 }) });
  expect(serviceToken).toMatch(new RegExp(`^st\\.${serviceTokenData.id}\\.[0-9a-f]{64}$`));
  expect(serviceTokenData).toMatchObject({
    ...{ name: 'a token', projectId: project.id, permissions: ['read'] },
    scopes: [{ environment: 'dev', secretPath: '/app/**' }],
  });
  const own = await get(serviceToken, CREATE);
  expect(own).toMatchObject({
    status: 200,
    body: { ...serviceTokenData, _id: serviceTokenData.id, __v: 0, workspace: project.id, user: { __v: 0 } },
  });
  expect(own.body.user._id).toBe(serviceTokenData.createdBy);
  const { serviceTokenData: listed } = await server.do('GET', `/api/v1/workspace/${project.id}/service-token-data`);
  // Asking about itself was a use of it.
  expect(listed).toContainEqual({ ...serviceTokenData, lastUsed: expect.any(String) });
  const kept = await server.sql.query('select row_to_json(t) from service_tokens t');
  expect(JSON.stringify(kept.rows)).not.toContain(serviceToken.split('.')[2]);
});

test.each(['', '.a-key-of-the-client', '.a.b.c'])('a client sends it with %j behind it', async (more) => {
  const { text } = await made();
  expect(valuesOf((await get(text + more, listUrl('dev', '/app'))).body)).toEqual(['ours-dev-/app']);
});

test.each<{ name: string; scopes: [string, string][]; reads: string[]; refused: [string, string][] }>([
  {
    name: 'folders under a path',
    scopes: [['dev', '/app/**']],
    reads: ['/app', '/app/db', '/app/db/deep'],
    refused: [
      ['dev', '/'],
      ['dev', '/apple'],
      ['prod', '/app'],
      ['prod', '/app/db'],
    ],
  },
  {
    name: 'one name deep',
    scopes: [['dev', '/app/*']],
    reads: ['/app/db'],
    refused: [
      ['dev', '/app'],
      ['dev', '/app/db/deep'],
      ['prod', '/app/db'],
    ],
  },
  {
    name: 'two folders',
    scopes: twoFolders,
    reads: ['/app', '/apple'],
    refused: [
      ['dev', '/app/db'],
      ['dev', '/'],
      ['prod', '/app'],
    ],
  },
  {
    name: 'a folder by environment',
    scopes: [
      ['dev', '/'],
      ['prod', '/app'],
    ],
    reads: ['/'],
    refused: [
      ['dev', '/app'],
      ['prod', '/'],
      ['staging', '/'],
    ],
  },
])('$name: it reads there and nowhere else', async ({ scopes, reads, refused }) => {
  const { text } = await made({ scopes });
  for (const path of reads) {
    expect(valuesOf((await get(text, listUrl('dev', path))).body)).toEqual([`ours-dev-${path}`]);
  }
  for (const [environment, path] of refused) {
    // The answer of whoever may is in memory, and comes to nobody else.
    expect((await get(server.admin, listUrl(environment, path))).status).toBe(200);
    const list = await get(text, listUrl(environment, path));
    const one = await get(text, listUrl(environment, path).replace('?', '/KEY?'));
    expect([environment, path, list.status, one.status]).toEqual([environment, path, 403, 403]);
  }
});

test('a recursive list shows what is in scope alone', async () => {
  const { text } = await made({ scopes: twoFolders });
  const { body } = await get(text, listUrl('dev', '/', '&recursive=true'));
  expect(valuesOf(body)).toEqual(['ours-dev-/app', 'ours-dev-/apple']);
});

test('references and imports lead nowhere beyond its scopes', async () => {
  const at = { projectId: project.id, environment: 'dev' };
  await server.do('POST', '/api/v1/folders', { body: { ...at, path: '/', name: 'linked' } });
  await server.setSecrets(project.id, 'dev', { TOP: `\${prod.KEY}` }, '/linked');
  const { text } = await made({
    scopes: [
      ['dev', '/linked'],
      ['dev', '/app'],
    ],
  });
  const expanded = await get(text, listUrl('dev', '/linked', '&expandSecretReferences=true'));
  expect([expanded.status, expanded.text.includes('ours-prod')]).toEqual([403, false]);
  const body = {
    workspaceId: project.id,
    environment: 'dev',
    path: '/app',
    import: { environment: 'prod', path: '/' },
  };
  const { secretImport } = await server.do('POST', '/api/v1/secret-imports', { body });
  const imported = await get(text, listUrl('dev', '/app', '&include_imports=true'));
  expect(imported.text).not.toContain('ours-prod');
  await server.do('DELETE', `/api/v1/secret-imports/${secretImport.id}`, { body });
});

test.each(['/app/..', '/app/../', '/app/%2e%2e', '/app//db', '/app/./db', '\\app', '/app/db/../../'])(
  'the path %s is no way out',
  async (path) => {
    const { text } = await made();
    const answer = await get(text, listUrl('dev', path));
    expect([answer.status === 422 || answer.status === 403, answer.text.includes('ours-')]).toEqual([true, false]);
  },
);

test('of other projects it reads nothing, and those of strangers are not there', async () => {
  const { text } = await made();
  const { id: organizationId } = await server.organization('far-away');
  const foreign = await server.project('foreign', organizationId);
  for (const [id, slug, status] of [
    [other.id, 'other', 403],
    [foreign.id, 'foreign', 404],
  ] as const) {
    const urls = [
      listUrl('dev', '/app', '', id),
      `${RAW}?workspaceSlug=${slug}&environment=dev&secretPath=/app`,
      `/api/v1/folders?workspaceId=${id}&environment=dev&path=/app`,
    ];
    for (const url of urls) expect([url, (await get(text, url)).status]).toEqual([url, status]);
  }
});

test('it sees the folders of its scopes', async () => {
  const { text } = await made();
  const url = (path: string) => `/api/v1/folders?workspaceId=${project.id}&environment=dev&path=${path}`;
  const { body } = await get(text, url('/app'));
  expect(body.folders.map(({ name }: any) => name)).toEqual(['db']);
  const outside = await get(text, url('/apple'));
  expect(outside.status === 403 || outside.body.folders.length === 0).toBe(true);
  const at = (id: string, environment: string, path: string) =>
    get(text, `/api/v1/folders/${id}/${environment}/${encodeURIComponent(path)}`);
  expect((await at(project.id, 'dev', '/app/db')).body.folder).toMatchObject({ name: 'db', projectId: project.id });
  expect((await at(project.id, 'dev', '/apple')).status).toBe(403);
  expect((await at(project.id, 'prod', '/app')).status).toBe(403);
  expect((await at(other.id, 'dev', '/app')).status).toBe(403);
});

test('a token for one folder reads it, whatever its request names', async () => {
  const { text } = await made({ scopes: [['dev', '/app']] });
  for (const url of [
    RAW,
    '/api/v4/secrets',
    listUrl('prod', '/'),
    listUrl('dev', '/app', '', other.id),
    `${RAW}?workspaceSlug=other&environment=prod`,
  ]) {
    expect([url, valuesOf((await get(text, url)).body)]).toEqual([url, ['ours-dev-/app']]);
  }
  const { body } = await get(text, `${RAW}/KEY`);
  expect(body.secret.secretValue).toBe('ours-dev-/app');
  // Its writes are where they say they are.
  const refused = await server.send('POST', `${RAW}/NEW`, {
    token: text,
    body: { workspaceId: project.id, environment: 'prod', secretPath: '/', secretValue: 'x' },
  });
  expect(refused.status).toBe(403);
});

test.each(['POST', 'PATCH', 'DELETE'])('%s wants the permission to write, in scope', async (method) => {
  const write = (token: string, environment: string, secretPath: string, url = `${RAW}/KEY`) =>
    server.send(method, url, {
      token,
      body: { workspaceId: project.id, environment, secretPath, secretValue: 'x', type: 'shared' },
    });
  const reader = await made();
  const writer = await made({ permissions: ['read', 'write'] });
  expect((await write(reader.text, 'dev', '/app')).status).toBe(403);
  for (const [environment, path] of [
    ['prod', '/app'],
    ['dev', '/'],
    ['dev', '/apple'],
  ] as const) {
    expect((await write(writer.text, environment, path)).status).toBe(403);
  }
  const name = `${RAW}/WRITTEN`;
  if (method !== 'POST') await server.setSecrets(project.id, 'dev', { WRITTEN: 'before' }, '/app/db');
  expect((await write(writer.text, 'dev', '/app/db', name)).status).toBe(200);
  if (method !== 'DELETE')
    await server.do('DELETE', name, {
      body: { workspaceId: project.id, environment: 'dev', secretPath: '/app/db' },
    });
});

test('a batch is refused for one item out of scope', async () => {
  const { text } = await made({ permissions: ['read', 'write'] });
  const secrets = [
    { secretKey: 'IN', secretValue: 'x' },
    { secretKey: 'OUT', secretValue: 'x', secretPath: '/apple' },
  ];
  const body = { projectId: project.id, environment: 'dev', secretPath: '/app', secrets };
  expect((await server.send('POST', '/api/v4/secrets/batch', { token: text, body })).status).toBe(403);
  expect((await get(server.admin, listUrl('dev', '/app').replace('?', '/IN?'))).status).toBe(404);
});

test('a token that may only write reads nothing', async () => {
  const { text } = await made({ permissions: ['write'] });
  expect((await get(text, listUrl('dev', '/app'))).status).toBe(403);
  await server
    .do('PATCH', `${RAW}/KEY`, {
      token: text,
      body: { workspaceId: project.id, environment: 'dev', secretPath: '/app', secretComment: 'written by a token' },
    })
    .then((answer) => expect(answer.secret.secretValue).not.toBe('ours-dev-/app'));
});

test('on every other route it is refused', async () => {
  const { text } = await made({ scopes: [['dev', '/**']], permissions: ['read', 'write'] });
  const routes = await routesOf(server.app);
  const nameOf = ({ method, path }: { method: string; path: string }) =>
    `${method} ${path.replace(/\{(\w+)\}/g, ':$1')}`;
  const there = new Set(routes.map(nameOf));
  expect([...SERVICE_TOKEN_ROUTES].filter((name) => !there.has(name))).toEqual([]);
  let refused = 0;
  for (const route of routes.filter((one) => !SERVICE_TOKEN_ROUTES.has(nameOf(one)))) {
    const params = Object.fromEntries(route.params.map((name) => [name, randomUUID()]));
    const answer = await server.send(route.method, urlOf(route, params), {
      token: text,
      ...(route.body === undefined ? {} : { body: {} }),
    });
    const stranger = await server.send(route.method, urlOf(route, params), route.body ? { body: {} } : {});
    if (!stranger.text.includes('this route needs a token')) continue;
    refused += 1;
    expect([route.name, answer.status]).toEqual([route.name, 403]);
  }
  expect(refused).toBeGreaterThan(100);
});

test('whoever takes a token away ends it at once, for answers in memory too', async () => {
  const { text, id } = await made();
  const read = () => get(text, listUrl('dev', '/app'));
  expect([(await read()).status, (await read()).status]).toEqual([200, 200]);
  await server.do('DELETE', `${CREATE}/${id}`);
  expect([(await read()).status, (await get(text, CREATE)).status]).toEqual([401, 401]);
  expect((await server.send('DELETE', `${CREATE}/${id}`, { token: server.admin })).status).toBe(404);
});

test('an expired token is refused, for answers in memory too', async () => {
  const { text, id } = await made({ expiresIn: 3600 });
  const read = async () => (await get(text, listUrl('dev', '/app'))).status;
  expect([await read(), await read()]).toEqual([200, 200]);
  await server.sql.query('update access_tokens set expires_at = now() where id = $1', [id]);
  expect(await read()).toBe(401);
});

test('switched off, none is made and none works; the list and taking away do', async () => {
  const { text, id } = await made();
  const read = async () => (await get(text, listUrl('dev', '/app'))).status;
  expect([await read(), await read()]).toEqual([200, 200]);
  await switchOn();
  expect(await read()).toBe(401);
  const refused = await server.send('POST', CREATE, { token: server.admin, body: bodyOf() });
  expect(refused).toMatchObject({ status: 403, body: { details: { method: 'service-token' } } });
  await server.do('GET', `/api/v1/workspace/${project.id}/service-token-data`);
  await server.do('DELETE', `${CREATE}/${id}`);
  await switchOn('service-token');
  expect(await read()).toBe(401);
});

test('a forged token costs no statement', async () => {
  const { text, id } = await made();
  const secret = text.split('.')[2]!;
  const another = randomBytes(32).toString('hex');
  const texts = [
    `st.${id}.${another}`,
    `st.${randomUUID()}.${secret}`,
    `st.${id}.${secret}a`,
    `st.${id}.`,
    `st.${id}`,
    `st.${id.toUpperCase()}.${secret}`,
    `st.${id}.${secret.toUpperCase()}`,
    `st.${id}.${Buffer.from(secret, 'hex').toString('base64url')}`,
    // Of another instance.
    serviceTokenOf(newClientSecretMacKey(), id),
  ];
  for (const forged of texts) {
    const counts = await statementsOf(server.sql, async () =>
      expect([forged, (await get(forged, listUrl('dev', '/app'))).status]).toEqual([forged, 401]),
    );
    expect(counts).toEqual({});
  }
});

test('a read from memory costs one statement, for a token of one folder too', async () => {
  for (const scopes of [[['dev', '/app']], [['dev', '/app/**']]] as [string, string][][]) {
    const { text } = await made({ scopes });
    const read = async () => expect((await get(text, listUrl('dev', '/app'))).status).toBe(200);
    await read();
    await read();
    expect(await statementsOf(server.sql, read)).toEqual({ pass: 1 });
  }
});

const RULES = [
  { subject: 'service-tokens', action: ['read', 'create', 'delete'] },
  { subject: 'secret-folders', action: ['read'] },
  {
    ...{ subject: 'secrets', action: ['read'] },
    conditions: { environment: 'dev', secretPath: { $glob: '/app/**' } },
  },
];

test('nobody makes a token that may do more than its maker', async () => {
  const role = { slug: 'token-maker', name: 'Token maker', permissions: RULES };
  await server.do('POST', `/api/v1/projects/${project.id}/roles`, { body: role });
  const maker = await server.machine('maker', { projectId: project.id, roles: [{ role: 'token-maker' }] });
  const create = async (given: Given) =>
    (await server.send('POST', CREATE, { token: maker.token, body: bodyOf(given) })).status;
  expect(await create({})).toBe(200);
  expect(await create({ scopes: [['dev', '/app/db']] })).toBe(200);
  expect(await create({ permissions: ['read', 'write'] })).toBe(403);
  expect(await create({ scopes: [['dev', '/**']] })).toBe(403);
  expect(await create({ scopes: [['prod', '/app']] })).toBe(403);
});

test('without the right there is no making, listing and taking away', async () => {
  const { id } = await made();
  const url = `/api/v1/workspace/${project.id}/service-token-data`;
  const viewer = await server.machine('viewer', { projectId: project.id, roles: [{ role: 'viewer' }] });
  const { id: organizationId } = await server.organization('strangers');
  const stranger = await server.machine('stranger', { organizationId, role: 'admin' });
  for (const [token, status] of [
    [viewer.token, 403],
    [stranger.token, 404],
  ] as const) {
    expect((await server.send('POST', CREATE, { token, body: bodyOf() })).status).toBe(status);
    expect((await server.send('GET', url, { token })).status).toBe(status);
    expect((await server.send('DELETE', `${CREATE}/${id}`, { token })).status).toBe(status);
  }
  expect((await get(viewer.token, CREATE)).status).toBe(403);
});

test.each<{ name: string; scope: object }>([
  { name: 'a path without a slash', scope: { environment: 'dev', secretPath: 'app' } },
  { name: 'a way up', scope: { environment: 'dev', secretPath: '/app/../**' } },
  { name: 'an open bracket', scope: { environment: 'dev', secretPath: '/app/[a' } },
  { name: 'a glob of another language', scope: { environment: 'dev', secretPath: '/!(app)/*' } },
  { name: 'a folder that cannot be', scope: { environment: 'dev', secretPath: '/a b' } },
  { name: 'a glob of environments', scope: { environment: '*', secretPath: '/' } },
])('$name is no scope', async ({ scope }) => {
  const body = { ...bodyOf(), scopes: [scope] };
  expect((await server.send('POST', CREATE, { token: server.admin, body })).status).toBe(422);
});

test('an environment that is not there is no scope', async () => {
  const answer = await server.send('POST', CREATE, { token: server.admin, body: bodyOf({ scopes: [['qa', '/']] }) });
  expect(answer.status).toBe(404);
});

test('what it does is recorded as its doing', async () => {
  const { text, id } = await made();
  await get(text, listUrl('dev', '/app'));
  await get(text, listUrl('dev', '/app'));
  await get(text, listUrl('prod', '/app'));
  const url = `/api/v1/organization/audit-logs?actor=${id}&projectId=${project.id}`;
  const { rows } = await server.sql.query(
    'select event, outcome, actor_kind as kind, actor_name as name from audit_log where actor_id = $1 order by at',
    [id],
  );
  const by = { kind: 'service', name: 'a token' };
  expect(rows).toEqual([
    { event: 'get-secrets', outcome: 'allowed', ...by },
    { event: 'get-secrets', outcome: 'allowed', ...by },
    { event: 'read-secrets', outcome: 'refused', ...by },
  ]);
  const { auditLogs } = await server.do('GET', url);
  expect(auditLogs[0].actor).toEqual({ type: 'service', metadata: { serviceId: id, name: 'a token' } });
  const made_ = await server.sql.query(
    `select metadata ->> 'serviceTokenId' as id from audit_log where event = 'create-service-token' and outcome = 'allowed'`,
  );
  expect(made_.rows).toContainEqual({ id });
});

test('it is no identity, and no member that anybody could give more', async () => {
  const { id } = await made();
  for (const url of [
    `/api/v1/identities/${id}`,
    `/api/v2/workspace/${project.id}/identity-memberships/${id}`,
    `/api/v1/projects/${project.id}/identity-memberships/${id}`,
  ]) {
    expect([url, (await get(server.admin, url)).status]).toEqual([url, 404]);
  }
  const { roles } = await server.do('GET', `/api/v1/projects/${project.id}/roles`);
  expect(roles.map(({ slug }: any) => slug)).not.toContain('service-token');
});

test('a token goes with its project', async () => {
  const gone = await server.project('gone');
  const body = { ...bodyOf({ scopes: [['dev', '/']] }), workspaceId: gone.id };
  const { serviceToken, serviceTokenData } = await server.do('POST', CREATE, { body });
  expect((await get(serviceToken, RAW)).status).toBe(200);
  await server.do('DELETE', `/api/v1/projects/${gone.id}`);
  expect((await get(serviceToken, RAW)).status).toBe(401);
  const { rows } = await server.sql.query('select id from actors where id = $1', [serviceTokenData.id]);
  expect(rows).toEqual([]);
});
