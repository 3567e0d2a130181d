import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { parseAuthSecret, parseRootKey } from '../../../keys/index.ts';
import { createApp } from '../../../server/app.ts';
import { Database } from '../../../server/database/database.ts';
import { parsePosition } from '../../../server/events/position.ts';
import { readChanges } from '../../../server/events/store.ts';
import { EventClient } from '../../support/event-client.ts';
import { startServer, type TestServer } from '../../support/server.ts';

let server: TestServer;
let base: string;
let project: { id: string; slug: string };
let reader: string;
const clients: EventClient[] = [];
const settings = { checkEveryMs: 50, closeWithinMs: 100, longestMs: 600_000 };

beforeAll(async () => {
  server = await startServer({ events: settings });
  base = await server.app.listen({ host: '127.0.0.1', port: 0 });
  project = await server.project('gateway');
  reader = (await server.machine('reader', { projectId: project.id, roles: [{ role: 'viewer' }] })).token;
});
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});
afterAll(() => server.close());

const everything = ['secret:create', 'secret:update', 'secret:delete', 'secret:import-mutation'].map((event) => ({
  event,
}));

async function subscribe(
  token = reader,
  register: unknown[] = everything,
  options: { at?: string; lastEventId?: string; projectId?: string } = {},
): Promise<EventClient> {
  const client = new EventClient();
  clients.push(client);
  const headers: Record<string, string> =
    options.lastEventId === undefined ? {} : { 'last-event-id': options.lastEventId };
  const body = { projectId: options.projectId ?? project.id, register };
  await client.open(options.at ?? base, token, body, headers);
  if (client.status === 200) await client.until(({ events }) => events.length > 0, 'the first ping');
  else await client.until(({ ended }) => ended, 'the end of a refusal');
  return client;
}

const set = (key: string, value = 'correct-horse', environment = 'dev') =>
  server.setSecrets(project.id, environment, { [key]: value });
const change = (method: string, key: string, body: object, environment = 'dev') =>
  server.do(method, `/api/v4/secrets/${key}`, { body: { projectId: project.id, environment, ...body } });

test('a subscriber hears of what is made, changed, renamed and deleted', async () => {
  const client = await subscribe();
  expect(client.headers['content-type']).toBe('text/event-stream');
  await set('HEARD_A');
  await change('PATCH', 'HEARD_A', { secretValue: 'battery-staple' });
  await change('PATCH', 'HEARD_A', { newSecretName: 'HEARD_B' });
  await change('DELETE', 'HEARD_B', {});
  await client.until(({ told }) => told.length === 5);
  expect(client.told).toEqual([
    'secret:create dev /:HEARD_A',
    'secret:update dev /:HEARD_A',
    'secret:delete dev /:HEARD_A',
    'secret:create dev /:HEARD_B',
    'secret:delete dev /:HEARD_B',
  ]);
});

test('an event has the form that the clients of Infisical read, and no value', async () => {
  const client = await subscribe();
  await set('FORM', 'correct-horse-battery');
  await client.until(({ told }) => told.length === 1);
  const [{ id, event, data }] = client.news as [any];
  expect({ event, data }).toEqual({
    event: 'secret:create',
    data: {
      projectType: 'secret-manager',
      data: {
        eventType: 'secret:create',
        payload: [{ environment: 'dev', secretPath: '/', secretKey: 'FORM' }],
      },
    },
  });
  expect(id).toMatch(/^[0-9-]+\.\d+\.\d+$/);
  expect(JSON.stringify(client.events)).not.toContain('correct-horse-battery');
});

