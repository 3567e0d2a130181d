import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Machine, startServer, type TestServer } from '../../support/server.ts';

let server: TestServer;
let gateway: { id: string };
let billing: { id: string };
let service: Machine;
let projectAdmin: Machine;

beforeAll(async () => {
  server = await startServer();
  gateway = await server.project('gateway');
  billing = await server.project('billing');
  await server.do('POST', '/api/v2/folders', { body: { projectId: gateway.id, environment: 'prod', name: 'db' } });
  await server.setSecrets(gateway.id, 'prod', { API_KEY: 'a', URL: 'u' });
  await server.setSecrets(gateway.id, 'prod', { PASSWORD: 'p' }, '/db');
  await server.setSecrets(billing.id, 'prod', { API_KEY: 'b' });
  service = await server.machine('gateway-service', { projectId: gateway.id, roles: [{ role: 'viewer' }] });
  projectAdmin = await server.machine('gateway-admin', { projectId: gateway.id, roles: [{ role: 'admin' }] });
  await server.send('GET', list('&recursive=true'), { token: service.token });
  await server.send('GET', list('', '/API_KEY'), { token: service.token });
});
afterAll(() => server.close());

const list = (more = '', key = '') =>
  `/api/v3/secrets/raw${key}?workspaceId=${gateway.id}&environment=prod&secretPath=/${more}`;
const query = (more: string, token = server.admin) =>
  server.send('GET', `/api/v1/audit-logs?projectId=${gateway.id}&limit=1000${more}`, { token });
const events = ({ body }: { body: any }) => body.auditLogs.map((log: any) => log.event.type);

test("HIP-27's query shows its six facts, without values", async () => {
  const { status, body } = await query(`&actor=${service.id}`);
  expect(status).toBe(200);
  expect(body.auditLogs).toMatchObject([
    { who: 'gateway-service', what: ['API_KEY'], where: '127.0.0.1', action: 'read', project: 'gateway' },
    { who: 'gateway-service', what: ['API_KEY', 'URL', '/db:PASSWORD'], environment: 'prod', outcome: 'allowed' },
  ]);
  for (const { when } of body.auditLogs) expect(when).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
});

test.each<{ name: string; filter: () => string; finds: string[] }>([
  {
    name: 'a key that was read by its name or in lists',
    filter: () => '&secretKey=API_KEY&action=read',
    finds: ['get-secret', 'get-secrets'],
  },
  {
    name: 'a key below a folder of a recursive list',
    filter: () => '&secretKey=PASSWORD&action=read',
    finds: ['get-secrets'],
  },
  { name: 'a key that was written', filter: () => '&secretKey=PASSWORD&action=create', finds: ['create-secret'] },
  { name: 'a part of a key', filter: () => '&secretKey=PASS', finds: [] },
  { name: 'an action', filter: () => '&action=delete', finds: [] },
  { name: 'an event', filter: () => '&eventType=get-secret', finds: ['get-secret'] },
  { name: 'an actor', filter: () => `&actor=${service.id}`, finds: ['get-secret', 'get-secrets'] },
  {
    name: 'an environment by its alias',
    filter: () => '&environment=production&eventType=get-secret',
    finds: ['get-secret'],
  },
  { name: 'another environment', filter: () => '&environment=dev', finds: [] },
  { name: 'an outcome', filter: () => `&outcome=refused&actor=${service.id}`, finds: [] },
])('a query finds $name', async ({ filter, finds }) => {
  const answer = await query(filter());
  expect(answer.status).toBe(200);
  expect(events(answer)).toEqual(finds);
});

test.each([
  { at: '2024-12-31T23:59:59.999999Z', inside: false },
  { at: '2025-01-01T00:00:00.000000Z', inside: true },
  { at: '2025-01-15T12:00:00Z', inside: true },
  { at: '2025-01-31T00:00:00Z', inside: true },
  { at: '2025-01-31T23:59:59.999999Z', inside: true },
  { at: '2025-02-01T00:00:00.000000Z', inside: false },
])('a record of $at is in January: $inside', async ({ at, inside }) => {
  const event = `at-${randomUUID()}`;
  await server.sql.query(
    `insert into audit_log (at, organization_id, project_id, project_slug, action, event, outcome, actor_kind, request_id)
     values ($1, $2, $3, 'gateway', 'read', $4, 'allowed', 'identity', 'test')`,
    [at, server.organizationId, gateway.id, event],
  );
  const answer = await query(`&startDate=2025-01-01&endDate=2025-01-31&eventType=${event}`);
  expect(events(answer)).toEqual(inside ? [event] : []);
  const { rows } = await server.sql.query(
    'select tableoid::regclass::text as partition from audit_log where event = $1',
    [event],
  );
  expect(rows[0].partition).toBe('audit_log_other');
});

test('instants bound a query, both of them included', async () => {
  const event = 'at-an-instant';
  await server.sql.query(
    `insert into audit_log (at, organization_id, project_id, project_slug, action, event, outcome, actor_kind, request_id)
     values ('2025-03-01T10:00:00Z', $1, $2, 'gateway', 'read', $3, 'allowed', 'identity', 'test')`,
    [server.organizationId, gateway.id, event],
  );
  const between = async (start: string, end: string) =>
    events(
      await query(`&eventType=${event}&startDate=${encodeURIComponent(start)}&endDate=${encodeURIComponent(end)}`),
    );
  expect(await between('2025-03-01T10:00:00Z', '2025-03-01T12:00:00+02:00')).toEqual([event]);
  expect(await between('2025-03-01T10:00:00.001Z', '2025-03-02')).toEqual([]);
  expect(await between('2025-02-01', '2025-03-01T09:59:59.999Z')).toEqual([]);
});

