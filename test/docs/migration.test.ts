import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { Kms } from '../../sdk/index.ts';
import { Job, type Step } from '../action/job.ts';
import { type LiveServer, startLiveServer } from '../bootstrap/support/live-server.ts';
import { COMPILED } from '../bootstrap/support/run-program.ts';
import { listen } from '../support/listener.ts';
import type { Machine } from '../support/server.ts';

/** docs/migration.md, command by command. Those that need a cluster are run by test/cluster/migration.test.ts. */

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const page = await readFile(join(ROOT, 'docs/migration.md'), 'utf8');
const blocks = (heading: string, language: string) => {
  const section = page.split(/^## /m).find((part) => part.startsWith(`${heading}\n`))!;
  return [...section.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(([, text]) => text!);
};

let live: LiveServer;
let folder: string;
let kms: Kms;
let machine: Machine;
beforeAll(async () => {
  live = await startLiveServer();
  await live.server.bootstrap();
  const { id: projectId } = await live.server.project('gateway');
  machine = await live.server.machine('mover', { projectId, roles: [{ role: 'admin' }] });
  kms = new Kms({ url: live.url, credentials: { token: live.server.admin } });
  folder = await mkdtemp(join(tmpdir(), 'kms-migration-'));
  // In a clone npx runs the package's own bin; here the clone is elsewhere.
  const npx = `#!/bin/sh\nwhile [ "$1" != kms ]; do shift; done; shift\nexec "${process.execPath}" "${ROOT}bin/kms.js" "$@"\n`;
  await writeFile(join(folder, 'npx'), npx, { mode: 0o755 });
  const start = `#!/bin/sh\nprintf '%s|%s' "$DATABASE_URL" "$API_KEY" > seen\n`;
  await writeFile(join(folder, 'start.sh'), start, { mode: 0o755 });
}, 60_000);
afterAll(async () => {
  await live.close();
  await rm(folder, { recursive: true });
});

const environment = () => ({
  ...COMPILED,
  ...{ HOME: folder, KMS_URL: live.url, KMS_CLIENT_ID: machine.clientId, KMS_CLIENT_SECRET: machine.clientSecret },
  PATH: [folder, process.env.PATH].join(delimiter),
});
const shell = async (script: string, env: Record<string, string> = {}) =>
  (
    await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script], {
      cwd: folder,
      env: { ...environment(), ...env },
    })
  ).stdout;
const write = (name: string, text: string) => writeFile(join(folder, name), text);

/** What a folder has, which is empty again afterwards. */
async function taken(env: string): Promise<Record<string, string>> {
  const at = { projectSlug: 'gateway', environment: env };
  const secrets = await kms.secrets.list(at);
  if (secrets.length > 0)
    await kms.secrets.deleteMany(
      secrets.map(({ secretKey }) => secretKey),
      at,
    );
  return Object.fromEntries(secrets.map(({ secretKey, secretValue }) => [secretKey, secretValue]));
}

test('a .env file is planned, taken over, and no longer needed', async () => {
  await write('.env', `DATABASE_URL='postgres://u:p@host/db'\nAPI_KEY="sk-live-abc123"\n`);
  const [dryRun, take, run] = blocks('.env files', 'bash')[0]!.trim().split('\n');
  const [plan] = blocks('.env files', 'text');
  expect(await shell(dryRun!)).toBe(plan);
  expect(await shell(take!)).toBe(`${plan}2 created, 0 changed.\n`);
  await rm(join(folder, '.env'));
  await shell(run!);
  expect(await readFile(join(folder, 'seen'), 'utf8')).toBe('postgres://u:p@host/db|sk-live-abc123');
  await taken('dev');
});

test('what is there with another value is changed only when that is asked for', async () => {
  await write('.env', 'API_KEY=one\n');
  const [, take] = blocks('.env files', 'bash')[0]!.trim().split('\n');
  await shell(take!);
  await write('.env', 'API_KEY=two\nNEW=three\n');
  await expect(shell(take!)).rejects.toThrow(/API_KEY: there already, with another value; nothing was changed/);
  expect(await shell(`${take} --dry-run`)).toContain('1 to create, 1 to change');
  expect(await kms.secrets.list({ projectSlug: 'gateway', environment: 'dev' })).toHaveLength(1);
  await shell(`${take} --overwrite`);
  expect(await taken('dev')).toEqual({ API_KEY: 'two', NEW: 'three' });
});

