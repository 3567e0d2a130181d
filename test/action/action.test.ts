import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { type Listener, listen } from '../support/listener.ts';
import { Job, type JobOptions, type Step } from './job.ts';
import { blocksOf, ROOT, startWorld, TRICKY, type World } from './world.ts';

/** action.yaml, as the jobs of docs/ci.md use it, in a folder where nothing else of the repository is. */

const [deploy, , publish] = await blocksOf('GitHub Actions');
const stepsOf = (yaml: string | undefined) =>
  (Object.values(parse(yaml!).jobs)[0] as { steps: Step[] }).steps.filter(
    ({ uses }) => uses?.startsWith('actions/checkout@') !== true,
  );
const tricky = Object.fromEntries(TRICKY.map((value, index) => [`TRICKY_${index}`, value]));

let world: World;
let github: Listener;
let folder: string;
const asked: { url: string; authorization: string | undefined }[] = [];

beforeAll(async () => {
  world = await startWorld();
  github = await listen(async (request, response) => {
    asked.push({ url: request.url!, authorization: request.headers.authorization });
    const aud = new URL(request.url!, 'http://github').searchParams.get('audience');
    response.end(JSON.stringify({ value: await world.issuer.token({ aud }) }));
  });
  const { server } = world.live;
  const set = (values: Record<string, string>, path = '/', environment = 'prod') =>
    server.setSecrets(world.projectId, environment, values, path);
  await set({ DATABASE_URL: 'postgres://a', REGISTRY_TOKEN: 'dckr_$1"\n2' });
  const makeFolder = (name: string, environment = 'prod') =>
    server.do('POST', '/api/v1/folders', { body: { workspaceId: world.projectId, environment, path: '/', name } });
  for (const name of ['tricky', 'unfit', 'shared', 'empty']) await makeFolder(name);
  await set(tricky, '/tricky');
  await set({ LD_PRELOAD: '/tmp/evil.so', Path: '/tmp', GITHUB_TOKEN: 'x', 'A-B': 'y' }, '/unfit');
  await set({ SHARED: 'of shared', DATABASE_URL: 'of shared' }, '/shared');
  await server.do('POST', '/api/v1/secret-imports', {
    body: {
      ...{ workspaceId: world.projectId, environment: 'prod', path: '/' },
      import: { environment: 'prod', path: '/shared' },
    },
  });
  folder = await mkdtemp(join(tmpdir(), 'kms-action-'));
  await cp(`${ROOT}action.yaml`, join(folder, 'action.yaml'));
  await cp(`${ROOT}action`, join(folder, 'action'), { recursive: true });
  await writeFile(join(folder, 'package.json'), '{"type":"module"}');
}, 60_000);
afterAll(async () => {
  await world.close();
  await github.close();
  await rm(folder, { recursive: true });
});

const startJob = (options: Partial<JobOptions> = {}) =>
  Job.start({
    actions: { 'hanzoai/kms': folder },
    secrets: { KMS_CLIENT_ID: world.machine.clientId, KMS_CLIENT_SECRET: world.machine.clientSecret },
    instead: { 'https://kms.hanzo.ai': world.live.url },
    ...options,
  });

/** The action alone, with Universal Auth. */
async function act(inputs: Record<string, string>, options: Partial<JobOptions> = {}) {
  const job = await startJob(options);
  const given = {
    ...{ url: world.live.url, 'client-id': world.machine.clientId, 'client-secret': world.machine.clientSecret },
    ...{ project: 'gateway', environment: 'prod', ...inputs },
  };
  const step: Step = { id: 'kms', uses: 'hanzoai/kms@v0.1.0', with: given };
  const code = await job.run([step]);
  const seen = { code, job, variables: Object.fromEntries(job.variables), calls: await job.calls() };
  await job.end();
  return seen;
}

const tokensLeft = async () =>
  (
    await world.live.server.sql.query('select 1 from access_tokens where actor_id = $1 and revoked_at is null', [
      world.machine.id,
    ])
  ).rowCount;