test('what lay in a deleted folder, a renamed one and a deleted environment is told', async () => {
  const at = { projectId: project.id, environment: 'staging' };
  const folder = (
    await server.do('POST', '/api/v1/folders', {
      body: { workspaceId: project.id, environment: 'staging', name: 'app' },
    })
  ).folder;
  await server.setSecrets(project.id, 'staging', { IN_FOLDER: 'x' }, '/app');
  const client = await subscribe();
  await server.do('PATCH', `/api/v1/folders/${folder.id}`, {
    body: { workspaceId: project.id, environment: 'staging', name: 'apps' },
  });
  await server.do('DELETE', `/api/v1/folders/${folder.id}`, {
    body: { workspaceId: project.id, environment: 'staging' },
  });
  const { environment } = await server.do('POST', `/api/v1/workspace/${project.id}/environments`, {
    body: { name: 'Short', slug: 'short' },
  });
  await server.setSecrets(project.id, 'short', { SHORT_LIVED: 'x' });
  await server.do('DELETE', `/api/v1/workspace/${project.id}/environments/${environment.id}`, {});
  await client.until(({ told }) => told.includes('secret:delete short /:SHORT_LIVED'));
  // While a transaction is open anywhere in the cluster, what was written just before a subscription is told too.
  const from = client.told.indexOf(`secret:delete ${at.environment} /app:IN_FOLDER`);
  expect(client.told.slice(from)).toEqual([
    `secret:delete ${at.environment} /app:IN_FOLDER`,
    `secret:create ${at.environment} /apps:IN_FOLDER`,
    `secret:delete ${at.environment} /apps:IN_FOLDER`,
    'secret:create short /:SHORT_LIVED',
    'secret:delete short /:SHORT_LIVED',
  ]);
});

test('a folder hears of what it imports, however many imports lie between', async () => {
  const [billing, shop] = [await server.project('billing'), await server.project('shop')];
  await server.do('POST', '/api/v1/folders', { body: { projectId: billing.id, environment: 'dev', name: 'shared' } });
  const client = await subscribe(server.admin, everything, { projectId: shop.id });
  await server.do('POST', '/api/v2/secret-imports', {
    body: { projectId: shop.id, environment: 'staging', path: '/', import: { environment: 'dev', path: '/' } },
  });
  await client.until(({ told }) => told.length === 1);
  await server.do('POST', `/api/v1/projects/${billing.id}/folder-shares`, {
    body: { environment: 'dev', path: '/shared', targetProjectId: shop.id },
  });
  await server.do('POST', '/api/v2/secret-imports', {
    body: {
      projectId: shop.id,
      environment: 'dev',
      path: '/',
      import: { projectId: billing.id, environment: 'dev', path: '/shared' },
    },
  });
  await client.until(({ told }) => told.length === 3);
  await server.setSecrets(billing.id, 'dev', { IMPORTED: 'x' }, '/shared');
  await client.until(({ told }) => told.length === 5);
  expect(client.told.slice(0, 1)).toEqual(['secret:import-mutation staging /']);
  for (const two of [client.told.slice(1, 3), client.told.slice(3)]) {
    expect([...two].sort()).toEqual(['secret:import-mutation dev /', 'secret:import-mutation staging /']);
  }
});

test.each([
  { asked: 'its environment', conditions: { environmentSlug: 'staging' }, hears: ['staging'] },
  { asked: 'production, the alias', conditions: { environmentSlug: 'production', secretPath: '/' }, hears: ['prod'] },
  { asked: 'all folders of one', conditions: { environmentSlug: 'dev', secretPath: '/**' }, hears: ['dev'] },
  { asked: 'another folder', conditions: { environmentSlug: 'dev', secretPath: '/elsewhere' }, hears: [] },
])('who asked for $asked hears that alone', async ({ asked, conditions, hears }) => {
  const key = `ASKED_${asked.replace(/\W/g, '_').toUpperCase()}`;
  const client = await subscribe(reader, [{ event: 'secret:create', conditions }]);
  const witness = await subscribe();
  for (const environment of ['dev', 'staging', 'prod']) await set(key, 'x', environment);
  await witness.until(({ told }) => told.length === 3);
  await client.until(({ told }) => told.length === hears.length);
  expect(client.told).toEqual(hears.map((environment) => `secret:create ${environment} /:${key}`));
});

test('a caller hears of no environment that it may not read', async () => {
  const limited = await server.machine('limited', {
    projectId: project.id,
    roles: [{ role: 'viewer', environments: ['dev'] }],
  });
  const client = await subscribe(limited.token);
  await set('IN_PROD', 'x', 'prod');
  await set('IN_DEV');
  await client.until(({ told }) => told.length > 0);
  expect(client.told).toEqual(['secret:create dev /:IN_DEV']);
  const refused = await subscribe(limited.token, [
    { event: 'secret:create', conditions: { environmentSlug: 'prod', secretPath: '/' } },
  ]);
  expect(refused.status).toBe(403);
});

