import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { HIDDEN_VALUE } from '../../../contracts/index.ts';
import { startServer, type TestServer } from '../../support/server.ts';

let server: TestServer;
let projectId: string;
/** A folder of its own for each test, so that none sees what another wrote. */
let at: { projectId: string; environment: string; secretPath: string };

beforeAll(async () => {
  server = await startServer();
  projectId = (await server.project('gateway')).id;
});
afterAll(() => server.close());
beforeEach(async () => {
  const name = `t-${randomUUID()}`;
  at = { projectId, environment: 'dev', secretPath: `/${name}` };
  await server.do('POST', '/api/v1/folders', { body: { projectId, environment: 'dev', name } });
});

const url = (key: string, more: Record<string, string> = {}) =>
  `/api/v4/secrets/${key}?${new URLSearchParams({ ...at, ...more })}`;
const write = (method: string, key: string, body: object = {}) =>
  server.send(method, `/api/v4/secrets/${key}`, { token: server.admin, body: { ...at, ...body } });
const batch = (method: string, secrets: readonly object[], more: object = {}) =>
  server.send(method, '/api/v4/secrets/batch', { token: server.admin, body: { ...at, secrets, ...more } });
const read = async (key: string, more: Record<string, string> = {}) => (await server.do('GET', url(key, more))).secret;
/** What the folder holds: `KEY=value` in the order of the answer. */
async function folder(more: Record<string, string> = {}): Promise<string[]> {
  const { secrets } = await server.do('GET', url('', more));
  return secrets.map((s: any) => `${s.secretKey}=${s.secretValue}`);
}

test('every version of a secret stays readable', async () => {
  await write('POST', 'A', { secretValue: 'one', secretComment: 'first' });
  await write('PATCH', 'A', { secretValue: 'two' });
  await write('PATCH', 'A', { secretComment: 'third' });
  await write('PATCH', 'A', { newSecretName: 'B' });
  await write('PATCH', 'B', { secretValue: '' });
  const seen = [];
  for (const version of ['1', '2', '3', '4', '5']) {
    const { secretKey, secretValue, secretComment, version: told } = await read('B', { version });
    seen.push([told, secretKey, secretValue, secretComment]);
  }
  expect(seen).toEqual([
    [1, 'A', 'one', 'first'],
    [2, 'A', 'two', 'first'],
    [3, 'A', 'two', 'third'],
    [4, 'B', 'two', 'third'],
    [5, 'B', '', 'third'],
  ]);
  expect(await read('B')).toMatchObject({ version: 5, secretValue: '' });
});

test('a renamed secret leaves its old name free', async () => {
  await write('POST', 'A', { secretValue: 'kept' });
  const before = await read('A');
  const renamed = await write('PATCH', 'A', { newSecretName: 'B' });
  expect(renamed.body.secret).toMatchObject({ id: before.id, secretKey: 'B', secretValue: 'kept', version: 2 });
  const gone = await server.send('GET', url('A'), { token: server.admin });
  expect([gone.status, gone.body.message]).toEqual([
    404,
    `secret "A" not found in project "gateway", environment "dev", path "${at.secretPath}"`,
  ]);
  expect((await write('POST', 'A', { secretValue: 'another' })).body.secret.id).not.toBe(before.id);
  expect(await folder()).toEqual(['A=another', 'B=kept']);
});

test('a secret is not renamed over another', async () => {
  await batch('POST', [
    { secretKey: 'A', secretValue: '1' },
    { secretKey: 'B', secretValue: '2' },
  ]);
  const { status, body } = await write('PATCH', 'A', { newSecretName: 'B', secretValue: 'x' });
  expect([status, body.error, body.message]).toEqual([409, 'Conflict', 'secret "B" exists already']);
  expect(await folder()).toEqual(['A=1', 'B=2']);
});

test('a key that exists is not created again', async () => {
  await write('POST', 'A', { secretValue: '1' });
  for (const answer of [
    await write('POST', 'A', { secretValue: '2' }),
    await batch('POST', [
      { secretKey: 'NEW', secretValue: '2' },
      { secretKey: 'A', secretValue: '2' },
    ]),
  ]) {
    expect(answer.status).toBe(409);
    expect(answer.body).toMatchObject({
      error: 'Conflict',
      message: 'secret "A" exists already',
      details: { secretKeys: ['A'] },
    });
  }
  expect(await folder()).toEqual(['A=1']);
});

test('of many creations of one key, one wins', async () => {
  const answers = await Promise.all(
    Array.from({ length: 12 }, (_, n) => write('POST', 'RACE', { secretValue: String(n) })),
  );
  const statuses = answers.map(({ status }) => status).sort();
  expect(statuses).toEqual([200, ...Array(11).fill(409)]);
  const winner = answers.find(({ status }) => status === 200)!.body.secret.secretValue;
  expect(await folder()).toEqual([`RACE=${winner}`]);
});

