import { afterAll, beforeAll, expect, test } from 'vitest';
import { canary } from '../../support/canary.ts';
import { startServer, type TestServer } from '../../support/server.ts';

let server: TestServer;
let at: { projectId: string; environment: string };
let query: string;

beforeAll(async () => {
  server = await startServer();
  at = { projectId: (await server.project('gateway')).id, environment: 'dev' };
  query = new URLSearchParams(at).toString();
});
afterAll(() => server.close());

test.each([
  { name: 'EMPTY', what: 'an empty value', value: '' },
  { name: 'SPACE', what: 'one space', value: ' ' },
  { name: 'AROUND', what: 'space around', value: '  padded \t' },
  { name: 'LINES', what: 'line ends of every kind', value: '\n\r\n\ra\n\n' },
  { name: 'QUOTES', what: 'quotes and backslashes', value: `"'\`\\"\\\\n\\u0041` },
  // biome-ignore lint/suspicious/noTemplateCurlyInString: kept as it stands is the point
  { name: 'DOLLAR', what: 'references as they stand', value: '$HOME ${OTHER} $(id) $$ %PATH% {{ x }}' },
  { name: 'EMOJI', what: 'emoji with joiners', value: '👩‍👩‍👧‍👦🏳️‍🌈' },
  { name: 'COMBINING', what: 'letters composed and decomposed', value: 'e\u0301 \u00e9 \u212b A\u030a' },
  { name: 'BIDI', what: 'marks that nobody sees', value: '\ufeff\u202etxet\u200b\u2028\u2029\u0085' },
  { name: 'CONTROL', what: 'control characters but NUL', value: '\u0001\u001b[31m\u007f\u009f' },
  { name: 'JSON', what: 'a JSON document', value: '{"a":[1,2,{"b":"\\n"}]}' },
  { name: 'PEM', what: 'a key file', value: '-----BEGIN KEY-----\nTUlJ\n-----END KEY-----\n' },
  { name: 'SQL', what: 'a statement', value: "'; drop table secrets; --" },
  { name: 'NUMBER', what: 'digits with a leading zero', value: '007' },
  { name: 'LARGE', what: '1 MB', value: 'x'.repeat(1_000_000) },
  { name: 'LARGE_BYTES', what: '1 MB in characters of four bytes', value: '🔑'.repeat(250_000) },
])('$what is kept byte for byte', async ({ name, value }) => {
  const made = await server.do('POST', `/api/v4/secrets/${name}`, { body: { ...at, secretValue: 'first' } });
  const { secret } = await server.do('PATCH', `/api/v4/secrets/${name}`, { body: { ...at, secretValue: value } });
  expect([made.secret.version, secret.version]).toEqual([1, 2]);
  expect(secret.secretValue === value).toBe(true);
  for (const source of ['database', 'memory']) {
    const { secret: read } = await server.do('GET', `/api/v4/secrets/${name}?expandSecretReferences=false&${query}`);
    expect(read.secretValue === value, source).toBe(true);
  }
  const { secret: version } = await server.do('GET', `/api/v3/secrets/raw/${name}?version=2&${query}`);
  expect(version.secretValue === value).toBe(true);
  await server.do('DELETE', `/api/v4/secrets/${name}`, { body: at });
});

test.each([
  { what: 'a NUL', value: 'a\u0000b' },
  { what: 'half a character', value: 'a\ud800b' },
  { what: '1 MB and one byte', value: 'x'.repeat(1_000_001) },
  { what: 'a number', value: 7 },
  { what: 'null', value: null },
  { what: 'a list', value: ['a'] },
])('a value that is $what is refused', async ({ value }) => {
  for (const [method, url, body] of [
    ['POST', '/api/v4/secrets/REFUSED', { secretValue: value }],
    ['POST', '/api/v4/secrets/batch', { secrets: [{ secretKey: 'REFUSED', secretValue: value }] }],
  ] as const) {
    const answer = await server.send(method, url, { token: server.admin, body: { ...at, ...body } });
    expect(answer.body).toMatchObject({ statusCode: 422, error: 'ValidationFailure' });
  }
  expect((await server.send('GET', `/api/v4/secrets/REFUSED?${query}`, { token: server.admin })).status).toBe(404);
});

test('a refused value is not in the refusal', async () => {
  const body = { ...at, secretValue: `${canary}\u0000` };
  const { status, text } = await server.send('POST', '/api/v4/secrets/REFUSED', { token: server.admin, body });
  expect(status).toBe(422);
  expect(text.includes(canary)).toBe(false);
});

test.each(['lower', 'With-Dash', 'dot.ted', 'ünïcödé', 'a b', '$HOME', '%41', "quo'te", 'x'.repeat(255), '🔑'])(
  'the key name %.20s is kept as it is',
  async (name) => {
    const url = `/api/v4/secrets/${encodeURIComponent(name)}`;
    await server.do('POST', url, { body: { ...at, secretValue: 'v' } });
    expect((await server.do('GET', `${url}?${query}`)).secret).toMatchObject({ secretKey: name, secretValue: 'v' });
    await server.do('DELETE', url, { body: at });
  },
);

test.each(['a/b', 'a:b', ' a', 'a ', 'a\nb', 'a\u0000', 'a\u2028b', 'x'.repeat(256)])(
  'the key name %j is refused',
  async (name) => {
    const url = `/api/v4/secrets/${encodeURIComponent(name)}`;
    const one = await server.send('POST', url, { token: server.admin, body: { ...at, secretValue: 'v' } });
    expect(one.body).toMatchObject({ statusCode: 422, message: [{ path: ['secretName'] }] });
    const body = { ...at, secrets: [{ secretKey: name, secretValue: 'v' }] };
    const many = await server.send('POST', '/api/v4/secrets/batch', { token: server.admin, body });
    expect(many.body).toMatchObject({ statusCode: 422, message: [{ path: ['secrets', '0', 'secretKey'] }] });
  },
);
