import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { format } from '../../../bootstrap/formats/export.ts';
import { readSource, type SOURCES } from '../../../bootstrap/formats/import.ts';
import { NASTY } from './nasty.ts';

type From = (typeof SOURCES)[number];
const read = async (from: From, text: string, service?: string) => {
  const { values, toFill } = await readSource(text, from, 'the file', service);
  return { values: Object.fromEntries(values), toFill: [...toFill.keys()] };
};
const nasty = new Map(NASTY.map((value, index) => [`KEY_${index}`, value]));
const base64 = (value: string | Buffer) => Buffer.from(value).toString('base64');
const secretOf = (data: Record<string, string>, more: object = {}) =>
  JSON.stringify({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'gateway-secrets' }, data, ...more });

test.each<From>(['json', 'yaml', 'k8s'])('what kms export writes as %s is read as the same bytes', async (from) => {
  const text = await format(nasty, from as 'json', 'gateway-secrets');
  expect((await read(from, text)).values).toEqual(Object.fromEntries(nasty));
});

test.each<{ what: string; from: From; text: string; service?: string; values: object; toFill?: string[] }>([
  {
    what: 'numbers in JSON as they are written',
    from: 'json',
    text: '{"PIN": 0.10, "LONG": 12345678901234567890, "ON": true, "NONE": null}',
    values: { PIN: '0.10', LONG: '12345678901234567890', ON: 'true' },
    toFill: ['NONE'],
  },
  {
    what: 'plain scalars in YAML as they are written',
    from: 'yaml',
    text: 'PIN: 0123\nVERSION: 1.10\nON: yes\nHEX: 0x1F\nBLOCK: |\n  a\n  b\nNONE:\n',
    values: { PIN: '0123', VERSION: '1.10', ON: 'yes', HEX: '0x1F', BLOCK: 'a\nb\n' },
    toFill: ['NONE'],
  },
  {
    what: 'a .env file with a line that only looks like another variable',
    from: 'dotenv',
    text: '\ufeffexport A="x\nA=y\n"\nB=1 # one\n',
    values: { A: 'x\nA=y\n', B: '1' },
  },
  {
    what: 'a compose file, by map, list and anchor',
    from: 'compose',
    text: `
x-common: &common { SHARED: one, PORT: 5432 }
services:
  api:
    environment: { <<: *common, PORT: 8080, PASSWORD: "a$$b", FROM_HOST: "\${HOST}", PASSED: }
    env_file: api.env
  worker:
    environment: [ "SHARED=one", "EQUALS=a=b", PASSED ]
`,
    values: { SHARED: 'one', PORT: '8080', PASSWORD: 'a$b', EQUALS: 'a=b' },
    toFill: ['FROM_HOST', 'PASSED', 'env_file of api'],
  },
  {
    what: 'one service of a compose file',
    from: 'compose',
    service: 'b',
    text: 'services:\n  a: { environment: { A: x } }\n  b: { environment: { A: y } }\n',
    values: { A: 'y' },
  },
  {
    what: 'a list of Secrets, and stringData before data',
    from: 'k8s',
    text: `{"kind":"List","items":[${secretOf({ A: base64('old') }, { stringData: { A: 'new' } })},${secretOf({ 'tls.crt': base64('x\n') })}]}`,
    values: { A: 'new', 'tls.crt': 'x\n' },
  },
  {
    what: 'version 2 of Vault',
    from: 'vault',
    text: '{"request_id":"x","data":{"data":{"A":"x","N":1.0},"metadata":{"version":2}}}',
    values: { A: 'x', N: '1.0' },
  },
  {
    what: 'version 1 of Vault with the names of version 2',
    from: 'vault',
    text: '{"data":{"data":"x","metadata":"y"}}',
    values: { data: 'x', metadata: 'y' },
  },
  {
    what: 'the secrets that workflows name',
    from: 'github',
    text: `env:\n  A: \${{ secrets.A_TOKEN }}-\${{ secrets['b_token'] || secrets.A_TOKEN }}\n  # secrets.COMMENT\n  G: \${{ secrets.GITHUB_TOKEN }}`,
    values: {},
    toFill: ['A_TOKEN', 'B_TOKEN'],
  },
])('$what', async ({ from, text, service, values, toFill = [] }) => {
  expect(await read(from, text, service)).toEqual({ values, toFill });
});

