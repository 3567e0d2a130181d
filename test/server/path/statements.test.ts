import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Machine, startServer, type TestServer } from '../../support/server.ts';
import { LIST, listAtOnce, reader, readsOf } from './readers.ts';
import { statementsOf } from './statements.ts';

let server: TestServer;
let project: { id: string };
let machine: Machine;

beforeAll(async () => {
  server = await startServer();
  project = await server.project('gateway');
  await server.setSecrets(project.id, 'prod', { DATABASE_URL: 'postgresql://db', API_KEY: 'sk-1' });
  machine = await reader(server, 'gateway-service', project.id);
});
afterAll(() => server.close());

/** Makes every answer in memory stale. */
const touch = () => server.setSecrets(project.id, 'dev', { [`K${Math.random()}`.replace('.', '')]: 'x' });
const list = () => server.send('GET', LIST, { token: machine.token });

test('a read from memory costs exactly one statement', async () => {
  await list();
  const counts = await statementsOf(server.sql, async () => expect((await list()).status).toBe(200));
  expect(counts).toEqual({ pass: 1 });
});

test('a read that memory cannot answer costs two', async () => {
  await touch();
  const counts = await statementsOf(server.sql, async () => expect((await list()).status).toBe(200));
  expect(counts).toEqual({ pass: 1, fill: 1 });
});

test.each<{ name: string; url: string }>([
  { name: 'one secret by its name', url: LIST.replace('raw?', 'raw/API_KEY?') },
  { name: 'a list without values', url: `${LIST}&viewSecretValue=false` },
  { name: 'a recursive list', url: `${LIST}&recursive=true` },
  { name: 'a project by its id', url: '/api/v4/secrets?environment=production&projectId=' },
])('$name costs two statements, then one', async ({ url }) => {
  const full = url.endsWith('=') ? url + project.id : url;
  const get = async () => expect((await server.send('GET', full, { token: machine.token })).status).toBe(200);
  expect(await statementsOf(server.sql, get)).toEqual({ admit: 1, fill: 1 });
  expect(await statementsOf(server.sql, get)).toEqual({ pass: 1 });
});

test('a read that nothing changed since costs one statement', async () => {
  const { headers } = await list();
  const counts = await statementsOf(server.sql, async () => {
    const again = await server.send('GET', LIST, {
      token: machine.token,
      headers: { 'if-none-match': String(headers.etag) },
    });
    expect(again).toMatchObject({ status: 304, text: '' });
  });
  expect(counts).toEqual({ pass: 1 });
});

// All fifty are parsed in a few turns of the event loop. The first turn's leave in up to two groups (two lanes), and the
// rest gather while those are under way: a handful, whatever the machine's pace, and never one each.
const GROUPS_AT_MOST = 5;

test('fifty reads from memory at once share few statements', async () => {
  await list();
  const before = await readsOf(server, machine.id);
  const counts = await statementsOf(server.sql, async () => {
    const answers = await listAtOnce(server, machine.token, 50);
    expect(answers.map(({ status }) => status)).toEqual(Array(50).fill(200));
  });
  expect(Object.keys(counts)).toEqual(['pass']);
  expect(counts.pass).toBeLessThanOrEqual(GROUPS_AT_MOST);
  expect(await readsOf(server, machine.id)).toBe(before + 50);
});

test('fifty with one missing answer share one fill', async () => {
  await touch();
  const before = await readsOf(server, machine.id);
  const counts = await statementsOf(server.sql, async () => {
    const answers = await listAtOnce(server, machine.token, 50);
    expect(answers.map(({ status }) => status)).toEqual(Array(50).fill(200));
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
  });
  expect(counts).toEqual({ pass: expect.any(Number), fill: 1 });
  // Those that waited for the fill ask once more.
  expect(counts.pass).toBeLessThanOrEqual(2 * GROUPS_AT_MOST);
  expect(await readsOf(server, machine.id)).toBe(before + 50);
});

test('fifty reads of a missing folder all get 404', async () => {
  const url = LIST.replace('secretPath=/', 'secretPath=/nowhere');
  const answers = await Promise.all(
    Array.from({ length: 50 }, () => server.send('GET', url, { token: machine.token })),
  );
  for (const { status, body } of answers) {
    expect({ status, message: body.message }).toEqual({
      status: 404,
      message: 'folder "/nowhere" not found in environment "prod" of project "gateway"',
    });
  }
});

test('a forged token costs no statement', async () => {
  const [header, claims] = machine.token.split('.');
  const forged = `${header}.${claims}.${'A'.repeat(43)}`;
  const counts = await statementsOf(server.sql, async () => {
    const answers = await listAtOnce(server, forged, 20);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401]));
  });
  expect(counts).toEqual({});
});
