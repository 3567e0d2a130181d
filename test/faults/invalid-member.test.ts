import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { killLeftovers } from '../server/process/server-process.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { Instance, type MachineLogin } from './support/instance.ts';
import { TableLock } from './support/locks.ts';
import { Random } from './support/seeds.ts';

/** Requests that wait at the same moment are answered by one statement; this is about those that spoil it. */

const GOOD = 40;

let database: TestDatabase;
let sql: pg.Client;
let instance: Instance;
let address: string;
let projectId: string;
let machine: MachineLogin;
let list: string;
/** Tokens that are as well signed as any: one was revoked, and one is a stranger's. */
let revoked: string;
let stranger: string;

beforeAll(async () => {
  database = await createDatabase();
  sql = new pg.Client(database.uri);
  await sql.connect();
  // What no check of ours would find: the database refuses a row for what is in it.
  await sql.query(`
    create function poison() returns trigger language plpgsql as $$
    begin
      if new.user_agent ~ 'poison' then raise exception 'poisoned'; end if;
      return new;
    end $$;
    create trigger poison before insert on audit_log for each row execute function poison()`);
  instance = new Instance(() => database.uri);
  address = await instance.replica().ready();
  await instance.setUp(address);
  projectId = await instance.project(address);
  machine = await instance.machine(address, projectId);
  const place = { projectId, environment: 'dev' };
  const secrets = Array.from({ length: GOOD }, (_, n) => ({ secretKey: `KEY_${n}`, secretValue: `value-${n}` }));
  await instance.do(address, 'POST', '/api/v4/secrets/batch', { ...place, secrets });
  list = `/api/v4/secrets?projectId=${projectId}&environment=dev`;
  revoked = (await instance.login(address, machine)).authorization;
  const accessToken = revoked.slice('Bearer '.length);
  await instance.do(address, 'POST', '/api/v1/auth/token/revoke', { accessToken });
  stranger = (await instance.login(address, await instance.machine(address, await instance.project(address))))
    .authorization;
});
afterAll(async () => {
  killLeftovers();
  await sql.end();
  await database.drop();
});

interface Sent {
  readonly method?: string;
  readonly path: string;
  readonly body?: object;
  readonly headers: Record<string, string>;
}
interface Bad extends Sent {
  readonly status: number;
}

/** Sends all of them while `table` is locked, so that they meet; answers with what each got. */
async function together(table: string, sent: readonly Sent[]): Promise<{ status: number; body: any }[]> {
  const lock = await TableLock.take(database.uri, table);
  const answers = sent.map(({ method = 'GET', path, body, headers }) =>
    instance.send(address, method, path, body, headers),
  );
  await lock.awaited();
  // So that those that were sent have come: one that needs no database is answered after them.
  await instance.send(address, 'GET', '/api/nowhere');
  await lock.release();
  return Promise.all(answers);
}

/** How many audit rows of a kind of request the largest transaction wrote. */
async function largestGroup(agent: string): Promise<number> {
  const { rows } = await sql.query(
    'select count(*)::int as rows from audit_log where user_agent ~ $1 group by xmin::text order by 1 desc limit 1',
    [`^${agent}-[0-9]+$`],
  );
  return rows[0]?.rows ?? 0;
}

async function tryAll(random: Random, table: string, agent: string, good: readonly Sent[], bad: readonly Bad[]) {
  const mixed: (Sent & { status?: number })[] = [...good];
  for (const one of bad) mixed.splice(random.between(1, mixed.length), 0, one);
  const answers = await together(table, mixed);
  for (const [at, { status = 200, path, headers }] of mixed.entries()) {
    expect({ path, agent: headers['user-agent'], status: answers[at]!.status }).toEqual({
      path,
      agent: headers['user-agent'],
      status,
    });
  }
  const { rows } = await sql.query('select count(*)::int as count from audit_log where user_agent ~ $1', [
    `^${agent}-[0-9]+$`,
  ]);
  expect({ agent, audited: rows[0].count }).toEqual({ agent, audited: good.length });
  // They did share a statement, or nothing was tried. A spoiled group is halved until its culprits are alone, wherever they stood.
  expect(await largestGroup(agent)).toBeGreaterThan(1);
  return answers.filter((_, at) => mixed[at]!.status === undefined);
}