describe('the jobs of the page', () => {
  const runner = () => ({
    ACTIONS_ID_TOKEN_REQUEST_URL: `http://127.0.0.1:${github.port}/token?api-version=2.0`,
    ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'of-the-runner',
  });

  test('with GitHub’s token: the chosen keys, one renamed, reach the script', async () => {
    const job = await startJob({ env: runner(), instead: {} });
    const [action, script] = stepsOf(deploy) as [Step, Step];
    await writeFile(join(job.folder, 'deploy.sh'), '#!/bin/sh\necho "$DATABASE_URL|$DOCKERHUB_TOKEN" > deployed\n', {
      mode: 0o755,
    });
    const here = { ...action, with: { ...action.with, url: world.live.url, audience: action.with!.url } };
    expect(await job.run([here, script], { vars: { KMS_IDENTITY_ID: world.machine.id } })).toBe(0);
    expect(Object.fromEntries(job.variables)).toEqual({ DATABASE_URL: 'postgres://a', DOCKERHUB_TOKEN: 'dckr_$1"\n2' });
    expect(await readFile(join(job.folder, 'deployed'), 'utf8')).toBe('postgres://a|dckr_$1"\n2\n');
    expect(asked).toEqual([
      { url: '/token?api-version=2.0&audience=https%3A%2F%2Fkms.hanzo.ai', authorization: 'Bearer of-the-runner' },
    ]);
    await job.end();
  });

  test('with a client secret: one output, and no variable', async () => {
    const job = await startJob();
    await writeFile(join(job.folder, 'publish.sh'), '#!/bin/sh\nprintf %s "$NPM_TOKEN" > published\n', { mode: 0o755 });
    expect(await job.run(stepsOf(publish))).toBe(0);
    expect(job.variables.size).toBe(0);
    expect(await readFile(join(job.folder, 'published'), 'utf8')).toBe('dckr_$1"\n2');
    await job.end();
  });

  test('without the permission the step says which', async () => {
    const { code, job } = await act({ method: 'oidc', 'identity-id': world.machine.id });
    expect([code, job.log.trim()]).toEqual([1, expect.stringMatching(/^::error::KMS: .*`id-token: write`$/)]);
  });
});

test('every tricky value arrives byte for byte, in variables and in the output', async () => {
  const { code, job, variables } = await act({ path: '/tricky', 'export-to': 'both' });
  expect([code, variables]).toEqual([0, tricky]);
  expect(JSON.parse(job.outputs.get('kms')!.get('secrets')!)).toEqual(tricky);
});

test('imports come along, and what is the folder’s own wins', async () => {
  const { variables } = await act({});
  expect(variables).toMatchObject({ SHARED: 'of shared', DATABASE_URL: 'postgres://a' });
});

describe('a value is masked', () => {
  const secret = 'wh3re-is-"it"\n  and-th3-second %line\n}';
  let job: Job;
  beforeAll(async () => {
    await world.live.server.setSecrets(world.projectId, 'staging', { SECRET: secret });
    ({ job } = await act({ environment: 'staging' }));
  });

  test.each([
    { how: 'as it is', shown: secret },
    { how: 'line by line', shown: secret.split('\n').join('\n| ') },
    { how: 'in JSON', shown: JSON.stringify({ secret }) },
    { how: 'in a URL', shown: `https://a.test/?q=${encodeURIComponent(secret)}` },
    ...['', 'u:', 'me:'].map((before) => ({
      how: `in base64 behind "${before}"`,
      shown: Buffer.from(`${before}${secret}`).toString('base64'),
    })),
  ])('where a program prints it $how', ({ shown }) => {
    const parts = /wh3re|th3-second|d2gzcmUt|gzcmUtaXM|Moz|aDNyZS1pcy/;
    expect([parts.test(shown), parts.test(job.masked(shown))]).toEqual([true, false]);
  });

  test('and structure is not, which would hide the log', () => {
    expect(job.masked('}')).toBe('}');
  });
});

test('no secret and no token is an argument, a line of the log, or alive afterwards', async () => {
  const { job, calls } = await act({});
  expect(calls).toMatch(/^node .*main\.js\n$/);
  expect(job.log.trim()).toBe('3 secrets of gateway in prod');
  expect(await tokensLeft()).toBe(1);
});

