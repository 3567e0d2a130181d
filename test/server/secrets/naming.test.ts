import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startServer, type TestServer } from '../../support/server.ts';

let server: TestServer;
let project: { id: string; slug: string };

beforeAll(async () => {
  server = await startServer();
  project = await server.project('gateway');
  await server.setSecrets(project.id, 'prod', { KEPT: 'kept' });
});
afterAll(() => server.close());

const versions = [
  { version: 'v3', base: '/api/v3/secrets/raw', batch: '/api/v3/secrets/batch/raw' },
  { version: 'v4', base: '/api/v4/secrets', batch: '/api/v4/secrets/batch' },
];

/** Every way in which known clients name a project; several send what they do not use as an empty string. */
const namings = (of: { id: string; slug: string }): Record<string, string>[] => [
  { workspaceId: of.id },
  { projectId: of.id },
  { workspaceSlug: of.slug },
  { projectSlug: of.slug },
  { workspaceId: of.id, workspaceSlug: '' },
  { workspaceId: '', workspaceSlug: of.slug },
  { projectId: '', projectSlug: '', workspaceId: '', workspaceSlug: of.slug },
];
const NAMINGS = namings({ id: '<id>', slug: '<slug>' }).map((_, n) => n);

const cases = versions.flatMap((at) => NAMINGS.map((n) => ({ ...at, n })));

test.each(cases)('$version takes a project by naming $n on every verb', async ({ base, batch, n }) => {
  const naming = namings(project)[n]!;
  const at = { ...naming, environment: 'dev', secretPath: '/' };
  const query = new URLSearchParams(at);
  const named = (body: object) => ({ body: { ...at, ...body } });
  const secret = { workspace: project.id, environment: 'dev', secretPath: '/' };

  const created = await server.do('POST', `${base}/ONE`, named({ secretValue: '1' }));
  expect(created.secret).toMatchObject({ ...secret, secretKey: 'ONE', secretValue: '1', version: 1 });
  const listed = await server.do('GET', `${base}?${query}`);
  expect(listed).toMatchObject({ secrets: [{ ...secret, secretKey: 'ONE' }], imports: [] });
  const read = await server.do('GET', `${base}/ONE?${query}`);
  expect(read.secret).toMatchObject({ ...secret, secretValue: '1' });
  const changed = await server.do('PATCH', `${base}/ONE`, named({ secretValue: '2' }));
  expect(changed.secret).toMatchObject({ secretValue: '2', version: 2 });
  const made = await server.do('POST', batch, named({ secrets: [{ secretKey: 'TWO', secretValue: 'a' }] }));
  expect(made.secrets).toMatchObject([{ secretKey: 'TWO', version: 1 }]);
  const patched = await server.do('PATCH', batch, named({ secrets: [{ secretKey: 'TWO', secretValue: 'b' }] }));
  expect(patched.secrets).toMatchObject([{ secretValue: 'b', version: 2 }]);
  const removed = await server.do('DELETE', batch, named({ secrets: [{ secretKey: 'TWO' }] }));
  expect(removed.secrets).toMatchObject([{ secretKey: 'TWO' }]);
  await server.do('DELETE', `${base}/ONE`, named({}));
  expect((await server.do('GET', `${base}?${query}`)).secrets).toEqual([]);
});

test.each(versions)('$version answers the fields of the present secret object', async ({ base }) => {
  const { secrets } = await server.do('GET', `${base}?projectId=${project.id}&environment=prod`);
  expect(Object.keys(secrets[0]).sort()).toEqual(
    [
      ...['id', '_id', 'workspace', 'environment', 'secretPath', 'version', 'type', 'secretKey', 'secretValue'],
      ...['secretValueHidden', 'secretComment', 'skipMultilineEncoding', 'secretReminderNote'],
      ...[
        'secretReminderRepeatDays',
        'secretMetadata',
        'tags',
        'actor',
        'isRotatedSecret',
        'rotationId',
        'createdAt',
        'updatedAt',
      ],
    ].sort(),
  );
  expect(secrets[0].id).toBe(secrets[0]._id);
});

test.each(versions)('$version: "production" names prod on every route', async ({ base, batch }) => {
  const at = { projectId: project.id, environment: 'production' };
  const query = new URLSearchParams(at);
  const prod = { environment: 'prod' };
  const { secret } = await server.do('POST', `${base}/ALIAS`, { body: { ...at, secretValue: '1' } });
  expect(secret).toMatchObject(prod);
  expect((await server.do('GET', `${base}/ALIAS?${query}`)).secret).toMatchObject(prod);
  const listed = await server.do('GET', `${base}?${query}`);
  expect(listed.secrets).toMatchObject([
    { ...prod, secretKey: 'ALIAS' },
    { ...prod, secretKey: 'KEPT' },
  ]);
  expect((await server.do('PATCH', `${base}/ALIAS`, { body: { ...at, secretValue: '2' } })).secret).toMatchObject(prod);
  const items = [{ secretKey: 'ALIAS_2', secretValue: '1' }];
  for (const method of ['POST', 'PATCH', 'DELETE']) {
    expect((await server.do(method, batch, { body: { ...at, secrets: items } })).secrets).toMatchObject([prod]);
  }
  expect((await server.do('DELETE', `${base}/ALIAS`, { body: at })).secret).toMatchObject(prod);
});