test.each<{ name: string; before: () => Promise<unknown> }>([
  { name: 'that memory answers', before: async () => undefined },
  {
    name: 'after a change',
    before: () =>
      instance.do(address, 'PATCH', '/api/v4/secrets/KEY_0', { projectId, environment: 'dev', secretComment: 'new' }),
  },
])('an invalid member fails alone in a group of reads $name', async ({ name, before }) => {
  const agent = `read-${name.replaceAll(' ', '-')}`;
  const callers = await Promise.all([1, 2, 3].map(() => instance.login(address, machine)));
  for (const { authorization } of callers) await instance.send(address, 'GET', list, undefined, { authorization });
  await before();
  const authorization = callers[0]!.authorization;
  const good = Array.from({ length: GOOD }, (_, n) => ({
    path: n % 2 === 0 ? list : `/api/v4/secrets/KEY_${n}?projectId=${projectId}&environment=dev`,
    headers: { 'user-agent': `${agent}-${n}`, authorization: callers[n % 3]!.authorization },
  }));
  const from = (more: Record<string, string>) => ({ 'user-agent': `${agent}-bad`, authorization, ...more });
  const answers = await tryAll(new Random(agent), 'audit_log', agent, good, [
    { path: list, headers: from({ 'user-agent': 'poison' }), status: 503 },
    { path: list, headers: from({ authorization: revoked }), status: 401 },
    { path: list, headers: from({ authorization: stranger }), status: 403 },
    { path: `${list}&secretPath=%2F%00`, headers: from({}), status: 422 },
    { path: list.replace('=dev', '=d%00v'), headers: from({}), status: 422 },
    { path: list.replace(projectId, '%00'), headers: from({}), status: 422 },
    { path: list.replace(projectId, crypto.randomUUID()), headers: from({}), status: 404 },
    { path: list, headers: from({ authorization: 'Bearer forged' }), status: 401 },
  ]);
  for (const { body } of answers) {
    const values = body.secret ? [body.secret] : body.secrets;
    for (const { secretKey, secretValue } of values) expect(secretValue).toBe(secretKey.replace('KEY_', 'value-'));
  }
});

test('an invalid member fails alone in a group of logins', async () => {
  const path = '/api/v1/auth/universal-auth/login';
  const sent = (n: number | string, body: object = machine) => ({
    method: 'POST',
    path,
    body,
    headers: { 'user-agent': `login-${n}` },
  });
  const answers = await tryAll(
    new Random('logins'),
    'access_tokens',
    'login',
    Array.from({ length: GOOD }, (_, n) => sent(n)),
    [
      { ...sent('poison'), status: 503 },
      { ...sent('wrong', { ...machine, clientSecret: 'wrong' }), status: 401 },
      { ...sent('unknown', { ...machine, clientId: crypto.randomUUID() }), status: 401 },
      { ...sent('nul', { ...machine, clientSecret: '\0' }), status: 401 },
    ],
  );
  expect(new Set(answers.map(({ body }) => body.accessToken)).size).toBe(GOOD);
});

test('an invalid member fails alone among changes of one project', async () => {
  const { authorization } = await instance.login(address, machine);
  const change = (key: string, agent: string, body: object = {}) => ({
    method: 'PATCH',
    path: `/api/v4/secrets/${key}`,
    body: { projectId, environment: 'dev', secretValue: `by-${key}`, ...body },
    headers: { 'user-agent': agent, authorization },
  });
  const good = Array.from({ length: 12 }, (_, n) => change(`KEY_${n}`, `change-${n}`));
  const bad = [
    { ...change('KEY_20', 'change-poison'), status: 503 },
    { ...change('ABSENT', 'change-absent'), status: 404 },
    { ...change('KEY_21', 'change-taken', { newSecretName: 'KEY_22' }), status: 409 },
    { ...change('KEY_23', 'change-nul', { secretComment: '\0' }), status: 422 },
  ];
  const statuses = (await together('audit_log', [...good, ...bad])).map(({ status }) => status);
  expect(statuses).toEqual([...good.map(() => 200), ...bad.map(({ status }) => status)]);

  const { body } = await instance.send(address, 'GET', list, undefined, { authorization });
  const values = new Map(body.secrets.map((secret: any) => [secret.secretKey, secret.secretValue]));
  for (let n = 0; n < 12; n++) expect(values.get(`KEY_${n}`)).toBe(`by-KEY_${n}`);
  for (const n of [20, 21, 22, 23]) expect(values.get(`KEY_${n}`)).toBe(`value-${n}`);
  const { rows } = await sql.query(
    `select array_agg(distinct user_agent) as agents from audit_log where user_agent ~ '^change-' and outcome = 'allowed'`,
  );
  expect(rows[0].agents.toSorted()).toEqual(good.map(({ headers }) => headers['user-agent']).toSorted());
});
