import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { startServer, type TestServer } from '../../support/server.ts';
import { LIST, reader, readsOf } from './readers.ts';
import { statementsOf } from './statements.ts';

let server: TestServer;
let project: { id: string };

beforeAll(async () => {
  server = await startServer();
  project = await server.project('gateway');
  await server.setSecrets(project.id, 'prod', { API_KEY: 'value-of-the-key' });
  await server.setSecrets(project.id, 'dev', { API_KEY: 'value-in-dev' });
  await server.sql.query(`
    create function poison() returns trigger language plpgsql as $$
    begin
      if new.user_agent = 'poison' then raise exception 'poisoned'; end if;
      return new;
    end $$;
    create trigger poison before insert on audit_log for each row execute function poison()`);
});
afterAll(() => server.close());
afterEach(() => server.sql.query('alter table audit_log enable trigger poison'));

test.each<{ name: string; warm: boolean }>([
  { name: 'from memory', warm: true },
  { name: 'that memory cannot answer', warm: false },
])('one poisoned request fails alone among 100 $name', async ({ warm }) => {
  const machine = await reader(server, `service-${warm ? 'warm' : 'cold'}`, project.id);
  if (warm) await server.send('GET', LIST, { token: machine.token });
  const before = await readsOf(server, machine.id);
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, n) =>
      server.send('GET', LIST, {
        token: machine.token,
        headers: { 'user-agent': n === 37 ? 'poison' : `client-${n}` },
      }),
    ),
  );
  const [poisoned] = answers.splice(37, 1);
  expect(poisoned).toMatchObject({ status: 503, body: { error: 'ServiceUnavailable' } });
  expect(poisoned!.text).not.toContain('value-of');
  expect(answers.map(({ status }) => status)).toEqual(Array(99).fill(200));
  expect(await readsOf(server, machine.id)).toBe(before + 99);
  const { rows } = await server.sql.query(
    'select count(distinct user_agent)::int as clients from audit_log where actor_id = $1 and user_agent like $2',
    [machine.id, 'client-%'],
  );
  expect(rows[0].clients).toBe(99);
});

test('an answer in memory is for its caller alone', async () => {
  const inProd = await reader(server, 'reads-prod', project.id);
  const inDev = await server.machine('reads-dev', {
    projectId: project.id,
    roles: [{ role: 'viewer', environments: ['dev'] }],
  });
  const stranger = await server.machine('reads-nothing');
  for (let round = 0; round < 2; round++) {
    const answers = await Promise.all(
      [inProd, inDev, stranger].map(({ token }) => server.send('GET', LIST, { token })),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 403, 403]);
    for (const { text } of answers.slice(1)) expect(text).not.toContain('value-of');
  }
  const { body } = await server.send('GET', LIST.replace('=prod', '=dev'), { token: inDev.token });
  expect(body.secrets.map((secret: any) => secret.secretValue)).toEqual(['value-in-dev']);
});

test('callers with the same rights share no answer', async () => {
  const callers = await Promise.all(['three', 'four'].map((name) => reader(server, `caller-${name}`, project.id)));
  for (const { token } of callers) {
    const cost = await statementsOf(server.sql, () => server.send('GET', LIST, { token }));
    expect(cost).toEqual({ admit: 1, fill: 1 });
  }
});

test('the same question names each caller in the audit', async () => {
  const callers = await Promise.all(['one', 'two'].map((name) => reader(server, `caller-${name}`, project.id)));
  for (let round = 0; round < 2; round++) {
    await Promise.all(callers.map(({ token }) => server.send('GET', LIST, { token })));
  }
  expect(await Promise.all(callers.map(({ id }) => readsOf(server, id)))).toEqual([2, 2]);
});

test('a project of another organization is unknown, cached or not', async () => {
  const lux = await server.organization('lux');
  const theirs = await server.machine('lux-service', { organizationId: lux.id, role: 'admin' });
  const machine = await reader(server, 'ours', project.id);
  const byId = `/api/v4/secrets?environment=prod&projectId=${project.id}`;
  await server.send('GET', byId, { token: machine.token });
  for (const url of [LIST, byId]) {
    const { status, body } = await server.send('GET', url, { token: theirs.token });
    expect({ status, message: body.message }).toEqual({
      status: 404,
      message: expect.stringMatching(/^project ".*" not found$/),
    });
  }
  expect(await readsOf(server, theirs.id)).toBe(0);
});
