import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Machine, startServer, type TestServer } from '../../support/server.ts';

let server: TestServer;
let projectId: string;
let developer: Machine;
let round = 0;

beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());
beforeEach(async () => {
  projectId = (await server.project(`gateway-${++round}`)).id;
  developer = await server.machine(`developer-${round}`, { projectId, roles: [{ role: 'developer' }] });
  await server.do('POST', '/api/v1/folders', { body: { projectId, environment: 'staging', name: 'db' } });
  await server.setSecrets(projectId, 'dev', { A: 'a', B: 'b' });
});

const list = async (environment: string, secretPath = '/') => {
  const query = new URLSearchParams({ projectId, environment, secretPath });
  return (await server.do('GET', `/api/v4/secrets?${query}`)).secrets;
};
const pairs = async (environment: string, path?: string) =>
  (await list(environment, path)).map((s: any) => `${s.secretKey}=${s.secretValue}`);
const ids = async (environment: string) => (await list(environment)).map(({ id }: any) => id);
const move = async (secretIds: string[], more: object = {}, token = server.admin) =>
  server.send('POST', '/api/v4/secrets/move', {
    token,
    body: {
      projectId,
      sourceEnvironment: 'dev',
      destinationEnvironment: 'staging',
      destinationSecretPath: '/db',
      secretIds,
      ...more,
    },
  });

test('moved secrets keep ids and go on with their versions', async () => {
  const moved = await ids('dev');
  expect((await move(moved)).body).toEqual({ isSourceUpdated: true, isDestinationUpdated: true });
  expect(await pairs('dev')).toEqual([]);
  expect(await pairs('staging', '/db')).toEqual(['A=a', 'B=b']);
  expect((await list('staging', '/db')).map(({ id, version }: any) => [id, version])).toEqual(
    moved.map((id: string) => [id, 2]),
  );
  const { rows } = await server.sql.query(
    `select event, environment from audit_log where project_id = $1 and secret_key = 'A' and event like 'move%' order by event`,
    [projectId],
  );
  expect(rows).toEqual([
    { event: 'move-secret', environment: 'staging' },
    { event: 'move-secret-away', environment: 'dev' },
  ]);
});

test('a taken name stops the whole move, unless it may be overwritten', async () => {
  await server.setSecrets(projectId, 'staging', { A: 'old' }, '/db');
  const [target] = (await list('staging', '/db')).map(({ id }: any) => id);
  const refused = await move(await ids('dev'));
  expect([refused.status, refused.body.details]).toEqual([409, { secretKeys: ['A'] }]);
  expect(await pairs('dev')).toEqual(['A=a', 'B=b']);
  expect((await move(await ids('dev'), { shouldOverwrite: true })).status).toBe(200);
  expect(await pairs('dev')).toEqual([]);
  expect(await pairs('staging', '/db')).toEqual(['A=a', 'B=b']);
  expect((await list('staging', '/db'))[0]).toMatchObject({ id: target, version: 2 });
});

test('a secret that is not in the folder moves nothing', async () => {
  await server.setSecrets(projectId, 'prod', { P: 'p' });
  const [elsewhere] = await ids('prod');
  const { status, body } = await move([...(await ids('dev')), elsewhere]);
  expect([status, body.message]).toEqual([404, `secret ${elsewhere} not found in environment "dev", path "/"`]);
  expect(await pairs('dev')).toEqual(['A=a', 'B=b']);
  expect((await move(await ids('dev'), { destinationEnvironment: 'dev', destinationSecretPath: '/' })).status).toBe(
    400,
  );
});

test('the rights of both places are asked, and reading first of all', async () => {
  const toProd = { destinationEnvironment: 'prod', destinationSecretPath: '/' };
  expect((await move(await ids('dev'), toProd, developer.token)).status).toBe(403);
  await server.setSecrets(projectId, 'prod', { P: 'planted-in-prod' });
  const fromProd = { sourceEnvironment: 'prod', destinationEnvironment: 'dev', destinationSecretPath: '/' };
  const stolen = await move(await ids('prod'), fromProd, developer.token);
  expect(stolen.status).toBe(403);
  expect(await pairs('prod')).toEqual(['P=planted-in-prod']);
  expect((await move(await ids('dev'), {}, developer.token)).status).toBe(200);
});

test.each([
  ['GET', '/api/v3/secrets?workspaceId=x&environment=dev', 'GET /api/v3/secrets/raw'],
  ['POST', '/api/v3/secrets/batch', 'POST /api/v3/secrets/batch/raw'],
  ['PATCH', '/api/v3/secrets/NAME', 'PATCH /api/v3/secrets/raw/:secretName'],
  ['GET', '/api/v3/secrets/NAME', 'GET /api/v3/secrets/raw/:secretName'],
])('%s %s names the raw route', async (method, url, raw) => {
  const { status, body } = await server.send(method, url, { token: server.admin });
  expect([status, body.message]).toEqual([400, `this server keeps no end-to-end encrypted secrets; use ${raw}`]);
});
