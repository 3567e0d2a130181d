import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Kms } from '../../../sdk/index.ts';
import { thorough } from '../../support/thorough.ts';

/** `npm start` without its set-up, in a folder of its own: the real server, the real Postgres, the real manifests. */
const program = fileURLToPath(new URL('../../../bootstrap/trial.ts', import.meta.url));
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kms-trial-'));
});
afterAll(async () => {
  // The data of an embedded Postgres under root lies elsewhere, behind a link.
  await rm(await realpath(join(folder, '.kms/postgres')).catch(() => folder), { recursive: true, force: true });
  await rm(folder, { recursive: true });
});

interface Run {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly errors: () => string;
  readonly done: Promise<number | null>;
}

function run(args: readonly string[], env: Record<string, string> = {}): Run {
  const child = spawn(process.execPath, [program, ...args], {
    cwd: folder,
    env: { ...process.env, PORT: '0', ...env },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const done = new Promise<number | null>((resolve) => child.on('close', resolve));
  return { child, output: () => stdout, errors: () => stderr, done };
}

async function serving(started: Run): Promise<string> {
  for (;;) {
    const found = /Serving on (\S+)\. /.exec(started.output());
    if (found?.[1]) return found[1];
    if (started.child.exitCode !== null) throw new Error(started.errors());
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The Postgres on the data of a folder, as the system's list of processes has it. */
async function postgresIn(folder: string): Promise<string[]> {
  const data = await realpath(join(folder, '.kms/postgres'));
  const found: string[] = [];
  for (const pid of await readdir('/proc').catch(() => [])) {
    if (!/^\d+$/.test(pid)) continue;
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (line.includes(data)) found.push(pid);
  }
  return found;
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 20_000; Date.now() < end; ) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('it did not come about within 20 s');
}

test('the trial fills an empty folder, and a second run changes nothing', async () => {
  const first = run(['--once']);
  expect(await first.done, first.errors()).toBe(0);
  expect(first.output()).toMatch(/gateway +dev, staging, prod +12 \+ 12 \+ 12 +0/);
  for (const file of ['kms.env', 'admin.json', 'credentials/gateway-service.json']) {
    expect((await stat(join(folder, '.kms', file))).mode & 0o777, file).toBe(0o600);
  }
  const credentials = await readdir(join(folder, '.kms/credentials'));
  expect(credentials.filter((file) => file.endsWith('.json'))).toHaveLength(11);

  const second = run(['--once']);
  expect(await second.done, second.errors()).toBe(0);
  expect(second.output()).toContain('nothing to change, 385 unchanged');
}, 120_000);

thorough(
  'the trial serves until it is told to stop, and leaves nothing behind',
  async () => {
    const started = run([]);
    const url = await serving(started);
    const admin = JSON.parse(await readFile(join(folder, '.kms/admin.json'), 'utf8'));
    expect(admin).toMatchObject({ url, email: 'z@hanzo.ai' });
    const credentials = JSON.parse(await readFile(join(folder, '.kms/credentials/gateway-service.json'), 'utf8'));
    const secrets = await new Kms({ url, credentials }).secrets.list({ projectSlug: 'gateway', environment: 'prod' });
    expect(secrets).toHaveLength(12);
    expect(secrets.find(({ secretKey }) => secretKey === 'OPENAI_API_KEY')?.secretValue).toBe(
      'placeholder-OPENAI_API_KEY-replace-me',
    );

    const beside = run([], { PORT: '0' });
    expect(await beside.done).toBe(1);
    expect(beside.errors()).toMatch(/^npm start: error: .*data folder \.kms is in use by kms-server \(pid \d+/m);

    started.child.kill('SIGINT');
    expect(await started.done).toBe(0);
    expect(await postgresIn(folder)).toEqual([]);
    await expect(fetch(`${url}/api/status`)).rejects.toThrow();
  },
  120_000,
);

thorough.skipIf(process.platform !== 'linux')(
  'a killed trial leaves no process, and the next takes it up',
  async () => {
    const killed = run([]);
    const url = await serving(killed);
    killed.child.kill('SIGKILL');
    await killed.done;
    await until(async () => (await postgresIn(folder)).length === 0);
    const next = run(['--once']);
    expect(await next.done, next.errors()).toBe(0);
    expect(next.output()).toContain('nothing to change');
    await expect(fetch(`${url}/api/status`)).rejects.toThrow();
  },
  120_000,
);

thorough(
  'a credential that was revoked is made anew by the next start',
  async () => {
    const file = join(folder, '.kms/credentials/zen-service.json');
    const before = JSON.parse(await readFile(file, 'utf8'));
    const started = run([]);
    const url = await serving(started);
    const admin = new Kms({ url, credentials: JSON.parse(await readFile(join(folder, '.kms/admin.json'), 'utf8')) });
    const [hanzo] = (await admin.organizations.list()).filter(({ slug }) => slug === 'hanzo');
    const zen = (await admin.identities.list(hanzo!.id)).find(({ identity }) => identity.name === 'zen-service');
    const [secret] = await admin.identities.clientSecrets(zen!.identityId);
    await admin.identities.revokeClientSecret(zen!.identityId, secret!.id);
    started.child.kill('SIGINT');
    await started.done;

    const again = run([]);
    const credentials = JSON.parse(await serving(again).then(() => readFile(file, 'utf8')));
    expect(again.output() + again.errors()).toContain('1 made in .kms/credentials/');
    expect(credentials.clientId).toBe(before.clientId);
    expect(credentials.clientSecret).not.toBe(before.clientSecret);
    again.child.kill('SIGINT');
    await again.done;
  },
  120_000,
);

thorough.skipIf(process.platform !== 'linux')(
  'a Postgres that dies ends the trial with the reason, and the next start goes on',
  async () => {
    const started = run([]);
    await serving(started);
    const [postmaster] = (await postgresIn(folder)).map(Number).sort((a, b) => a - b);
    process.kill(postmaster!, 'SIGKILL');
    expect(await started.done).toBe(1);
    expect(started.errors()).toContain('the embedded Postgres ended; start again');
    const next = run(['--once']);
    expect(await next.done, next.errors()).toBe(0);
    expect(next.output()).toContain('nothing to change');
  },
  120_000,
);

test('an argument that nobody knows is refused', async () => {
  const refused = run(['--onec']);
  expect(await refused.done).toBe(1);
  expect(refused.errors()).toContain('npm start: error: --onec is unknown');
});

thorough(
  'a taken port is said in one line, with the way out',
  async () => {
    const taker = createServer().listen(0, '127.0.0.1');
    await new Promise<void>((resolve) => taker.on('listening', () => resolve()));
    const { port } = taker.address() as AddressInfo;
    const refused = run([], { PORT: String(port) });
    expect(await refused.done).toBe(1);
    expect(refused.errors()).toContain(`npm start: error: port ${port} is taken by another program`);
    expect(refused.errors()).toContain(`npm start: hint: PORT=${port + 1} npm start`);
    taker.close();
  },
  120_000,
);

thorough(
  'keys that do not belong to the data are said in one line',
  async () => {
    const file = join(folder, '.kms/kms.env');
    const kept = await readFile(file, 'utf8');
    await writeFile(
      file,
      kept.replace(/^ROOT_ENCRYPTION_KEY=.*$/m, `ROOT_ENCRYPTION_KEY=${randomBytes(32).toString('base64')}`),
    );
    const refused = run(['--once']);
    expect(await refused.done).toBe(1);
    expect(refused.errors()).toMatch(/^npm start: error: .*kms-[0-9a-f]{4}-/m);
    await writeFile(file, kept);
  },
  120_000,
);