test.concurrent.each<{ what: string; inputs: Record<string, string>; says: RegExp }>([
  { what: 'a wrong secret', inputs: { 'client-secret': 'no' }, says: /KMS answers 401/ },
  { what: 'an unknown project', inputs: { project: 'getaway' }, says: /KMS answers 404/ },
  { what: 'a missing key', inputs: { keys: 'DATABASE_URL, NOPE' }, says: /has no NOPE$/ },
  { what: 'a name given twice', inputs: { keys: 'A as X, B as X' }, says: /name X twice/ },
  { what: 'variables that run code', inputs: { path: '/unfit' }, says: /"A-B", "GITHUB_TOKEN", "LD_PRELOAD", "Path"/ },
  { what: 'plain http', inputs: { url: 'http://kms.hanzo.ai' }, says: /plain http/ },
  { what: 'no address', inputs: { url: 'kms.hanzo.ai' }, says: /input url/ },
  { what: 'another method', inputs: { method: 'ldap' }, says: /universal, oidc/ },
  { what: 'no client id', inputs: { 'client-id': '' }, says: /client-id is empty/ },
  { what: 'nobody there', inputs: { url: 'http://127.0.0.1:9' }, says: /cannot be reached/ },
])('$what fails the step with one line, and sets nothing', async ({ inputs, says }) => {
  const { code, job, variables } = await act(inputs);
  expect([code, variables, job.outputs.get('kms')?.get('secrets') ?? '']).toEqual([1, {}, '']);
  expect(job.log.trim()).toMatch(/^::error::KMS: [^\n]*$/);
  expect(job.log.trim()).toMatch(says);
});

test('credentials follow no redirect', async () => {
  const thief = await listen((_request, response) => response.end('{}'));
  const host = await listen((_request, response) =>
    response.writeHead(307, { location: `http://127.0.0.1:${thief.port}/` }).end(),
  );
  const { code } = await act({ url: `http://127.0.0.1:${host.port}` });
  expect([code, host.seen.length, thief.seen]).toEqual([1, 1, []]);
  await Promise.all([thief.close(), host.close()]);
});

test('a busy server is asked again', async () => {
  let refused = 0;
  const busy = await listen(async (request, response) => {
    if (refused++ === 0) return void response.writeHead(503, { 'retry-after': '0' }).end();
    const body = await new Response(request as unknown as ReadableStream).text();
    const { method } = request;
    const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => name !== 'host'));
    const answer = await fetch(`${world.live.url}${request.url}`, {
      method: method!,
      headers: headers as Record<string, string>,
      ...(method === 'GET' ? {} : { body }),
    });
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text());
  });
  expect((await act({ url: `http://127.0.0.1:${busy.port}`, keys: 'DATABASE_URL' })).code).toBe(0);
  await busy.close();
});

test('inputs and their defaults are those that the page tells', async () => {
  const page = await readFile(`${ROOT}docs/ci.md`, 'utf8');
  const { inputs } = parse(await readFile(`${ROOT}action.yaml`, 'utf8'));
  const told = [...page.matchAll(/^\| ((?:`[a-z-]+`(?:, )?)+) \|/gm)].flatMap(([, names]) =>
    [...names!.matchAll(/`([a-z-]+)`/g)].map(([, name]) => name!),
  );
  expect(told.toSorted()).toEqual(Object.keys(inputs).toSorted());
});

test('what runs code is the same to the action, to kms run and to the snippet', async () => {
  const lists = await Promise.all(
    ['action/choose.js', 'sdk/loaders.ts', 'docs/ci.md'].map(async (file) =>
      // "i" as a flag, or as jq has it.
      /(\^\(PATH\|[^)]*\)\$)(?:\/|"; ")(i)/
        .exec(await readFile(`${ROOT}${file}`, 'utf8'))
        ?.slice(1)
        .join(),
    ),
  );
  expect(new Set(lists).size).toBe(1);
  expect(lists[0]).toContain('LD_.*');
});
