import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Person, person } from '../../support/people.ts';
import { startServer, type TestServer } from '../../support/server.ts';
import { statementsOf } from '../path/statements.ts';
import { query } from './world.ts';

let server: TestServer;
let at: { projectId: string };
let ada: Person;
let bob: Person;
let count = 0;

beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

beforeEach(async () => {
  at = { projectId: (await server.project(`personal-${++count}`)).id };
  await server.setSecrets(at.projectId, 'dev', { KEY: 'shared', OTHER: 'other' });
  ada = await person(server, `ada-${count}@hanzo.ai`, { projectId: at.projectId });
  bob = await person(server, `bob-${count}@hanzo.ai`, { projectId: at.projectId });
});

const write = (method: string, who: { token: string }, value?: string, key = 'KEY') =>
  server.send(method, `/api/v4/secrets/${key}`, {
    token: who.token,
    body: { ...at, environment: 'dev', type: 'personal', ...(value === undefined ? {} : { secretValue: value }) },
  });
async function list(who: { token: string }, more: Record<string, string> = {}, url = '/api/v4/secrets') {
  const { secrets } = await server.do('GET', `${url}?${query(at, more)}`, { token: who.token });
  return secrets.map((s: any) => `${s.type} ${s.secretKey}=${s.secretValue}`);
}
const first = { includePersonalOverrides: 'true' };

test('a personal value stands in for its owner alone, and only when asked for', async () => {
  const { body } = await write('POST', ada, "ada's");
  expect(body.secret).toMatchObject({ type: 'personal', secretKey: 'KEY', secretValue: "ada's", version: 1 });
  expect(body.secret.actor).toMatchObject({ actorId: ada.id, actorType: 'user' });
  for (let round = 0; round < 2; round++) {
    expect(await list(ada)).toEqual(['shared KEY=shared', 'shared OTHER=other']);
    expect(await list(ada, first)).toEqual(["personal KEY=ada's", 'shared OTHER=other']);
    expect(await list(bob, first)).toEqual(['shared KEY=shared', 'shared OTHER=other']);
  }
});

test('v3 lists both, as its clients choose themselves', async () => {
  await write('POST', ada, "ada's");
  expect(await list(ada, {}, '/api/v3/secrets/raw')).toEqual([
    'shared KEY=shared',
    "personal KEY=ada's",
    'shared OTHER=other',
  ]);
  expect(await list(bob, {}, '/api/v3/secrets/raw')).toEqual(['shared KEY=shared', 'shared OTHER=other']);
});

test('by its name it is read as type personal', async () => {
  await write('POST', ada, "ada's");
  const get = async (who: Person, type: string, key = 'KEY') => {
    const { status, body } = await server.send('GET', `/api/v4/secrets/${key}?${query(at, { type })}`, {
      token: who.token,
    });
    return status === 200 ? body.secret.secretValue : status;
  };
  expect([await get(ada, 'personal'), await get(ada, 'shared')]).toEqual(["ada's", 'shared']);
  expect([await get(bob, 'personal'), await get(ada, 'personal', 'OTHER')]).toEqual([404, 404]);
});

test('of personal values the present version is there, and a number without the type is one of the shared secret', async () => {
  await write('POST', ada, "ada's");
  await write('PATCH', ada, "ada's second");
  const get = async (more: Record<string, string>) => {
    const url = `/api/v4/secrets/KEY?${query(at, { ...first, ...more })}`;
    const { status, body } = await server.send('GET', url, { token: ada.token });
    return status === 200 ? body.secret.secretValue : [status, body.message.split(' in project')[0]];
  };
  expect(await get({ version: '2', type: 'personal' })).toBe("ada's second");
  expect(await get({ version: '1', type: 'personal' })).toEqual([404, 'your personal secret "KEY" has no version 1']);
  expect(await get({ version: '1' })).toBe('shared');
});

