import { once } from 'node:events';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Machine, startServer, type TestServer } from '../../support/server.ts';

let server: TestServer;
let projects: { id: string; slug: string }[];
let writer: Machine;
let run = 0;
let key: (name: string) => string;

beforeAll(async () => {
  server = await startServer();
  projects = await Promise.all(['one', 'two', 'three'].map((slug) => server.project(slug)));
  writer = await server.machine('writer', { projectId: projects[0]!.id, roles: [{ role: 'admin' }] });
  // Whoever was let in once may share; from here on both may.
  for (const { id } of projects) await write('POST', 'FIRST', { projectId: id });
  await write('POST', 'MINE', { token: writer.token });
});
afterAll(() => server.close());
beforeEach(() => {
  run++;
  key = (name) => `T${run}_${name}`;
});

interface Given {
  readonly projectId?: string;
  readonly projectSlug?: string;
  readonly token?: string;
  readonly environment?: string;
  readonly secretPath?: string;
  readonly secretValue?: string;
}
function write(method: string, name: string, { token = server.admin, ...given }: Given = {}) {
  const project = given.projectSlug ? {} : { projectId: projects[0]!.id };
  const body = { ...project, environment: 'dev', secretValue: 'a value', ...given };
  return server.send(method, `/api/v4/secrets/${name}`, { token, body });
}
const good = (count: number) =>
  Array.from({ length: count }, (_, n) => write('POST', key(`G${n}`), { projectId: projects[n % 3]!.id }));
const statuses = (answers: readonly { status: number }[]) => answers.map(({ status }) => status);

/** The transactions of this test's records of allowed writes, and of the secrets that are there. */
async function stored() {
  const { rows } = await server.sql.query<{ name: string; record: string; change: string }>(
    `select s.key as name, a.xid::text as record, s.xmin::text as change
       from secrets s left join audit_log a on a.secret_key = s.key and a.project_id = s.project_id and a.outcome = 'allowed'
      where s.key like $1 order by s.key`,
    [`T${run}\\_%`],
  );
  return rows;
}

test('writes that wait together share transactions with their records', async () => {
  expect(statuses(await Promise.all(good(30)))).toEqual(Array(30).fill(200));
  const rows = await stored();
  expect(rows.length).toBe(30);
  for (const { record, change } of rows) expect(BigInt(record) & 0xffff_ffffn).toBe(BigInt(change));
  expect(new Set(rows.map(({ record }) => record)).size).toBeLessThanOrEqual(10);
});

test('each change of a shared group replaces its own project change id', async () => {
  const ids = async () => (await server.sql.query('select change_id from projects order by id')).rows;
  const before = await ids();
  await Promise.all(good(3));
  for (const [n, { change_id }] of (await ids()).entries()) expect(change_id).not.toBe(before[n].change_id);
});

test('who is refused takes no neighbour along', async () => {
  const viewer = await server.machine(`viewer-${run}`, { projectId: projects[0]!.id, roles: [{ role: 'viewer' }] });
  const { id: organizationId } = await server.organization(`elsewhere-${run}`);
  const stranger = await server.machine(`stranger-${run}`, { organizationId });
  const bad = [
    write('POST', 'FIRST'),
    write('PATCH', key('MISSING')),
    write('DELETE', key('MISSING')),
    write('POST', key('BAD'), { secretPath: '/nowhere' }),
    write('POST', key('BAD'), { environment: 'nowhere' }),
    write('POST', key('BAD'), { token: viewer.token }),
    write('POST', key('BAD'), { token: stranger.token }),
  ];
  const [refused, made] = await Promise.all([Promise.all(bad), Promise.all(good(9))]);
  expect(statuses(refused)).toEqual([409, 404, 404, 404, 404, 403, 404]);
  expect(refused[0]!.body.message).toBe('secret "FIRST" exists already');
  expect(statuses(made)).toEqual(Array(9).fill(200));
  expect((await stored()).map(({ name }) => name)).toEqual(Array.from({ length: 9 }, (_, n) => key(`G${n}`)));
});

test.each<{ name: string; sql: string; status: number }>([
  {
    name: 'a token that was revoked',
    sql: 'update access_tokens set revoked_at = now() where actor_id = $1',
    status: 401,
  },
  {
    name: 'a token whose row was given to an admin',
    sql: `update access_tokens set actor_id = (select actor_id from organization_memberships where role = 'admin' limit 1) where actor_id = $1`,
    status: 401,
  },
  { name: 'a membership that ended', sql: 'delete from project_memberships where actor_id = $1', status: 403 },
  {
    name: 'a role that was narrowed',
    sql: `update project_membership_roles set role = 'viewer' where membership_id in (select id from project_memberships where actor_id = $1)`,
    status: 403,
  },
])('$name writes nothing, though it wrote a moment ago', async ({ sql, status }) => {
  const machine = await server.machine(`m-${run}`, { projectId: projects[0]!.id, roles: [{ role: 'admin' }] });
  expect((await write('POST', key('BEFORE'), { token: machine.token })).status).toBe(200);
  await server.sql.query(sql, [machine.id]);
  const [made, refused] = await Promise.all([
    Promise.all(good(6)),
    write('POST', key('AFTER'), { token: machine.token }),
  ]);
  expect(refused.status).toBe(status);
  expect(statuses(made)).toEqual(Array(6).fill(200));
  expect((await stored()).map(({ name }) => name)).not.toContain(key('AFTER'));
});