test('a member without rights gets 403, a stranger 404', async () => {
  const idle = await server.machine('idle', { projectId: project.id, roles: [{ role: 'no-access' }] });
  expect((await subscribe(idle.token)).status).toBe(403);
  const { id: organizationId } = await server.organization('strangers');
  const stranger = await server.machine('stranger', { organizationId });
  const refused = await subscribe(stranger.token);
  expect([refused.status, JSON.parse(refused.body).message]).toEqual([404, `project "${project.id}" not found`]);
});

test('an environment that does not exist is named', async () => {
  const refused = await subscribe(reader, [{ event: 'secret:create', conditions: { environmentSlug: 'prdo' } }]);
  expect(refused.status).toBe(404);
  expect(JSON.parse(refused.body).message).toContain('environment "prdo" not found in project "gateway"');
});

test('a revoked token ends its stream before anything more is told', async () => {
  const machine = await server.machine('revoked', { projectId: project.id, roles: [{ role: 'viewer' }] });
  // Here nothing is checked but at a delivery.
  const other = await createApp({
    databaseUri: server.database.uri,
    rootKey: parseRootKey(server.secrets.rootKey),
    authSecret: parseAuthSecret(server.secrets.authSecret),
    events: { ...settings, checkEveryMs: 600_000 },
  });
  try {
    const at = await other.listen({ host: '127.0.0.1', port: 0 });
    const client = await subscribe(machine.token, everything, { at });
    await set('BEFORE_REVOCATION');
    await client.until(({ told }) => told.length === 1);
    await server.sql.query(`update access_tokens set revoked_at = now() where actor_id = $1`, [machine.id]);
    await set('AFTER_REVOCATION');
    await client.until(({ ended }) => ended);
    expect(client.told).toEqual(['secret:create dev /:BEFORE_REVOCATION']);
    expect(client.news.at(-1)).toMatchObject({ event: 'error', data: { message: expect.stringContaining('revoked') } });
  } finally {
    await other.close();
  }
});

test.each([
  {
    what: 'an expired token',
    sql: `update access_tokens set expires_at = now() - interval '1 second' where actor_id = $1`,
  },
  { what: 'a lost membership', sql: 'delete from project_memberships where actor_id = $1' },
  { what: 'a deleted identity', sql: 'delete from actors where id = $1' },
])('$what ends a quiet stream', async ({ what, sql }) => {
  const machine = await server.machine(what, { projectId: project.id, roles: [{ role: 'viewer' }] });
  const client = await subscribe(machine.token);
  await server.sql.query(sql, [machine.id]);
  await client.until(({ ended }) => ended);
  expect(client.told).toEqual([]);
});

test('a transaction that began earlier and commits later is told too, in one order', async () => {
  const client = await subscribe();
  await set('SLOW_ONE');
  await set('FAST_ONE');
  await client.until(({ told }) => told.length === 2);
  const position = parsePosition(client.lastId!)!;
  const db = new Database({ uri: server.database.uri, connections: 1 });
  try {
    // Its number is taken first, and its commit comes last.
    await server.sql.query('begin');
    await server.sql.query(`update secrets set updated_at = clock_timestamp() where project_id = $1 and key = $2`, [
      project.id,
      'SLOW_ONE',
    ]);
    // Straight into the log: the project's row is locked by the slow one.
    const fast = `insert into change_log (project_id, folder_id, environment, path, event, keys)
                  select project_id, folder_id, 'dev', '/', 'secret:update', array[key] from secrets where key = 'FAST_ONE'`;
    await db.query({ name: 'fast', text: fast }, []);
    expect((await readChanges(db, position, 10)).rows).toEqual([]);
    await server.sql.query('commit');
  } finally {
    await db.close();
  }
  await client.until(({ told }) => told.length === 4);
  expect(client.told.slice(2)).toEqual(['secret:update dev /:SLOW_ONE', 'secret:update dev /:FAST_ONE']);
});