test('changes at once get a version each', async () => {
  await write('POST', 'RACE', { secretValue: '0' });
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, n) => write('PATCH', 'RACE', { secretValue: `v${n}` })),
  );
  const versions = answers.map(({ body }) => body.secret.version).sort((a, b) => a - b);
  expect(versions).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  for (const { body } of answers) {
    const { version, secretValue } = body.secret;
    expect((await read('RACE', { version: String(version) })).secretValue).toBe(secretValue);
  }
});

test('a deleted secret is gone, and its history is kept', async () => {
  await write('POST', 'A', { secretValue: '1' });
  const { id } = (await write('PATCH', 'A', { secretValue: '2' })).body.secret;
  expect((await write('DELETE', 'A')).body.secret).toMatchObject({ id, secretKey: 'A', version: 2 });
  for (const answer of [
    await server.send('GET', url('A'), { token: server.admin }),
    await server.send('GET', url('A', { version: '1' }), { token: server.admin }),
    await write('DELETE', 'A'),
    await write('PATCH', 'A', { secretValue: 'x' }),
  ]) {
    expect([answer.status, answer.body.error]).toEqual([404, 'NotFound']);
  }
  const kept = await server.sql.query('select version from secret_versions where secret_id = $1 order by 1', [id]);
  expect(kept.rows).toEqual([{ version: 1 }, { version: 2 }]);
  expect((await write('POST', 'A', { secretValue: '3' })).body.secret.version).toBe(1);
});

test('a change leaves alone what it does not name', async () => {
  await write('POST', 'A', { secretValue: ' v ', secretComment: ' why ', skipMultilineEncoding: true });
  const kept = { secretValue: ' v ', secretComment: ' why ', skipMultilineEncoding: true };
  expect((await write('PATCH', 'A', {})).body.secret).toMatchObject({ ...kept, version: 2 });
  expect((await batch('PATCH', [{ secretKey: 'A' }])).body.secrets).toMatchObject([{ ...kept, version: 3 }]);
  expect((await write('PATCH', 'A', { secretComment: '' })).body.secret).toMatchObject({ ...kept, secretComment: '' });
  expect(await read('A')).toMatchObject({ ...kept, secretComment: '', version: 4 });
});

test('hidden values leave names, versions and comments', async () => {
  await write('POST', 'A', { secretValue: 'to hide', secretComment: 'shown' });
  const hidden = {
    secretKey: 'A',
    secretValue: HIDDEN_VALUE,
    secretValueHidden: true,
    secretComment: 'shown',
    version: 1,
  };
  for (const more of ['viewSecretValue=false', 'viewSecretValue=false&version=1']) {
    const answer = await server.send('GET', `${url('A')}&${more}`, { token: server.admin });
    expect(answer.body.secret).toMatchObject(hidden);
    expect(answer.text).not.toContain('to hide');
  }
  // The same question with values before and after: neither answer stands in for the other.
  for (const [viewSecretValue, value] of [
    ['true', 'to hide'],
    ['false', HIDDEN_VALUE],
    ['', 'to hide'],
  ] as const) {
    const { secrets } = await server.do('GET', url('', { viewSecretValue }));
    expect(secrets).toMatchObject([{ secretKey: 'A', secretValue: value, secretValueHidden: value === HIDDEN_VALUE }]);
  }
});

test('a recursive list takes every folder below along', async () => {
  const environment = 'dev';
  const inner = { projectId, environment, name: 'inner', path: `${at.secretPath}/deep` };
  await server.do('POST', '/api/v1/folders', { body: inner });
  // A neighbour whose path starts with the same letters is not below.
  await server.do('POST', '/api/v1/folders', {
    body: { projectId, environment, name: `${at.secretPath.slice(1)}-next` },
  });
  await server.setSecrets(projectId, environment, { A: 'top', B: 'top' }, at.secretPath);
  await server.setSecrets(projectId, environment, { A: 'inner' }, `${at.secretPath}/deep/inner`);
  await server.setSecrets(projectId, environment, { A: 'neighbour' }, `${at.secretPath}-next`);
  expect(await folder()).toEqual(['A=top', 'B=top']);
  for (const recursive of ['true', '1']) {
    const { secrets } = await server.do('GET', url('', { recursive }));
    expect(secrets.map((s: any) => [s.secretPath, s.secretKey, s.secretValue])).toEqual([
      [at.secretPath, 'A', 'top'],
      [at.secretPath, 'B', 'top'],
      [`${at.secretPath}/deep/inner`, 'A', 'inner'],
    ]);
  }
});

test('a path means the same with a trailing slash', async () => {
  await write('POST', 'A', { secretValue: '1' });
  at = { ...at, secretPath: `${at.secretPath}/` };
  expect(await folder()).toEqual(['A=1']);
  expect((await write('PATCH', 'A', { secretValue: '2' })).body.secret.secretPath).toBe(at.secretPath.slice(0, -1));
});

