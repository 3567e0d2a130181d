import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type Machine, startServer, type TestServer } from '../../support/server.ts';

let server: TestServer;
let project: { id: string };
let service: Machine;

beforeAll(async () => {
  server = await startServer();
  project = await server.project('gateway');
  await server.setSecrets(project.id, 'prod', { API_KEY: 'value-of-the-key' });
  service = await server.machine('gateway-service', { projectId: project.id, roles: [{ role: 'admin' }] });
  await server.send('GET', list, { token: service.token });
  await server.sql.query(
    `create function refuse() returns trigger language plpgsql as $$ begin raise exception 'the audit is closed'; end $$`,
  );
});
afterAll(() => server.close());
afterEach(async () => {
  for (const { repair } of faults) await server.sql.query(repair).catch(() => undefined);
});

const list = '/api/v3/secrets/raw?workspaceSlug=gateway&environment=prod';
const send = (method: string, url: string, body?: object) => server.send(method, url, { token: service.token, body });
const place = () => ({ projectId: project.id, environment: 'prod' });

const faults = [
  {
    name: 'refuses every row',
    harm: 'create trigger refuse before insert on audit_log for each row execute function refuse()',
    repair: 'drop trigger if exists refuse on audit_log',
  },
  {
    name: 'may not be written',
    harm: 'revoke insert on audit_log from kms',
    repair: 'grant insert on audit_log to kms',
  },
  {
    name: 'is gone',
    harm: 'alter table audit_log rename to audit_elsewhere',
    repair: 'alter table audit_elsewhere rename to audit_log',
  },
];

const requests: { name: string; request: () => ReturnType<typeof send> }[] = [
  { name: 'a read from memory', request: () => send('GET', list) },
  { name: 'a read that memory cannot answer', request: () => send('GET', `${list}&recursive=true`) },
  { name: 'one secret', request: () => send('GET', list.replace('raw', 'raw/API_KEY')) },
  { name: 'a refusal', request: () => send('GET', '/api/v4/secrets?projectSlug=elsewhere&environment=prod') },
  { name: 'a write', request: () => send('POST', '/api/v4/secrets/NEW', { ...place(), secretValue: 'unaudited' }) },
  { name: 'a deletion', request: () => send('DELETE', '/api/v4/secrets/API_KEY', place()) },
  {
    name: 'a login',
    request: () =>
      server.send('POST', '/api/v1/auth/universal-auth/login', {
        body: { clientId: service.clientId, clientSecret: service.clientSecret },
      }),
  },
  { name: 'a query of the audit', request: () => send('GET', `/api/v1/audit-logs?projectId=${project.id}`) },
];

test.each(faults.flatMap((fault) => requests.map((each) => ({ fault, title: `${each.name} fails`, ...each }))))(
  '$title while the audit $fault.name',
  async ({ fault, request }) => {
    await server.sql.query(fault.harm);
    const { status, text, headers } = await request();
    expect(status, text).toBe(503);
    expect(headers['retry-after']).toBe('1');
    expect(text).not.toMatch(/value-of|accessToken|auditLogs/);
    await server.sql.query(fault.repair);
    const { body } = await send('GET', list);
    expect(body.secrets).toMatchObject([{ secretKey: 'API_KEY', secretValue: 'value-of-the-key' }]);
  },
);