describe('what would be lost or changed is refused by name, without a value', () => {
  test.each<{ what: string; from: From; text: string; says: RegExp }>([
    { what: 'a name twice in .env', from: 'dotenv', text: 'A=hidden\nB=2\nA=hidden2\n', says: /"A" is there twice/ },
    { what: 'a name twice in JSON', from: 'json', text: '{"A":"hidden","A":"hidden2"}', says: /"A" is there twice/ },
    { what: 'a name twice in YAML', from: 'yaml', text: 'A: hidden\nA: hidden2\n', says: /:2: a name is there twice/ },
    { what: 'a map within', from: 'yaml', text: stringify({ DB: { url: 'hidden' } }), says: /"DB" is no single value/ },
    { what: 'a list within', from: 'json', text: '{"DB":["hidden"]}', says: /"DB" is no single value/ },
    { what: 'a file that SOPS has sealed', from: 'yaml', text: 'A: ENC[AES256_GCM,data:hidden]', says: /sops decrypt/ },
    {
      what: 'bytes that are no text',
      from: 'k8s',
      text: secretOf({ KEY: base64(Buffer.from([0xff, 0xfe])) }),
      says: /"KEY" .*UTF-8/,
    },
    {
      what: 'a token of the cluster',
      from: 'k8s',
      text: secretOf({}, { type: 'kubernetes.io/service-account-token' }),
      says: /belongs to the cluster/,
    },
    {
      what: 'a SealedSecret',
      from: 'k8s',
      text: 'kind: SealedSecret\nspec: { encryptedData: { A: hidden } }',
      says: /SealedSecret/,
    },
    { what: 'a ConfigMap', from: 'k8s', text: 'kind: ConfigMap\ndata: { A: hidden }', says: /no Secret/ },
    {
      what: 'a deleted version',
      from: 'vault',
      text: '{"data":{"data":null,"metadata":{}}}',
      says: /deleted in Vault/,
    },
    {
      what: 'two services that disagree',
      from: 'compose',
      text: 'services:\n  a: { environment: { A: hidden } }\n  b: { environment: { A: hidden2 } }',
      says: /"A" is there twice.*service b/,
    },
    {
      what: 'a value that YAML takes for a reference',
      from: 'k8s',
      text: 'kind: Secret\nmetadata: { name: x }\nstringData:\n  A: *hidden\n',
      says: /refers to what is not in it/,
    },
    { what: 'a map that merges itself', from: 'yaml', text: 'a: &a\n  <<: *a\n<<: *a\n', says: /merges itself/ },
    { what: 'JSON that is none', from: 'json', text: '{"A":"hidden"', says: /is no JSON/ },
    { what: 'YAML that is none', from: 'yaml', text: 'A: "hidden\n', says: /is no YAML/ },
    { what: 'nothing', from: 'json', text: '{}', says: /holds no secret/ },
    { what: 'a workflow without secrets', from: 'github', text: 'on: push', says: /names no secret/ },
  ])('$what', async ({ from, text, says }) => {
    await expect(read(from, text)).rejects.toThrow(says);
    await expect(read(from, text)).rejects.not.toMatchObject({ message: expect.stringContaining('hidden') });
  });
});

test('maps that merge each other over and over are read once', async () => {
  const doubled = Array.from({ length: 60 }, (_, n) => `x${n + 1}: &x${n + 1} { <<: [*x${n}, *x${n}] }\n`).join('');
  const text = `x0: &x0 { A: b }\n${doubled}services: { one: { environment: { <<: *x60 } } }\n`;
  expect(await read('compose', text)).toEqual({ values: { A: 'b' }, toFill: [] });
});
