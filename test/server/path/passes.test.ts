import { afterAll, beforeAll, expect, test } from 'vitest';
import { JUDGED } from '../../../server/access/store.ts';
import { type Machine, startServer, type TestServer } from '../../support/server.ts';
import { LIST, reader } from './readers.ts';
import { statementsOf } from './statements.ts';

let server: TestServer;
let project: { id: string };
let machine: Machine;

beforeAll(async () => {
  server = await startServer();
  project = await server.project('gateway');
  await server.setSecrets(project.id, 'prod', { API_KEY: 'sk-1' });
  machine = await reader(server, 'gateway-service', project.id);
});
afterAll(() => server.close());

const changeIdOf = async (id: string): Promise<string> =>
  (await server.sql.query('select change_id from actors where id = $1', [id])).rows[0].change_id;
const list = (headers: Record<string, string> = {}) => server.send('GET', LIST, { token: machine.token, headers });

// A token is looked at itself each time; the others say what they say under a change id.
const LOOKED_AT = ['access_tokens', 'actors', 'projects'];

test('each table of a verdict replaces a change id when it changes', async () => {
  const made = new Set([...JUDGED.matchAll(/(\w+) as \(/g)].map(([, name]) => name));
  const tables = new Set(
    [...JUDGED.matchAll(/\b(?:from|join)\s+([a-z_]+)/g)].map(([, name]) => name!).filter((name) => !made.has(name)),
  );
  for (const none of ['lateral', 'unnest', ...LOOKED_AT]) tables.delete(none);
  const { rows } = await server.sql.query<{ name: string; events: string[] }>(
    `select c.relname as name, array_agg(distinct event) as events
       from pg_trigger t
       join pg_class c on c.oid = t.tgrelid
       join pg_proc f on f.oid = t.tgfoid
       cross join lateral unnest(array[case when t.tgtype & 8 > 0 then 'delete' end, case when t.tgtype & 16 > 0 then 'update' end]) as event
      where not t.tgisinternal and f.proname ~ '^change_' and event is not null
      group by c.relname`,
  );
  const changing = new Map(rows.map(({ name, events }) => [name, events]));
  expect(tables.size).toBeGreaterThan(8);
  // Tokens go with their client secret, and a role with its last holder: both deletions are seen where they lead.
  // A role of an organization is deleted when nobody holds it.
  const followed: Record<string, string[]> = {
    client_secrets: ['update'],
    project_roles: ['update'],
    organization_roles: ['update'],
  };
  for (const table of tables)
    expect({ table, events: changing.get(table)?.toSorted() }).toEqual({
      table,
      events: followed[table] ?? ['delete', 'update'],
    });
});

test.each<{ name: string; change: () => Promise<unknown> }>([
  {
    name: 'another name',
    change: () => server.do('PATCH', `/api/v1/identities/${machine.id}`, { body: { name: 'renamed' } }),
  },
  {
    name: 'another role in the organization',
    change: () => server.do('PATCH', `/api/v1/identities/${machine.id}`, { body: { role: 'member' } }),
  },
  {
    name: 'other trusted addresses',
    change: () =>
      server.do('PATCH', `/api/v1/auth/universal-auth/identities/${machine.id}`, {
        body: { accessTokenTrustedIps: [{ ipAddress: '127.0.0.0/8' }] },
      }),
  },
  {
    name: 'a revoked client secret',
    change: async () => {
      const base = `/api/v1/auth/universal-auth/identities/${machine.id}/client-secrets`;
      const { clientSecretData } = await server.do('POST', base, { body: {} });
      await server.do('POST', `${base}/${clientSecretData.id}/revoke`);
    },
  },
])('$name is another change id of the caller', async ({ change }) => {
  const before = await changeIdOf(machine.id);
  await change();
  expect(await changeIdOf(machine.id)).not.toBe(before);
});

test('a login and a read leave the change id of the caller', async () => {
  const before = await changeIdOf(machine.id);
  await server.login(machine.clientId, machine.clientSecret);
  await list();
  expect(await changeIdOf(machine.id)).toBe(before);
});

test("another's answer is never served to a caller with a pass of its own", async () => {
  const other = await server.machine('other', {
    projectId: project.id,
    roles: [{ role: 'viewer', environments: ['dev'] }],
  });
  await list();
  await list();
  const refused = await server.send('GET', LIST, { token: other.token });
  expect(refused.status).toBe(403);
});

test('every request of a shared ticket has its own record', async () => {
  await list();
  await list();
  const counts = await statementsOf(server.sql, () =>
    Promise.all(Array.from({ length: 20 }, (_, n) => list({ 'user-agent': `agent ${n % 2}` }))),
  );
  expect(Object.keys(counts)).toEqual(['pass']);
  const { rows } = await server.sql.query(
    `select user_agent as agent, count(*)::int, count(distinct request_id)::int as ids
       from audit_log where user_agent like 'agent %' and actor_id = $1 group by 1 order by 1`,
    [machine.id],
  );
  expect(rows).toEqual([
    { agent: 'agent 0', count: 10, ids: 10 },
    { agent: 'agent 1', count: 10, ids: 10 },
  ]);
});