test('each change shows in the very next read, and takes one statement after', async () => {
  const read = () => list(ada, first);
  expect((await read())[0]).toBe('shared KEY=shared');
  await write('POST', ada, 'one');
  expect((await read())[0]).toBe('personal KEY=one');
  expect((await write('PATCH', ada, 'two')).body.secret.version).toBe(2);
  expect((await read())[0]).toBe('personal KEY=two');
  expect(await statementsOf(server.sql, read)).toEqual({ pass: 1 });
  await write('DELETE', ada);
  expect((await read())[0]).toBe('shared KEY=shared');
});

test('it follows a renamed secret and ends with a deleted one', async () => {
  await write('POST', ada, "ada's");
  const body = { ...at, environment: 'dev' };
  await server.do('PATCH', '/api/v4/secrets/KEY', { body: { ...body, newSecretName: 'RENAMED' } });
  expect(await list(ada, first)).toEqual(['shared OTHER=other', "personal RENAMED=ada's"]);
  await server.do('DELETE', '/api/v4/secrets/RENAMED', { body });
  await server.setSecrets(at.projectId, 'dev', { RENAMED: 'anew' });
  expect(await list(ada, first)).toEqual(['shared OTHER=other', 'shared RENAMED=anew']);
});

test.each<{ what: string; send: () => Promise<{ status: number }>; status: number }>([
  { what: 'one without a shared secret', send: () => write('POST', ada, 'x', 'NONE'), status: 400 },
  { what: 'a second one', send: () => write('POST', ada, 'x').then(() => write('POST', ada, 'y')), status: 409 },
  { what: 'a change of one that is not there', send: () => write('PATCH', ada, 'x'), status: 404 },
  { what: 'the end of one that is not there', send: () => write('DELETE', ada), status: 404 },
  { what: 'one of a machine', send: () => write('POST', { token: server.admin }, 'x'), status: 400 },
])('$what is refused', async ({ send, status }) => {
  expect((await send()).status).toBe(status);
});

test('who may not read a secret cannot override it', async () => {
  const developer = await person(server, `dev-${count}@hanzo.ai`, { projectId: at.projectId, role: 'developer' });
  await server.setSecrets(at.projectId, 'prod', { KEY: 'shared' });
  const answer = await server.send('POST', '/api/v4/secrets/KEY', {
    token: developer.token,
    body: { ...at, environment: 'prod', type: 'personal', secretValue: 'x' },
  });
  expect(answer.status).toBe(403);
  const stranger = await person(server, `stranger-${count}@hanzo.ai`);
  expect((await write('POST', stranger, 'x')).status).toBeGreaterThanOrEqual(403);
});

test.each([
  {
    what: "another person's row",
    sql: 'update personal_secrets p set sealed_value = o.sealed_value from personal_secrets o where o.id <> p.id',
  },
  { what: 'another owner', sql: `update personal_secrets set owner_id = $1 where owner_id = $2` },
  { what: 'a renamed shared row', sql: `update secrets set key = 'STOLEN' where key = 'KEY'` },
])('$what put in by hand does not open', async ({ sql }) => {
  await write('POST', ada, "ada's");
  const eve = await person(server, `eve-${count}@hanzo.ai`, { projectId: at.projectId });
  if (!sql.includes('$1')) await write('POST', bob, "bob's");
  await server.sql.query(sql, sql.includes('$1') ? [eve.id, ada.id] : []);
  for (const who of [ada, bob, eve]) {
    const { status, text } = await server.send('GET', `/api/v4/secrets?${query(at, first)}`, { token: who.token });
    const untouched = status === 200 && !text.includes("'s");
    expect(untouched || status === 500).toBe(true);
  }
});

test('an owner who lost the right to the secret reads neither', async () => {
  await write('POST', ada, "ada's");
  expect((await list(ada, first))[0]).toBe("personal KEY=ada's");
  await server.sql.query('delete from project_memberships where actor_id = $1', [ada.id]);
  const { status, text } = await server.send('GET', `/api/v4/secrets?${query(at, first)}`, { token: ada.token });
  expect([status, text.includes("ada's")]).toEqual([403, false]);
});