const nowhere = randomUUID();
const mistakes: { what: string; given: Record<string, string>; named: string }[] = [
  {
    what: 'environment',
    given: { environment: 'prdo' },
    named: 'environment "prdo" not found in project "gateway": it has dev, staging, prod',
  },
  {
    what: 'path',
    given: { secretPath: '/databse' },
    named: 'folder "/databse" not found in environment "prod" of project "gateway"',
  },
  { what: 'project id', given: { projectId: nowhere }, named: `project "${nowhere}" not found` },
  { what: 'project slug', given: { projectId: '', projectSlug: 'gatewy' }, named: 'project "gatewy" not found' },
];

test.each(versions.flatMap((at) => mistakes.map((mistake) => ({ ...at, ...mistake }))))(
  '$version: a mistyped $what is a 404 naming it',
  async ({ base, batch, given, named }) => {
    const at = { projectId: project.id, environment: 'prod', secretPath: '/', ...given };
    const query = new URLSearchParams(at);
    const body = { ...at, secretValue: 'x', secrets: [{ secretKey: 'KEPT', secretValue: 'x' }] };
    const answers = await Promise.all([
      server.send('GET', `${base}?${query}`, { token: server.admin }),
      server.send('GET', `${base}/KEPT?${query}`, { token: server.admin }),
      server.send('GET', `${base}/KEPT?version=1&${query}`, { token: server.admin }),
      ...['POST', 'PATCH', 'DELETE'].flatMap((method) => [
        server.send(method, `${base}/KEPT`, { token: server.admin, body }),
        server.send(method, batch, { token: server.admin, body }),
      ]),
    ]);
    for (const answer of answers) {
      expect(answer.body).toMatchObject({ statusCode: 404, error: 'NotFound', message: named });
      expect(answer.status).toBe(404);
    }
  },
);

test.each(versions)('$version: a mistyped key is a 404 naming it', async ({ base, batch }) => {
  const at = { projectId: project.id, environment: 'prod' };
  const query = new URLSearchParams(at);
  const body = { ...at, secretValue: 'x', secrets: [{ secretKey: 'KPET', secretValue: 'x' }] };
  const place = 'project "gateway", environment "prod", path "/"';
  const answers = await Promise.all([
    server.send('GET', `${base}/KPET?${query}`, { token: server.admin }),
    server.send('PATCH', `${base}/KPET`, { token: server.admin, body }),
    server.send('DELETE', `${base}/KPET`, { token: server.admin, body }),
    server.send('PATCH', batch, { token: server.admin, body }),
    server.send('DELETE', batch, { token: server.admin, body }),
  ]);
  for (const { status, body: answer } of answers) {
    expect([status, answer.message]).toEqual([404, `secret "KPET" not found in ${place}`]);
  }
  const version = await server.send('GET', `${base}/KEPT?version=7&${query}`, { token: server.admin });
  expect([version.status, version.body.message]).toEqual([404, `secret "KEPT" has no version 7 in ${place}`]);
});

test.each([
  { what: 'no project', url: '/api/v3/secrets/raw?environment=prod', field: 'projectId' },
  {
    what: 'only empty namings',
    url: '/api/v3/secrets/raw?environment=prod&workspaceId=&workspaceSlug=',
    field: 'projectId',
  },
  { what: 'no environment', url: '/api/v3/secrets/raw?workspaceSlug=gateway', field: 'environment' },
  { what: 'a slug as id', url: '/api/v3/secrets/raw?workspaceId=gateway&environment=prod', field: 'workspaceId' },
  {
    what: 'a relative path',
    url: '/api/v3/secrets/raw?workspaceSlug=gateway&environment=prod&secretPath=a',
    field: 'secretPath',
  },
])('a list with $what is a 422 naming the field', async ({ url, field }) => {
  const { status, body } = await server.send('GET', url, { token: server.admin });
  expect(status).toBe(422);
  expect(body).toMatchObject({ error: 'ValidationFailure', message: [{ path: [field] }] });
});

test('an organization id narrows a slug to it', async () => {
  const lux = await server.organization('narrow');
  const twin = await server.project('gateway', lux.id);
  await server.setSecrets(twin.id, 'prod', { TWIN: 'of lux' });
  const url = '/api/v3/secrets/raw?workspaceSlug=gateway&environment=prod';
  const ambiguous = await server.send('GET', url, { token: server.admin });
  expect([ambiguous.status, ambiguous.body.message]).toEqual([
    400,
    'project "gateway" exists in 2 of your organizations; name it by its id',
  ]);
  const narrowed = await server.do('GET', `${url}&organizationId=${lux.id}`);
  expect(narrowed.secrets).toMatchObject([{ secretKey: 'TWIN', workspace: twin.id }]);
  const other = await server.do('GET', `${url}&organizationId=${server.organizationId}`);
  expect(other.secrets).toMatchObject([{ secretKey: 'KEPT', workspace: project.id }]);
  const none = await server.send('GET', `${url}&organizationId=${nowhere}`, { token: server.admin });
  expect([none.status, none.body.message]).toEqual([404, 'project "gateway" not found']);
});
