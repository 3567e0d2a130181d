import { afterAll, beforeAll, expect, test } from 'vitest';
import { startServer, type TestServer } from '../../support/server.ts';

let server: TestServer;
let project: { id: string };
beforeAll(async () => {
  server = await startServer();
  project = await server.project('gateway');
});
afterAll(() => server.close());

const UUID = expect.stringMatching(/^[0-9a-f-]{36}$/);
const INSTANT = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const at = () => `/api/v1/projects/${project.id}/environments`;
const create = (body: object) => server.send('POST', at(), { token: server.admin, body });
async function idOf(slug: string): Promise<string> {
  const { environments } = (await server.do('GET', `/api/v1/projects/${project.id}`)).project;
  return environments.find((environment: any) => environment.slug === slug).id;
}

test.each(['projects', 'workspace'])('an environment lives at /api/v1/%s', async (base) => {
  const url = `/api/v1/${base}/${project.id}/environments`;
  const made = await server.do('POST', url, { body: { name: 'Quality', slug: `qa-${base}` } });
  const { environment } = made;
  expect(made).toEqual({
    message: 'Successfully created new environment',
    workspace: project.id,
    environment: {
      id: UUID,
      name: 'Quality',
      slug: `qa-${base}`,
      position: expect.any(Number),
      projectId: project.id,
      createdAt: INSTANT,
      updatedAt: INSTANT,
    },
  });
  expect(await server.do('GET', `${url}/${environment.id}`)).toEqual({ environment });
  // It can hold secrets at once: its root folder is there.
  await server.setSecrets(project.id, environment.slug, { A: '1' });
  const changed = await server.do('PATCH', `${url}/${environment.id}`, { body: { slug: `q-${base}`, position: 7 } });
  expect(changed).toMatchObject({
    message: 'Successfully updated environment',
    workspace: project.id,
    environment: { id: environment.id, name: 'Quality', slug: `q-${base}`, position: 7 },
  });
  // A renamed environment keeps its secrets: they are bound to its id.
  const { secrets } = await server.do('GET', `/api/v4/secrets?projectId=${project.id}&environment=q-${base}`);
  expect(secrets).toMatchObject([{ secretKey: 'A', secretValue: '1', environment: `q-${base}` }]);
  const deleted = await server.do('DELETE', `${url}/${environment.id}`);
  expect(deleted).toMatchObject({ message: 'Successfully deleted environment', environment: { id: environment.id } });
  const { rowCount } = await server.sql.query('select from secrets where environment_id = $1', [environment.id]);
  expect(rowCount).toBe(0);
  const gone = await server.send('GET', `${url}/${environment.id}`, { token: server.admin });
  expect([gone.status, gone.body.message]).toEqual([404, `environment ${environment.id} not found in this project`]);
});

test('"production" is refused as a second environment', async () => {
  const dev = await idOf('dev');
  const answers = [
    await create({ name: 'Production', slug: 'production' }),
    await server.send('PATCH', `${at()}/${dev}`, { token: server.admin, body: { slug: 'production' } }),
  ];
  for (const { status, body } of answers) {
    expect([status, body.message]).toEqual([
      422,
      [
        {
          code: 'custom',
          path: ['slug'],
          message: 'this slug is an alias of the environment "prod", which every project can have only once',
        },
      ],
    ]);
  }
});

test('prod keeps its slug, and may change its name', async () => {
  const url = `${at()}/${await idOf('prod')}`;
  const { status, body } = await server.send('PATCH', url, { token: server.admin, body: { slug: 'live' } });
  expect([status, body.message]).toEqual([
    400,
    'environment "prod" keeps its slug: the built-in roles and the alias "production" name it',
  ]);
  const renamed = await server.do('PATCH', url, { body: { slug: 'prod', name: 'Live' } });
  expect(renamed.environment).toMatchObject({ slug: 'prod', name: 'Live' });
});

test('a slug is taken once in a project', async () => {
  const staging = await idOf('staging');
  const answers = [
    await create({ name: 'Twin', slug: 'dev' }),
    await server.send('PATCH', `${at()}/${staging}`, { token: server.admin, body: { slug: 'dev' } }),
  ];
  for (const { status, body } of answers) {
    expect([status, body.message]).toEqual([409, 'environment "dev" exists already in this project']);
  }
  const other = await server.project('other');
  const made = await server.send('POST', `/api/v1/projects/${other.id}/environments`, {
    token: server.admin,
    body: { name: 'QA', slug: 'qa' },
  });
  expect(made.status).toBe(200);
});

test.each([
  { what: '1 character', slug: 'q', status: 200 },
  { what: '64 characters', slug: 'q'.repeat(64), status: 200 },
  { what: '65 characters', slug: 'q'.repeat(65), status: 422 },
  { what: 'a capital letter', slug: 'QA', status: 422 },
  { what: 'a plus', slug: 'a+b', status: 422 },
])('a slug with $what answers $status', async ({ slug, status }) => {
  expect((await create({ name: 'Named', slug })).status).toBe(status);
});

test("an environment of another project is not one's own", async () => {
  const other = await server.project('third');
  const { environments } = (await server.do('GET', `/api/v1/projects/${other.id}`)).project;
  const url = `${at()}/${environments[0].id}`;
  for (const method of ['GET', 'PATCH', 'DELETE']) {
    const body = method === 'PATCH' ? { name: 'x' } : undefined;
    const answer = await server.send(method, url, { token: server.admin, body });
    expect([answer.status, answer.body.message]).toEqual([
      404,
      `environment ${environments[0].id} not found in this project`,
    ]);
  }
});

test('environments are listed in their order', async () => {
  const { id } = await server.project('ordered');
  const url = `/api/v1/projects/${id}/environments`;
  const { environment } = await server.do('POST', url, { body: { name: 'QA', slug: 'qa' } });
  expect(environment.position).toBe(4);
  await server.do('PATCH', `${url}/${environment.id}`, { body: { position: 1 } });
  await server.do('POST', url, { body: { name: 'Last', slug: 'last' } });
  const { environments } = (await server.do('GET', `/api/v1/projects/${id}`)).project;
  expect(environments.map((e: any) => e.slug).at(-1)).toBe('last');
});

test('a membership follows a renamed environment, and the next of its name is closed to it', async () => {
  const { id } = await server.project('renaming');
  const url = `/api/v1/projects/${id}/environments`;
  const { environment } = await server.do('POST', url, { body: { name: 'QA', slug: 'qa' } });
  const { token } = await server.machine('qa-reader', {
    projectId: id,
    roles: [{ role: 'viewer', environments: ['qa'] }],
  });
  const read = async (slug: string) =>
    (await server.send('GET', `/api/v4/secrets?projectId=${id}&environment=${slug}`, { token })).status;
  expect(await read('qa')).toBe(200);

  await server.do('PATCH', `${url}/${environment.id}`, { body: { slug: 'quality' } });
  const next = (await server.do('POST', url, { body: { name: 'QA', slug: 'qa' } })).environment;
  expect([await read('quality'), await read('qa')]).toEqual([200, 403]);

  await server.do('DELETE', `${url}/${environment.id}`);
  await server.do('PATCH', `${url}/${next.id}`, { body: { slug: 'quality' } });
  expect(await read('quality')).toBe(403);
});