test('a slug that went to another project is not what it was', async () => {
  const old = await server.project(`moving-${run}`);
  const by = { projectSlug: `moving-${run}`, token: server.admin };
  expect((await write('POST', key('A'), by)).status).toBe(200);
  await server.sql.query('update projects set slug = $2 where id = $1', [old.id, `moved-${run}`]);
  const next = await server.project(`moving-${run}`);
  expect((await write('POST', key('B'), by)).status).toBe(200);
  const { rows } = await server.sql.query('select project_id as id from secrets where key like $1 order by key', [
    `T${run}\\_%`,
  ]);
  expect(rows.map(({ id }) => id)).toEqual([old.id, next.id]);
});

test('a project that somebody holds does not hold others', async () => {
  const holder = new pg.Client(server.database.uri);
  await holder.connect();
  try {
    await holder.query('begin');
    await holder.query('select id from projects where id = $1 for update', [projects[0]!.id]);
    let done = false;
    const held = write('POST', key('HELD')).finally(() => {
      done = true;
    });
    const others = [1, 2, 1, 2].map((n, i) => write('POST', key(`O${i}`), { projectId: projects[n]!.id }));
    expect(statuses(await Promise.all(others))).toEqual([200, 200, 200, 200]);
    expect(done).toBe(false);
    await holder.query('rollback');
    expect((await held).status).toBe(200);
  } finally {
    await holder.end();
  }
});

test('a write that the database does not take fails alone', async () => {
  await server.sql.query(`
    create function refuse_poison() returns trigger language plpgsql as
      $$ begin if new.key like '%POISON' then raise exception 'no'; end if; return new; end $$;
    create trigger refuses_poison before insert on secrets for each row execute function refuse_poison()`);
  try {
    const [poisoned, made] = await Promise.all([write('POST', key('POISON')), Promise.all(good(9))]);
    expect(poisoned.status).toBe(503);
    expect(statuses(made)).toEqual(Array(9).fill(200));
    expect((await stored()).map(({ name }) => name)).toEqual(Array.from({ length: 9 }, (_, n) => key(`G${n}`)));
    const { rows } = await server.sql.query('select 1 from audit_log where secret_key = $1', [key('POISON')]);
    expect(rows).toEqual([]);
  } finally {
    await server.sql.query('drop function refuse_poison cascade');
  }
});

test('a client that leaves takes no neighbour along, and its write is there whole or not at all', async () => {
  const address = await server.app.listen({ host: '127.0.0.1', port: 0 });
  const holder = new pg.Client(server.database.uri);
  await holder.connect();
  try {
    await holder.query('begin');
    await holder.query('lock table audit_log in access exclusive mode');
    const leaving = new AbortController();
    const body = JSON.stringify({ projectId: projects[0]!.id, environment: 'dev', secretValue: 'a value' });
    const headers = { authorization: `Bearer ${server.admin}`, 'content-type': 'application/json' };
    const request = { method: 'POST', headers, body, signal: leaving.signal };
    // The first holds the door: what comes behind it waits together.
    const first = write('POST', key('A_FIRST'));
    const waiting =
      'select 1 from pg_locks where not granted and database = (select oid from pg_database where datname = current_database())';
    await expect.poll(async () => (await holder.query(waiting)).rowCount).toBeGreaterThan(0);
    const arrived = once(server.app.server, 'request');
    const left = fetch(`${address}/api/v4/secrets/${key('LEFT')}`, request).catch((error: Error) => error.name);
    await arrived;
    const made = Promise.all(good(9));
    leaving.abort();
    expect(await left).toBe('AbortError');
    await holder.query('commit');
    expect(statuses([await first, ...(await made)])).toEqual(Array(10).fill(200));
  } finally {
    await holder.end();
  }
  // What it asked last is answered when all before it is: the group of who left has ended.
  expect((await write('POST', key('Z_LAST'))).status).toBe(200);
  const rows = await stored();
  expect(rows.filter(({ name }) => name !== key('LEFT'))).toHaveLength(11);
  for (const { record, change } of rows) expect(BigInt(record) & 0xffff_ffffn).toBe(BigInt(change));
  // It was in one transaction with neighbours when it left: what was done for them was done for it.
  const own = rows.find(({ name }) => name === key('LEFT'))!;
  expect(rows.filter(({ change }) => change === own?.change).length).toBeGreaterThan(1);
});

test('changes of one secret follow one another, whatever waits beside them', async () => {
  await write('POST', key('SAME'));
  const answers = await Promise.all([
    ...Array.from({ length: 6 }, (_, n) => write('PATCH', key('SAME'), { secretValue: `v${n}` })),
    ...good(6),
  ]);
  expect(statuses(answers)).toEqual(Array(12).fill(200));
  const versions = answers.slice(0, 6).map(({ body }) => body.secret.version);
  expect(versions.sort((a, b) => a - b)).toEqual([2, 3, 4, 5, 6, 7]);
});
