import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { noteCalls, programAt } from './job.ts';
import { blocksOf, ROOT, startWorld, TRICKY, type World } from './world.ts';

/** What docs/ci.md has for GitLab, for a shell and for Node. */

const SHELLS = ['dash', 'bash', 'busybox sh'].filter((shell) => programAt(shell.split(' ')[0]!) !== undefined);
const hasTools = programAt('curl') !== undefined && programAt('jq') !== undefined;
const tricky = Object.fromEntries(TRICKY.map((value, index) => [`TRICKY_${index}`, value]));
const [snippet] = await blocksOf('Any shell');
const [gitlab] = await blocksOf('GitLab CI');
const [run] = await blocksOf('kms run');
const SHOW = `node -e 'console.log(JSON.stringify(process.env))' > seen.json`;

let world: World;
let folder: string;
beforeAll(async () => {
  world = await startWorld();
  const { server } = world.live;
  await server.setSecrets(world.projectId, 'prod', tricky);
  const folders: Record<string, Record<string, string>> = {
    shared: { A: 'of shared', TRICKY_0: 'of shared' },
    bad: { PATH: '/' },
  };
  for (const [name, values] of Object.entries(folders)) {
    await server.do('POST', '/api/v1/folders', {
      body: { workspaceId: world.projectId, environment: 'prod', path: '/', name },
    });
    await server.setSecrets(world.projectId, 'prod', values, `/${name}`);
  }
  await server.do('POST', '/api/v1/secret-imports', {
    body: {
      ...{ workspaceId: world.projectId, environment: 'prod', path: '/' },
      import: { environment: 'prod', path: '/shared' },
    },
  });
  folder = await mkdtemp(join(tmpdir(), 'kms-pipeline-'));
  await mkdir(join(folder, 'ci'));
  await writeFile(join(folder, 'ci/kms.sh'), snippet!);
  await writeFile(join(folder, 'deploy.sh'), `#!/bin/sh\n${SHOW}\n`, { mode: 0o755 });
  await noteCalls(folder, ['curl', 'jq']);
  // In a clone npx runs the package's own bin; here the clone is elsewhere.
  const npx = `#!/bin/sh\nshift 3; exec "${process.execPath}" "${ROOT}bin/kms.js" "$@"\n`;
  await writeFile(join(folder, 'npx'), npx, { mode: 0o755 });
}, 60_000);
afterAll(async () => {
  await world.close();
  await rm(folder, { recursive: true });
});

/** Runs a script in a shell of the job, and tells what its last program saw. */
async function shell(name: string, script: string, env: Record<string, string> = {}) {
  await Promise.all(['seen.json', 'calls'].map((file) => rm(join(folder, file), { force: true })));
  const [program, ...args] = name.split(' ');
  const child = spawn(program!, args, {
    cwd: folder,
    env: {
      ...{ PATH: [folder, join(process.execPath, '..'), process.env.PATH].join(delimiter), HOME: folder },
      ...{ KMS_URL: world.live.url, KMS_PROJECT: 'gateway', KMS_ENVIRONMENT: 'prod' },
      ...env,
    },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin.end(script);
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (more: string) => {
      text += more;
    });
  const code = await new Promise((resolve) => child.on('close', resolve));
  const read = (file: string) => readFile(join(folder, file), 'utf8').catch(() => '');
  return { code, text, seen: JSON.parse((await read('seen.json')) || '{}'), calls: await read('calls') };
}

async function tokensAlive() {
  const alive = 'select 1 from access_tokens where actor_id = $1 and revoked_at is null';
  return (await world.live.server.sql.query(alive, [world.machine.id])).rowCount;
}

const machine = () => ({ KMS_CLIENT_ID: world.machine.clientId, KMS_CLIENT_SECRET: world.machine.clientSecret });

describe.skipIf(!hasTools).each(SHELLS)('the snippet, in %s', (name) => {
  test('sets every tricky value byte for byte, imports behind, and leaves no token', async () => {
    const alive = await tokensAlive();
    const { code, text, seen, calls } = await shell(name, `. ci/kms.sh\n${SHOW}\n`, machine());
    expect([code, text]).toEqual([0, '']);
    expect(seen).toMatchObject({ ...tricky, A: 'of shared' });
    expect(Object.keys(seen).filter((key) => key.startsWith('kms_'))).toEqual([]);
    expect(calls).not.toContain(world.machine.clientSecret);
    expect(calls).not.toMatch(/eyJ/);
    expect(await tokensAlive()).toBe(alive);
  });

  test.each<{ what: string; env: Record<string, string>; says: RegExp }>([
    { what: 'a wrong secret', env: { KMS_CLIENT_SECRET: 'no' }, says: /401/ },
    { what: 'an unknown project', env: { KMS_PROJECT: 'getaway' }, says: /404/ },
    { what: 'a variable that runs code', env: { KMS_PATH: '/bad' }, says: /PATH decides which code runs/ },
    { what: 'no address', env: { KMS_URL: '' }, says: /KMS_URL/ },
  ])('$what ends the script', async ({ env, says }) => {
    const { code, text, seen } = await shell(name, `. ci/kms.sh\n${SHOW}\n`, { ...machine(), ...env });
    expect([code === 0, text, seen]).toEqual([false, expect.stringMatching(says), {}]);
  });
});

describe.skipIf(!hasTools)('the jobs for GitLab', () => {
  const jobs = parse(gitlab!);
  const { before_script: before, id_tokens: tokens, variables } = jobs[jobs.deploy.extends];
  // The runner gives all lines to one shell, and ends at the first that fails.
  const script = (lines: readonly string[]) => ['set -eo pipefail', ...lines].join('\n');

  test('with the token of the job', async () => {
    const jwt = await world.issuer.token({ aud: tokens.KMS_ID_TOKEN.aud });
    const { code, text, seen, calls } = await shell('bash', script([...before, ...jobs.deploy.script]), {
      ...variables,
      ...{ KMS_URL: world.live.url, KMS_IDENTITY_ID: world.machine.id, KMS_ID_TOKEN: jwt },
    });
    expect([code, text]).toEqual([0, '']);
    expect(seen).toMatchObject(tricky);
    expect(calls).not.toContain(jwt);
  });

  test('with Universal Auth, where the step that sets credentials is left out', async () => {
    const lines = before.filter((line: string) => !line.includes('kms_credentials='));
    expect(lines).toHaveLength(before.length - 1);
    const { code, seen } = await shell('bash', script([...lines, ...jobs.deploy.script]), {
      ...variables,
      ...{ ...machine(), KMS_URL: world.live.url },
    });
    expect([code, seen]).toEqual([0, expect.objectContaining(tricky)]);
  });
});

test('kms run gives the command its secrets', async () => {
  const { code, seen } = await shell('sh', run!, machine());
  expect([code, seen]).toEqual([0, expect.objectContaining(tricky)]);
});
