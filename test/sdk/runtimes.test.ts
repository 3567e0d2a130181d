import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { runInNewContext } from 'node:vm';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type LiveServer, startLiveServer } from '../bootstrap/support/live-server.ts';

/** The bundler that vitest brings along. */
const from = (parent: string, name: string) => createRequire(parent).resolve(name);
const vite = from(from(import.meta.filename, 'vitest/config'), 'vite');
const { rolldown } = (await import(pathToFileURL(from(vite, 'rolldown')).href)) as {
  rolldown(input: object): Promise<Bundle>;
};
interface Bundle {
  generate(output: object): Promise<{ output: [{ code: string; imports: string[]; dynamicImports: string[] }] }>;
  close(): Promise<void>;
}

/** The SDK as one file for a place that has nothing of Node. */
async function bundled({
  minify = false,
  format = 'esm',
  zod = true,
}: {
  minify?: boolean;
  format?: 'esm' | 'iife';
  zod?: boolean;
}) {
  const bundle = await rolldown({
    input: fileURLToPath(new URL('../../sdk/index.ts', import.meta.url)),
    platform: 'neutral',
    external: zod ? [] : [/^zod/],
    logLevel: 'silent',
  });
  const { output } = await bundle.generate({ format, name: 'sdk', minify, codeSplitting: false });
  await bundle.close();
  return output[0];
}

/** What a service does, in whichever place: a function of what the place has, that answers in JSON. */
const PROGRAM = `async ({ Kms, loadEnv, NotFound, KmsTimeout }, url, credentials) => {
  const at = { projectSlug: 'gateway', environment: 'dev' };
  const kms = new Kms({ url, credentials });
  await kms.secrets.updateMany([{ secretKey: 'A', secretValue: 'one\\n' }], at, 'upsert');
  const listed = (await kms.secrets.list(at)).map(({ secretValue }) => secretValue);
  const again = (await kms.secrets.list(at)).length;
  const missing = await kms.secrets.get('NONE', at).catch((error) => error instanceof NotFound && error.status);
  const slow = await new Kms({ url, credentials, timeoutMs: 0, retries: 0 }).secrets.list(at).catch((error) => error instanceof KmsTimeout);
  const given = await kms.secrets.list(at, { signal: AbortSignal.abort() }).catch((error) => error.name);
  const watched = [];
  for await (const { secrets } of kms.watch(at)) {
    watched.push(secrets[0].secretValue);
    if (watched.length === 2) break;
    await kms.secrets.update({ secretKey: 'A', secretValue: 'two' }, at);
  }
  const env = {};
  await loadEnv({ project: 'gateway', environment: 'dev', url, credentials, env });
  return JSON.stringify({ listed, again, missing, slow, given, watched, env });
}`;
const WANTED = {
  listed: ['one\n'],
  again: 1,
  missing: 404,
  slow: true,
  given: 'AbortError',
  watched: ['one\n', 'two'],
  env: { A: 'two' },
};

let live: LiveServer;
let folder: string;
let credentials: { clientId: string; clientSecret: string };
beforeAll(async () => {
  live = await startLiveServer();
  await live.server.bootstrap();
  const { id: projectId } = await live.server.project('gateway');
  const { clientId, clientSecret } = await live.server.machine('edge', { projectId, roles: [{ role: 'developer' }] });
  credentials = { clientId, clientSecret };
  folder = await mkdtemp(join(tmpdir(), 'kms-runtimes-'));
  await writeFile(join(folder, 'sdk.mjs'), (await bundled({})).code);
  const program = `import * as sdk from './sdk.mjs';\nconsole.log(await (${PROGRAM})(sdk, ${JSON.stringify(live.url)}, ${JSON.stringify(credentials)}));\n`;
  await writeFile(join(folder, 'program.mjs'), program);
});
afterAll(async () => {
  await live.close();
  await rm(folder, { recursive: true });
});

describe('the SDK does what a service needs', () => {
  test.for([
    { runtime: 'node', args: [] },
    { runtime: 'bun', args: ['run'] },
    { runtime: 'deno', args: ['run', '--no-config', '--allow-net=127.0.0.1'] },
  ])('in $runtime', async ({ runtime, args }, { skip }) => {
    skip(spawnSync(runtime, ['--version']).status !== 0, `there is no ${runtime} here`);
    const { stdout } = await promisify(execFile)(runtime, [...args, join(folder, 'program.mjs')], { cwd: folder });
    expect(JSON.parse(stdout)).toEqual(WANTED);
  });

  test('at the edge, with what the web has and nothing of Node', async () => {
    const { code, imports, dynamicImports } = await bundled({ format: 'iife' });
    expect([imports, dynamicImports]).toEqual([[], []]);
    const web = {
      ...{ fetch, URL, URLSearchParams, AbortController, AbortSignal, ReadableStream, TextDecoder, TextEncoder },
      ...{ setTimeout, clearTimeout, crypto, performance, structuredClone, atob, btoa },
    };
    const run = runInNewContext(`${code}; ((url, credentials) => (${PROGRAM})(sdk, url, credentials))`, { ...web });
    expect(JSON.parse(await run(live.url, credentials))).toEqual(WANTED);
  });
});

test.each([
  { what: 'without zod', zod: false, most: 23_000 },
  { what: 'with zod', zod: true, most: 52_000 },
])('its size $what stays below $most bytes, minified and compressed', async ({ zod, most }) => {
  const { code } = await bundled({ minify: true, zod });
  const bytes = gzipSync(code, { level: 9 }).length;
  expect(bytes).toBeLessThan(most);
  expect(bytes).toBeGreaterThan(most * 0.7);
});