test('every replica tells the same events with the same ids', async () => {
  const other = await createApp({
    databaseUri: server.database.uri,
    rootKey: parseRootKey(server.secrets.rootKey),
    authSecret: parseAuthSecret(server.secrets.authSecret),
    events: settings,
  });
  try {
    const at = await other.listen({ host: '127.0.0.1', port: 0 });
    const [here, there] = [await subscribe(), await subscribe(reader, everything, { at })];
    await Promise.all(Array.from({ length: 10 }, (_, n) => set(`REPLICA_${n}`)));
    await Promise.all([here, there].map((client) => client.until(({ told }) => told.length === 10)));
    expect(there.news).toEqual(here.news);
    // And a client that goes to another replica goes on where it was.
    here.close();
    await set('MEANWHILE');
    const back = await subscribe(reader, everything, { at, lastEventId: here.lastId! });
    await back.until(({ told }) => told.length === 1);
    expect(back.told).toEqual(['secret:create dev /:MEANWHILE']);
  } finally {
    await other.close();
  }
});

test('who comes back is told what it missed, once and in order', async () => {
  const client = await subscribe();
  await set('BEFORE');
  await client.until(({ told }) => told.length === 1);
  client.close();
  for (let n = 0; n < 3; n++) await set(`MISSED_${n}`);
  const back = await subscribe(reader, everything, { lastEventId: client.lastId! });
  await set('SINCE');
  await back.until(({ told }) => told.length === 4);
  expect(back.told).toEqual(['MISSED_0', 'MISSED_1', 'MISSED_2', 'SINCE'].map((key) => `secret:create dev /:${key}`));
});

test.each([
  { what: 'too old', id: async () => '0.1.1' },
  { what: 'of another life of the database', id: async (now: string) => `1-1.${now.split('.')[1]}.1` },
  { what: 'of the future', id: async (now: string) => now.replace(/\.\d+\.\d+$/, '.99999999999.1') },
  { what: 'no id at all', id: async () => 'yesterday' },
  {
    what: 'swept',
    id: async (now: string) => {
      await server.sql.query(`update change_log_swept set xid = '${now.split('.')[1]}'`);
      return now.replace(/\.\d+$/, '.1');
    },
  },
])('an id that is $what gets a resync, and what follows', async ({ id }) => {
  const now = await subscribe();
  const given = await id(now.lastId!);
  const client = await subscribe(reader, everything, { lastEventId: given });
  await client.until(({ news }) => news.length > 0);
  await set(`AFTER_${given.replace(/\W/g, '_')}`);
  await client.until(({ told }) => told.length === 1);
  expect(client.news.map(({ event }) => event)).toEqual(['resync', 'secret:create']);
});

test('more streams of one identity in a project than are served get 429', async () => {
  const { token } = await server.machine('greedy', { projectId: project.id, roles: [{ role: 'viewer' }] });
  const opened = [];
  for (let n = 0; n < 20; n++) opened.push(await subscribe(token));
  expect(opened.every(({ status }) => status === 200)).toBe(true);
  const refused = await subscribe(token);
  expect(refused.status).toBe(429);
  expect(JSON.parse(refused.body).message).toContain('you have 20 event streams of this project open');
  opened[0]!.close();
  const again = async (): Promise<number> => {
    const { status } = await subscribe(token);
    return status === 429 ? again() : status;
  };
  expect(await again()).toBe(200);
});

test('a subscription is in the audit, with what it asked for', async () => {
  const { token, id } = await server.machine('audited', { projectId: project.id, roles: [{ role: 'viewer' }] });
  const register = [{ event: 'secret:update', conditions: { environmentSlug: 'dev', secretPath: '/**' } }];
  await subscribe(token, register);
  const { rows } = await server.sql.query(
    `select action, outcome, project_slug, metadata from audit_log where actor_id = $1 and event = 'subscribe-project-events'`,
    [id],
  );
  expect(rows).toEqual([{ action: 'read', outcome: 'allowed', project_slug: 'gateway', metadata: { register } }]);
});

test.each([
  { what: 'no registration', body: (id: string) => ({ projectId: id, register: [] }) },
  {
    what: 'more than ten',
    body: (id: string) => ({ projectId: id, register: Array(11).fill({ event: 'secret:create' }) }),
  },
  {
    what: 'an event that there is not',
    body: (id: string) => ({ projectId: id, register: [{ event: 'secret:read' }] }),
  },
  { what: 'no project', body: () => ({ register: [{ event: 'secret:create' }] }) },
])('a subscription with $what is refused', async ({ body }) => {
  const answer = await server.send('POST', '/api/v1/events/subscribe/project-events', {
    token: reader,
    body: body(project.id),
  });
  expect(answer.status).toBe(422);
});