test('the latest records come first, page by page', async () => {
  const all = (await query('')).body.auditLogs;
  const whens = all.map((log: any) => log.when);
  expect(whens).toEqual([...whens].sort().reverse());
  // Each query adds its own record, so the pages are cut from what was there before.
  const until = `&endDate=${whens[0]}`;
  const ids = (answer: any) => answer.body.auditLogs.map((log: any) => log.id);
  const whole = ids(await query(`&limit=6${until}`.replace('&limit=6', '')));
  const pages = [
    ...ids(
      await server.send('GET', `/api/v1/audit-logs?projectId=${gateway.id}&limit=2${until}`, { token: server.admin }),
    ),
    ...ids(
      await server.send('GET', `/api/v1/audit-logs?projectId=${gateway.id}&limit=2&offset=2${until}`, {
        token: server.admin,
      }),
    ),
  ];
  expect(pages).toEqual(whole.slice(0, 4));
});

test('a project admin sees the records of its project alone', async () => {
  const own = await query('', projectAdmin.token);
  expect(own.status).toBe(200);
  expect(new Set(own.body.auditLogs.map((log: any) => log.project))).toEqual(new Set(['gateway']));
  for (const url of [`/api/v1/audit-logs?projectId=${billing.id}`, `/api/v1/workspace/${billing.id}/audit-logs`]) {
    expect((await server.send('GET', url, { token: projectAdmin.token })).status).toBe(403);
  }
  const organization = await server.send('GET', `/api/v1/organization/${server.organizationId}/audit-logs`, {
    token: projectAdmin.token,
  });
  expect(organization).toMatchObject({
    status: 403,
    body: { message: expect.stringContaining('admin of the organization') },
  });
});

test('an organization admin sees all projects of it', async () => {
  const lux = await server.organization('lux');
  const foreign = await server.project('lux-node', lux.id);
  await server.setSecrets(foreign.id, 'prod', { KEY: 'x' });
  const { body } = await server.send('GET', `/api/v1/audit-logs?organizationId=${server.organizationId}&limit=1000`, {
    token: server.admin,
  });
  const projects = new Set(body.auditLogs.map((log: any) => log.project));
  expect(projects).toEqual(new Set([null, 'gateway', 'billing']));
  expect(new Set(body.auditLogs.map((log: any) => log.orgId))).toEqual(new Set([server.organizationId]));
});

test.each<{ name: string; url: () => string; token: () => Promise<string>; status: number; message: RegExp }>([
  {
    name: 'a viewer',
    url: () => `/api/v1/audit-logs?projectId=${gateway.id}`,
    token: async () => service.token,
    status: 403,
    message: /^gateway-service may not read audit-logs of project "gateway"/,
  },
  {
    name: 'an identity of another organization',
    url: () => `/api/v1/audit-logs?projectId=${gateway.id}`,
    token: async () => (await foreigner()).token,
    status: 404,
    message: /^project ".*" not found$/,
  },
  {
    name: 'a stranger to the organization',
    url: () => `/api/v1/audit-logs?organizationId=${server.organizationId}`,
    token: async () => (await foreigner()).token,
    status: 404,
    message: /^organization .* not found$/,
  },
])('$name sees no records', async ({ url, token, status, message }) => {
  const answer = await server.send('GET', url(), { token: await token() });
  expect({ status: answer.status, message: answer.body.message }).toEqual({
    status,
    message: expect.stringMatching(message),
  });
});

let elsewhere: Machine | undefined;
async function foreigner(): Promise<Machine> {
  const zoo = elsewhere ? undefined : await server.organization('zoo');
  elsewhere ??= await server.machine('zoo-admin', { organizationId: zoo!.id, role: 'admin' });
  return elsewhere;
}

test('to look at the audit is itself recorded', async () => {
  await query('&eventType=looked-for', projectAdmin.token);
  const answer = await query(`&actor=${projectAdmin.id}&eventType=get-audit-logs`);
  expect(answer.body.auditLogs[0]).toMatchObject({
    who: 'gateway-admin',
    project: 'gateway',
    event: { metadata: { eventType: ['looked-for'] } },
  });
});

test.each(['startDate=yesterday', 'startDate=2025-02-30', 'limit=0', 'limit=1001', 'action=peek', 'actor=me'])(
  'a query with %s is refused',
  async (wrong) => {
    const { status, body } = await server.send('GET', `/api/v1/audit-logs?projectId=${gateway.id}&${wrong}`, {
      token: server.admin,
    });
    expect({ status, path: body.message?.[0]?.path?.at(-1) }).toEqual({ status: 422, path: wrong.split('=')[0] });
  },
);

test('admins of the organization find the records of a deleted project', async () => {
  const gone = await server.project('gone');
  await server.do('DELETE', `/api/v1/projects/${gone.id}`);
  const named = `/api/v1/audit-logs?organizationId=${server.organizationId}&projectId=${gone.id}`;
  expect(events(await server.send('GET', named, { token: server.admin }))).toContain('delete-project');
  expect((await server.send('GET', named, { token: projectAdmin.token })).status).toBe(403);
});

test('a project in the query does not widen the organization in the path', async () => {
  const pars = await server.organization('pars');
  const url = `/api/v1/organization/${pars.id}/audit-logs?projectId=${gateway.id}`;
  const { status, body } = await server.send('GET', url, { token: server.admin });
  expect([status, body.auditLogs]).toEqual([200, []]);
});
