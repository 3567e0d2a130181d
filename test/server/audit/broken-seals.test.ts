import { afterAll, beforeAll, expect, test } from 'vitest';
import { startServer, type TestServer } from '../../support/server.ts';

let server: TestServer;
let project: { id: string };
const lines: string[] = [];

beforeAll(async () => {
  server = await startServer({ logLevel: 'info', logStream: { write: (line) => void lines.push(line) } });
  project = await server.project('gateway');
});
afterAll(() => server.close());

const at = () => `?projectId=${project.id}&environment=dev`;

test.each<{ name: string; method: string; url: (key: string) => string; body?: object; history?: boolean }>([
  { name: 'a read', method: 'GET', url: (key) => `/api/v4/secrets/${key}${at()}` },
  { name: 'a list', method: 'GET', url: () => `/api/v4/secrets${at()}` },
  {
    name: 'a write',
    method: 'PATCH',
    url: (key) => `/api/v4/secrets/${key}`,
    body: { environment: 'dev', secretComment: 'touched' },
  },
  { name: 'history', method: 'GET', url: (key) => `/api/v4/secrets/${key}${at()}&version=1`, history: true },
])(
  'a broken seal met by $name raises the alarm in the log and in the audit',
  async ({ name, method, url, body, history }) => {
    const key = `KEY_${name.replaceAll(' ', '_').toUpperCase()}`;
    await server.setSecrets(project.id, 'dev', { [key]: 'one' });
    await server.do('PATCH', `/api/v4/secrets/${key}`, {
      body: { projectId: project.id, environment: 'dev', secretValue: 'two' },
    });
    const table = history ? 'secret_versions' : 'secrets';
    await server.sql.query(`update ${table} set sealed_value = '\\x0102' where key = $1`, [key]);
    const answer = await server.send(method, url(key), {
      token: server.admin,
      body: body && { projectId: project.id, ...body },
    });
    expect(answer.status).toBe(500);
    const audit = `/api/v1/audit-logs?projectId=${project.id}&eventType=seal-broken&secretKey=${key}`;
    await expect
      .poll(async () => (await server.do('GET', audit)).auditLogs)
      .toMatchObject([
        { what: [key], project: 'gateway', environment: 'dev', outcome: 'refused', actor: { type: 'server' } },
      ]);
    const alerts = lines.map((line) => JSON.parse(line)).filter(({ alert }) => alert === 'seal-broken');
    expect(alerts.at(-1)).toMatchObject({ level: 50, kind: expect.any(String), key, projectId: project.id });
    await server.sql.query('delete from secrets where key = $1', [key]);
  },
);
