import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
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

test.each([
  { base: '/api/v1/projects', name: 'today' },
  { base: '/api/v1/workspace', name: 'older' },
  { base: '/api/v2/workspace', name: 'oldest' },
])('an environment lives at $base', async ({ base, name }) => {
  const url = `${base}/${project.id}/environments`;
  const made = await server.do('POST', url, { body: { name: 'Quality', slug: `qa-${name}` } });
  const { environment } = made;
  expect(made).toEqual({
    message: 'Successfully created new environment',
    projectId: project.id,
    workspace: project.id,
    environment: {
      id: UUID,
      name: 'Quality',
      slug: `qa-${name}`,
      position: expect.any(Number),
      projectId: project.id,
      createdAt: INSTANT,
      updatedAt: INSTANT,
    },
  });
  expect(await server.do('GET', `${url}/${environment.id}`)).toEqual({ environment });
  expect(await server.do('GET', `/api/v1/workspace/environments/${environment.id}`)).toEqual({ environment });
  const listed = (await server.do('GET', url)).environments;
  expect(listed).toContainEqual(environment);
  expect(listed.map((one: any) => one.position)).toEqual(listed.map((_: unknown, n: number) => n + 1));
  // It can hold secrets at once: its root folder is there.
  await server.setSecrets(project.id, environment.slug, { A: '1' });
  const changed = await server.do('PATCH', `${url}/${environment.id}`, { body: { slug: `q-${name}`, position: 2 } });
  expect(changed).toMatchObject({
    message: 'Successfully updated environment',
    workspace: project.id,
    environment: { id: environment.id, name: 'Quality', slug: `q-${name}`, position: 2 },
  });
  // A renamed environment keeps its secrets: they are bound to its id.
  const { secrets } = await server.do('GET', `/api/v4/secrets?projectId=${project.id}&environment=q-${name}`);
  expect(secrets).toMatchObject([{ secretKey: 'A', secretValue: '1', environment: `q-${name}` }]);
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

test('positions are 1 to n in the order that was asked for, whatever is done', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.oneof(
          fc.record({
            is: fc.constant('create'),
            position: fc.option(fc.integer({ min: 1, max: 7 }), { nil: undefined }),
          }),
          fc.record({ is: fc.constant('move'), which: fc.nat(9), position: fc.integer({ min: 1, max: 9 }) }),
          fc.record({ is: fc.constant('delete'), which: fc.nat(9) }),
        ),
        { minLength: 3, maxLength: 6 },
      ),
      async (steps) => {
        const { id } = await server.project(`ordered-${randomUUID().slice(0, 8)}`);
        const url = `/api/v1/projects/${id}/environments`;
        const list = async (): Promise<any[]> => (await server.do('GET', url)).environments;
        let expected = (await list()).map(({ slug }) => slug);
        for (const [n, step] of steps.entries()) {
          const there = await list();
          const one = there[('which' in step ? step.which : 0) % Math.max(there.length, 1)];
          const put = (slug: string, position = Number.POSITIVE_INFINITY) =>
            expected.splice(Math.min(position, expected.length + 1) - 1, 0, slug);
          if (step.is === 'create') {
            const { position } = step as { position?: number };
            await server.do('POST', url, { body: { name: 'x', slug: `e-${n}`, position } });
            put(`e-${n}`, position);
          } else if (one) {
            expected = expected.filter((slug) => slug !== one.slug);
            if (step.is === 'move') {
              const { position } = step as { position: number };
              const { environment } = await server.do('PATCH', `${url}/${one.id}`, { body: { position } });
              put(one.slug, position);
              expect(environment.position).toBe(expected.indexOf(one.slug) + 1);
            } else await server.do('DELETE', `${url}/${one.id}`);
          }
          const after = await list();
          expect(after.map(({ slug }) => slug)).toEqual(expected);
          expect(after.map(({ position }) => position)).toEqual(expected.map((_, at) => at + 1));
        }
      },
    ),
    { numRuns: 6 },
  );
});

test.each([
  { who: 'a stranger of another organization', status: 404 },
  { who: 'a member without the right', status: 403 },
])('$who gets a $status from each route', async ({ status }) => {
  const elsewhere = status === 404 ? { organizationId: (await server.organization('lux')).id } : {};
  const member = status === 403 ? { projectId: project.id, roles: [{ role: 'no-access' }] } : {};
  const { token } = await server.machine(`asking-${status}`, { ...elsewhere, ...member });
  const dev = await idOf('dev');
  const alone = await server.send('GET', `/api/v1/workspace/environments/${dev}`, { token });
  expect(alone.status).toBe(status);
  if (status === 404) expect(alone.body.message).toBe(`environment ${dev} not found`);
  for (const base of ['/api/v1/projects', '/api/v1/workspace', '/api/v2/workspace']) {
    const url = `${base}/${project.id}/environments`;
    for (const [method, path, body] of [
      ['GET', url],
      ['POST', url, { name: 'x', slug: 'x' }],
      ['GET', `${url}/${dev}`],
      ['PATCH', `${url}/${dev}`, { name: 'x' }],
      ['DELETE', `${url}/${dev}`],
    ] as const) {
      const answer = await server.send(method, path, { token, body });
      expect([method, path, answer.status], answer.text).toEqual([method, path, status]);
    }
  }
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