test.each(['POST', 'PATCH', 'DELETE'])('%s refuses a personal secret of a machine', async (method) => {
  await write('POST', 'A', { secretValue: '1' });
  const answer = await write(method, 'A', { type: 'personal', secretValue: '2' });
  expect([answer.status, answer.body.message]).toEqual([
    400,
    'Must be user to create personal secret: machines have none',
  ]);
  expect(await folder()).toEqual(['A=1']);
});

test.each<{ what: string; items: readonly object[]; mode?: string; status: number; left: string[] }>([
  {
    what: 'a missing key',
    items: [
      { secretKey: 'A', secretValue: 'new' },
      { secretKey: 'GONE', secretValue: 'new' },
    ],
    status: 404,
    left: ['A=1', 'B=2'],
  },
  {
    what: 'a missing key and mode ignore',
    items: [
      { secretKey: 'A', secretValue: 'new' },
      { secretKey: 'GONE', secretValue: 'new' },
    ],
    mode: 'ignore',
    status: 200,
    left: ['A=new', 'B=2'],
  },
  {
    what: 'a missing key and mode upsert',
    items: [
      { secretKey: 'A', secretValue: 'new' },
      { secretKey: 'C', secretValue: 'made', secretComment: 'why' },
    ],
    mode: 'upsert',
    status: 200,
    left: ['A=new', 'B=2', 'C=made'],
  },
  {
    what: 'an upsert without a value',
    items: [{ secretKey: 'A', secretValue: 'new' }, { secretKey: 'C' }],
    mode: 'upsert',
    status: 400,
    left: ['A=1', 'B=2'],
  },
  {
    what: 'a taken new name',
    items: [
      { secretKey: 'A', newSecretName: 'B' },
      { secretKey: 'B', secretValue: 'x' },
    ],
    status: 409,
    left: ['A=1', 'B=2'],
  },
  {
    what: 'two new names alike',
    items: [
      { secretKey: 'A', newSecretName: 'C' },
      { secretKey: 'B', newSecretName: 'C' },
    ],
    status: 400,
    left: ['A=1', 'B=2'],
  },
  {
    what: 'a new name that the same upsert makes',
    items: [
      { secretKey: 'A', newSecretName: 'C' },
      { secretKey: 'C', secretValue: 'x' },
    ],
    mode: 'upsert',
    status: 400,
    left: ['A=1', 'B=2'],
  },
  {
    what: 'a key named twice',
    items: [
      { secretKey: 'A', secretValue: 'x' },
      { secretKey: 'A', secretValue: 'y' },
    ],
    status: 422,
    left: ['A=1', 'B=2'],
  },
  { what: 'no item', items: [], status: 422, left: ['A=1', 'B=2'] },
  { what: 'an unknown mode', items: [{ secretKey: 'A' }], mode: 'force', status: 422, left: ['A=1', 'B=2'] },
])('a batch change with $what does all or nothing', async ({ items, mode, status, left }) => {
  await batch('POST', [
    { secretKey: 'A', secretValue: '1' },
    { secretKey: 'B', secretValue: '2' },
  ]);
  const answer = await batch('PATCH', items, mode ? { mode } : {});
  expect([answer.status, answer.body.message]).toEqual([status, status === 200 ? undefined : expect.anything()]);
  expect(await folder()).toEqual(left);
});

test('a batch deletion with one missing key deletes nothing', async () => {
  await batch('POST', [
    { secretKey: 'A', secretValue: '1' },
    { secretKey: 'B', secretValue: '2' },
  ]);
  const { status, body } = await batch('DELETE', [{ secretKey: 'A' }, { secretKey: 'GONE' }]);
  expect([status, body.message]).toEqual([
    404,
    `secret "GONE" not found in project "gateway", environment "dev", path "${at.secretPath}"`,
  ]);
  expect(await folder()).toEqual(['A=1', 'B=2']);
  expect((await batch('DELETE', [{ secretKey: 'B' }, { secretKey: 'A' }])).status).toBe(200);
  expect(await folder()).toEqual([]);
});

test('a batch that is refused leaves no audit of writes', async () => {
  await write('POST', 'A', { secretValue: '1' });
  await batch('POST', [
    { secretKey: 'NEW', secretValue: '2' },
    { secretKey: 'A', secretValue: '2' },
  ]);
  const { rows } = await server.sql.query(
    "select event, secret_key, outcome from audit_log where secret_path = $1 and event like '%-secret' order by at",
    [at.secretPath],
  );
  expect(rows).toEqual([{ event: 'create-secret', secret_key: 'A', outcome: 'allowed' }]);
});

test('1,000 secrets are one batch, 1,001 are refused', async () => {
  const items = (count: number) =>
    Array.from({ length: count }, (_, n) => ({ secretKey: `K${n}`, secretValue: String(n) }));
  expect((await batch('POST', items(1001))).status).toBe(422);
  expect((await batch('POST', items(1000))).status).toBe(200);
  expect(await folder()).toHaveLength(1000);
});