test('a compose file, before and after as HIP-27 has it', async () => {
  const [before, after] = blocks('Compose files', 'yaml');
  await write('compose.yaml', before!);
  await shell(blocks('Compose files', 'bash')[0]!);
  const { command, environment: variables } = parse(after!).services.gateway;
  expect(Object.values(variables)).toEqual(Object.keys(variables).map((name) => `\${${name}}`));
  await shell(command.map((word: string) => `'${word}'`).join(' '));
  const values = parse(before!).services.gateway.environment;
  expect(await readFile(join(folder, 'seen'), 'utf8')).toBe(`${values.DATABASE_URL}|${values.API_KEY}`);
  expect(await taken('staging')).toEqual(values);
});

test('secrets of GitHub: their names from workflows, their values by a job', async () => {
  await mkdir(join(folder, '.github/workflows'), { recursive: true });
  const hip = await readFile(new URL('../action/fixtures/hip-27-github-actions.yaml', import.meta.url), 'utf8');
  const uses = `env:\n  U: \${{ secrets.DOCKERHUB_TOKEN }}\n  T: \${{ secrets.DOCKERHUB_USERNAME }}\n`;
  await write('.github/workflows/publish.yaml', uses);
  const [names] = blocks('Secrets of GitHub Actions', 'bash');
  expect(await shell(names!)).toBe(blocks('Secrets of GitHub Actions', 'text')[0]);
  await write('.github/workflows/deploy.yaml', hip);
  expect(await shell(names!)).toContain('? KMS_CLIENT_ID');

  const secrets = { DOCKERHUB_TOKEN: 'dckr_$1"\n2', github_token: 'ghs_x', KMS_CLIENT_ID: machine.clientId };
  const job = await Job.start({
    secrets: { ...secrets, KMS_CLIENT_SECRET: machine.clientSecret },
    instead: { 'https://kms.hanzo.ai': live.url },
    env: { HOME: folder },
  });
  await writeFile(join(job.folder, 'npx'), await readFile(join(folder, 'npx')), { mode: 0o755 });
  const { steps } = parse(blocks('Secrets of GitHub Actions', 'yaml')[0]!).jobs.move as { steps: Step[] };
  expect([await job.run(steps), job.log]).toEqual([0, expect.stringContaining('+ DOCKERHUB_TOKEN\n1 to create')]);
  await job.end();
  expect(await taken('prod')).toEqual({ DOCKERHUB_TOKEN: 'dckr_$1"\n2' });
});

test('Vault: what its program prints and what its API answers', async () => {
  // As HashiCorp documents both; the program itself is not built here.
  const answer = JSON.stringify({
    ...{ request_id: '5b9e', lease_id: '', renewable: false, lease_duration: 0, warnings: null },
    data: {
      data: { DATABASE_URL: 'postgres://a', PIN: 1234 },
      metadata: { created_time: '2026-01-01T00:00:00Z', deletion_time: '', destroyed: false, version: 2 },
    },
  });
  await write('vault', `#!/bin/sh\n[ "$*" = 'kv get -format=json secret/gateway' ] && printf '%s\\n' '${answer}'\n`);
  await shell('chmod +x vault');
  const [program, api] = blocks('Vault KV', 'bash');
  const wanted = { DATABASE_URL: 'postgres://a', PIN: '1234' };
  await shell(program!);
  expect(await taken('prod')).toEqual(wanted);
  const vault = await listen(({ url, headers }, response) =>
    response.writeHead(url === '/v1/secret/data/gateway' && headers['x-vault-token'] === 't' ? 200 : 403).end(answer),
  );
  await shell(api!, { VAULT_ADDR: `http://127.0.0.1:${vault.port}`, VAULT_TOKEN: 't' });
  await vault.close();
  expect(await taken('prod')).toEqual(wanted);
});
