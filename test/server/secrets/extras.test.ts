import { afterAll, beforeAll, expect, test } from 'vitest';
import { HIDDEN_VALUE } from '../../../contracts/index.ts';
import { startServer, type TestServer } from '../../support/server.ts';

let server: TestServer;
let at: { projectId: string; environment: string };

beforeAll(async () => {
  server = await startServer();
  at = { projectId: (await server.project('gateway')).id, environment: 'dev' };
});
afterAll(() => server.close());

const write = async (method: string, key: string, body: object) =>
  (await server.do(method, `/api/v4/secrets/${key}`, { body: { ...at, ...body } })).secret;
const read = async (key: string, more: Record<string, string> = {}) =>
  (await server.do('GET', `/api/v4/secrets/${key}?${new URLSearchParams({ ...at, ...more })}`)).secret;

const metadata = [
  { key: 'owner', value: ' platform ', isEncrypted: false },
  { key: 'pin', value: 'sealed-metadata-1', isEncrypted: true },
  { key: 'team', value: '', isEncrypted: false },
  { key: 'puk', value: 'sealed-metadata-2', isEncrypted: true },
];

test('metadata is kept, replaced as a whole, and has versions', async () => {
  const made = await write('POST', 'META', { secretValue: 'v', secretMetadata: metadata });
  expect(made.secretMetadata).toEqual(metadata);
  expect((await read('META')).secretMetadata).toEqual(metadata);
  expect((await write('PATCH', 'META', { secretValue: 'w' })).secretMetadata).toEqual(metadata);
  const one = { secretMetadata: [{ key: 'owner', value: 'other' }] };
  expect((await write('PATCH', 'META', one)).secretMetadata).toEqual([
    { ...one.secretMetadata[0], isEncrypted: false },
  ]);
  expect((await write('PATCH', 'META', { secretMetadata: [] })).secretMetadata).toEqual([]);
  expect((await read('META', { version: '2' })).secretMetadata).toEqual(metadata);
});

test('encrypted metadata lies sealed and is hidden with the value', async () => {
  await write('POST', 'SEALED', { secretValue: 'v', secretMetadata: metadata });
  const hidden = (await read('SEALED', { viewSecretValue: 'false' })).secretMetadata;
  expect(hidden.map(({ value }: any) => value)).toEqual([' platform ', HIDDEN_VALUE, '', HIDDEN_VALUE]);
  const { rows } = await server.sql.query("select secrets::text as row from secrets where key = 'SEALED'");
  expect(rows[0].row).toContain('platform');
  expect(rows[0].row).not.toMatch(/sealed-metadata/);
  const audit = await server.sql.query('select string_agg(audit_log::text, $1) as all from audit_log', ['\n']);
  expect(audit.rows[0].all).not.toMatch(/sealed-metadata|platform/);
});

test.each<{ name: string; text: string }>([
  {
    name: 'of another secret',
    text: "update secrets s set sealed_metadata = o.sealed_metadata from secrets o where s.key = 'ONE' and o.key = 'TWO'",
  },
  { name: 'of the value', text: "update secrets set sealed_metadata = sealed_value where key = 'ONE'" },
])('sealed metadata in the place $name does not open', async ({ text }) => {
  await server.do('POST', '/api/v4/secrets/batch', {
    body: {
      ...at,
      secrets: ['ONE', 'TWO'].map((secretKey) => ({ secretKey, secretValue: 'v', secretMetadata: metadata })),
    },
  });
  await server.sql.query(text);
  const answer = await server.send('GET', `/api/v4/secrets/ONE?${new URLSearchParams(at)}`, { token: server.admin });
  expect(answer.status).toBe(500);
  expect(answer.text).not.toMatch(/sealed-metadata/);
  await server.do('DELETE', '/api/v4/secrets/batch', {
    body: { ...at, secrets: [{ secretKey: 'ONE' }, { secretKey: 'TWO' }] },
  });
});

test('a reminder is kept until it is ended', async () => {
  const reminder = { secretReminderRepeatDays: 30, secretReminderNote: 'rotate', secretReminderRecipients: ['z'] };
  expect(await write('POST', 'REMIND', { secretValue: 'v', ...reminder })).toMatchObject(reminder);
  expect(await write('PATCH', 'REMIND', { secretValue: 'w' })).toMatchObject(reminder);
  expect(await read('REMIND')).toMatchObject(reminder);
  const ended = await write('PATCH', 'REMIND', { secretReminderRepeatDays: null });
  expect(ended).toMatchObject({ secretReminderRepeatDays: null, secretReminderNote: 'rotate' });
});

test('an item of a batch goes to its own path', async () => {
  await server.do('POST', '/api/v1/folders', { body: { ...at, name: 'deep' } });
  const secrets = [
    { secretKey: 'SAME', secretValue: 'top' },
    { secretKey: 'SAME', secretValue: 'deep', secretPath: '/deep' },
  ];
  await server.do('POST', '/api/v4/secrets/batch', { body: { ...at, secrets } });
  const changes = [
    { secretKey: 'SAME', newSecretName: 'OTHER', secretPath: '/deep' },
    { secretKey: 'SAME', secretValue: 'changed' },
  ];
  const changed = await server.do('PATCH', '/api/v4/secrets/batch', { body: { ...at, secrets: changes } });
  expect(changed.secrets.map((s: any) => [s.secretPath, s.secretKey, s.secretValue])).toEqual([
    ['/deep', 'OTHER', 'deep'],
    ['/', 'SAME', 'changed'],
  ]);
  const missing = [...changes.slice(1), { secretKey: 'GONE', secretPath: '/deep' }];
  const { status, body } = await server.send('PATCH', '/api/v4/secrets/batch', {
    token: server.admin,
    body: { ...at, secrets: missing },
  });
  expect([status, body.message]).toEqual([
    404,
    'secret "GONE" not found in project "gateway", environment "dev", path "/deep"',
  ]);
  expect((await read('SAME')).version).toBe(2);
});
