import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Machine, startServer, type TestServer } from '../../support/server.ts';

let server: TestServer;
let gateway: { id: string };
let service: Machine;
let developer: Machine;

beforeAll(async () => {
  server = await startServer();
  gateway = await server.project('gateway');
  await server.setSecrets(gateway.id, 'prod', { API_KEY: 'a', URL: 'u' });
  service = await server.machine('gateway-service', { projectId: gateway.id, roles: [{ role: 'viewer' }] });
  developer = await server.machine('developer', { projectId: gateway.id, roles: [{ role: 'developer' }] });
  // Many of one microsecond, so that pages must be cut within it.
  await server.sql.query(
    `insert into audit_log (at, organization_id, project_id, project_slug, environment, action, event, outcome, actor_kind, actor_id, ip, user_agent, request_id)
     select timestamptz '2025-05-05T10:00:00Z' + (n / 10) * interval '1 microsecond', $1, $2, 'gateway',
            case when n % 2 = 0 then 'prod' else 'dev' end, 'read', 'paged', 'allowed', 'identity', $3, ('10.0.' || n % 2 || '.1')::inet,
            case when n % 3 = 0 then 'terraform/1' when n % 3 = 1 then 'Mozilla/5.0' end, 'test'
       from generate_series(0, 2499) as n`,
    [server.organizationId, gateway.id, service.id],
  );
});
afterAll(() => server.close());

const get = (more: string, token = server.admin) =>
  server.send('GET', `/api/v1/audit-logs?projectId=${gateway.id}&eventType=paged${more}`, { token });

test('cursors give every record once, in order', async () => {
  const seen: string[] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    const { status, body } = await get(`&limit=997&cursor=${cursor}`);
    expect(status).toBe(200);
    seen.push(...body.auditLogs.map(({ id }: { id: string }) => id));
    cursor = body.nextCursor;
  }
  const { rows } = await server.sql.query(`select id from audit_log where event = 'paged' order by at desc, id desc`);
  expect(seen).toEqual(rows.map(({ id }) => id));
});

test('an export is every record, a line each', async () => {
  const answer = await server.send('GET', `/api/v1/audit-logs/export?projectId=${gateway.id}&eventType=paged`, {
    token: server.admin,
  });
  expect(answer.status).toBe(200);
  expect(answer.headers['content-type']).toMatch('application/x-ndjson');
  const lines = answer.text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines).toHaveLength(2500);
  expect(new Set(lines.map(({ id }) => id)).size).toBe(2500);
  expect(lines[0]).toMatchObject({ who: service.id, action: 'read', project: 'gateway', event: { type: 'paged' } });
  const asked = await get('&eventType=export-audit-logs&limit=1');
  expect(asked.status).toBe(200);
});

test.each([
  ['an environment', '&environment=dev', 1250],
  ['environments by their aliases', '&environment=dev,production', 2500],
  ['a parameter given twice', '&environment=dev&environment=prod', 2500],
  ['an address', '&ipAddress=10.0.1.1', 1250],
  ['a network', '&ipAddress=10.0.0.0/24', 1250],
  ['a kind of client', '&userAgentType=terraform', 834],
  ['kinds of clients', '&userAgentType=terraform,web', 1667],
  ['a kind of actor', '&actorType=user', 0],
  ['actors', () => `&actor=${service.id},${developer.id}`, 2500],
  ['actions', '&action=read,delete', 2500],
  ['a day', '&startDate=2025-05-05&endDate=2025-05-05', 2500],
  ['another day', '&startDate=2025-05-06', 0],
] as const)('records are found by %s', async (_name, more, count) => {
  const url = `/api/v1/audit-logs/export?projectId=${gateway.id}&eventType=paged${typeof more === 'string' ? more : more()}`;
  const { status, text } = await server.send('GET', url, { token: server.admin });
  expect(status).toBe(200);
  expect(text.split('\n').length - 1).toBe(count);
});

test.each([
  ['limit', '&limit=0'],
  ['cursor', '&cursor=5'],
  ['cursor', `&cursor=99999999999999999_${'-'.repeat(36)}`],
  ['ipAddress', '&ipAddress=10.0.0.0/40'],
  ['actor', '&actor=nobody'],
  ['userAgentType', '&userAgentType=browser'],
  ['startDate', '&startDate=yesterday'],
])('a wrong %s is refused: %s', async (name, more) => {
  const { status, body } = await get(more);
  expect(status).toBe(422);
  expect(body.message[0].path[0]).toBe(name);
});

test("Infisical's address of today takes the token's organization", async () => {
  const url = '/api/v1/organization/audit-logs?eventType=paged&limit=3';
  const { status, body } = await server.send('GET', url, { token: server.admin });
  expect(status).toBe(200);
  expect(body.auditLogs).toHaveLength(3);
  expect((await server.send('GET', url, { token: service.token })).status).toBe(403);
});

test('exports are refused to those who may not look', async () => {
  const other = await server.organization('others');
  const stranger = await server.machine('stranger', { organizationId: other.id, role: 'admin' });
  const url = `/api/v1/audit-logs/export?projectId=${gateway.id}`;
  expect((await server.send('GET', url, { token: stranger.token })).status).toBe(404);
  expect((await server.send('GET', url, { token: service.token })).status).toBe(403);
  expect((await server.send('GET', url)).status).toBe(401);
  const mixed = `${url}&organizationId=${other.id}`;
  const { status, text } = await server.send('GET', mixed, { token: stranger.token });
  expect({ status, text }).toEqual({ status: 200, text: '' });
});
