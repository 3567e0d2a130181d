import Fastify from 'fastify';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { kms as kmsPlugin } from '../../sdk/fastify.ts';
import { Kms, loadEnv, ValuesHidden } from '../../sdk/index.ts';
import { valuesOf } from '../../sdk/values.ts';
import { type LiveServer, startLiveServer } from '../bootstrap/support/live-server.ts';

declare module '../../sdk/fastify.ts' {
  interface KmsEnvironment {
    readonly HOST: string;
    readonly URL: string;
  }
}

let live: LiveServer;
let projectId: string;
let credentials: { clientId: string; clientSecret: string };
let env: Record<string, string>;
beforeAll(async () => {
  live = await startLiveServer();
  await live.server.bootstrap();
  projectId = (await live.server.project('gateway')).id;
  const { clientId, clientSecret } = await live.server.machine('edge', { projectId, roles: [{ role: 'viewer' }] });
  credentials = { clientId, clientSecret };
  env = { KMS_URL: live.url, KMS_CLIENT_ID: clientId, KMS_CLIENT_SECRET: clientSecret };
  await set('HOST', 'db');
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a reference
  await set('URL', '${HOST}:5432\n');
});
afterAll(() => live.close());

async function set(name: string, secretValue: string, secretPath = '/', method = 'POST'): Promise<void> {
  await live.server.do(method, `/api/v4/secrets/${name}`, {
    body: { projectId, environment: 'dev', secretPath, secretValue },
  });
}
const where = () => ({ project: 'gateway', environment: 'dev', env });

test('loadEnv puts a folder into an environment, whole or not at all', async () => {
  expect(await loadEnv(where())).toEqual({ HOST: 'db', URL: 'db:5432\n' });
  expect(env).toMatchObject({ HOST: 'db', URL: 'db:5432\n' });
  const untouched = { ...env };
  await expect(loadEnv({ ...where(), path: '/none' })).rejects.toThrow();
  expect(env).toEqual(untouched);
  env.HOST = 'mine';
  await loadEnv({ ...where(), keepEnv: true });
  expect(env.HOST).toBe('mine');
});

test('loadEnv takes folders below when asked, and no two of one name', async () => {
  const folder = { projectId, environment: 'dev', path: '/', name: 'below' };
  await live.server.do('POST', '/api/v2/folders', { body: folder });
  await set('DEEP', 'er', '/below');
  expect(await loadEnv({ ...where(), recursive: true })).toMatchObject({ HOST: 'db', DEEP: 'er' });
  await set('HOST', 'twice', '/below');
  await expect(loadEnv({ ...where(), recursive: true })).rejects.toMatchObject({ name: 'NamesCollide', key: 'HOST' });
});

test('loadEnv lets nobody who writes a secret decide which code runs', async () => {
  const folder = { projectId, environment: 'dev', path: '/', name: 'evil' };
  await live.server.do('POST', '/api/v2/folders', { body: folder });
  await set('NODE_OPTIONS', '--require /tmp/evil.js', '/evil');
  const at = { ...where(), path: '/evil' };
  await loadEnv(at);
  expect(env.NODE_OPTIONS).toBeUndefined();
  await loadEnv({ ...at, env: { ...env }, allowLoaders: true }).then((found) =>
    expect(found).toHaveProperty('NODE_OPTIONS'),
  );
});

test('a value that may be known of and not read is named, and none is handed over', () => {
  const secret = { secretKey: 'A', secretPath: '/', secretValue: '<hidden>', secretValueHidden: true };
  expect(() => valuesOf({ secrets: [secret], imports: [] })).toThrow(ValuesHidden);
  expect(() => valuesOf({ secrets: [], imports: [{ secrets: [secret] }] })).toThrow(/not read: A/);
});

test('watch tells a folder as it is and after each change, until its reader leaves', async () => {
  const kms = new Kms({ url: live.url, credentials });
  const seen: string[] = [];
  for await (const { secrets } of kms.watch({ projectSlug: 'gateway', environment: 'dev' })) {
    seen.push(secrets.find(({ secretKey }) => secretKey === 'HOST')!.secretValue);
    if (seen.length === 2) break;
    await set('HOST', 'other', '/', 'PATCH');
  }
  expect(seen).toEqual(['db', 'other']);
  await set('HOST', 'db', '/', 'PATCH');
});

test('watch ends with its signal', async () => {
  const ending = new AbortController();
  let looks = 0;
  const kms = new Kms({ url: live.url, credentials });
  for await (const _ of kms.watch({ projectSlug: 'gateway', environment: 'dev' }, { signal: ending.signal })) {
    looks++;
    setTimeout(() => ending.abort(), 20);
  }
  expect(looks).toBe(1);
});

test('a Fastify app has its secrets when it is ready, follows their changes, and keeps to its schema', async () => {
  const lines: string[] = [];
  const app = Fastify({ logger: { stream: { write: (line: string) => void lines.push(line) } } });
  const Env = z.object({ HOST: z.string().min(2), URL: z.string() });
  const { url } = live;
  await app.register(kmsPlugin, { project: 'gateway', environment: 'dev', url, credentials, schema: Env });
  expect(app.kms.env.URL).toBe('db:5432\n');
  // @ts-expect-error no such name
  expect(app.kms.env.HOTS).toBeUndefined();
  const heard: (readonly string[])[] = [];
  let changed = Promise.withResolvers<void>();
  app.kms.onChange((_, names) => {
    heard.push(names);
    changed.resolve();
  });
  await set('HOST', 'replica', '/', 'PATCH');
  await changed.promise;
  expect([app.kms.env.HOST, heard]).toEqual(['replica', [['HOST', 'URL']]]);
  // Too short for the schema: the app keeps what it has.
  await set('HOST', '!', '/', 'PATCH');
  while (!lines.some((line) => line.includes('do not fit the schema: HOST')))
    await new Promise((resolve) => setTimeout(resolve, 10));
  expect(app.kms.env.HOST).toBe('replica');
  changed = Promise.withResolvers<void>();
  await set('HOST', 'db', '/', 'PATCH');
  await changed.promise;
  expect(app.kms.env.HOST).toBe('db');
  expect(lines.join('')).not.toContain('replica');
  await app.close();
});

test('a Fastify app without a name that its schema wants does not start', async () => {
  const app = Fastify();
  const { url } = live;
  const wanting = {
    project: 'gateway',
    environment: 'dev',
    url,
    credentials,
    schema: z.object({ MISSING: z.string() }),
  };
  await expect(app.register(kmsPlugin, wanting).ready()).rejects.toThrow('do not fit the schema: MISSING');
  await app.close();
});
