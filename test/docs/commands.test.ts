import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePort } from '../../tools/cluster/free-ports.ts';

/** Every command that the README and the guides show, run as a newcomer would, in a folder where `npm start` serves. */

const root = fileURLToPath(new URL('../../', import.meta.url));
const readme = await readFile(join(root, 'README.md'), 'utf8');
const blocks = [...readme.matchAll(/^```bash\n([\s\S]*?)^```/gm)].map(([, text]) => text!);
const inTables = readme
  .split('\n')
  .flatMap((line) => (line.startsWith('|') ? [...line.matchAll(/`(npx [^`]+)`/g)].map(([, command]) => command!) : []));

let folder: string;
let port: number;
let trial: ChildProcess;
const output: string[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kms-readme-'));
  await chmod(folder, 0o711);
  await symlink(join(root, 'examples'), join(folder, 'examples'));
  await symlink(join(root, 'contracts'), join(folder, 'contracts'));
  // In a clone npx runs the package's own bin; here the clone is elsewhere.
  await writeFile(
    join(folder, 'npx'),
    `#!/bin/sh\nname=$1; shift; exec "${process.execPath}" "${root}bin/$name.js" "$@"\n`,
    { mode: 0o755 },
  );
  port = await freePort();
  trial = spawn(process.execPath, [join(root, 'bootstrap/trial.ts')], {
    cwd: folder,
    env: { ...clean(), PORT: String(port) },
    stdio: 'pipe',
  });
  const serving = new Promise<void>((resolve, reject) => {
    for (const stream of [trial.stdout!, trial.stderr!]) {
      stream.on('data', (chunk: Buffer) => {
        output.push(chunk.toString());
        if (output.join('').includes('Serving on')) resolve();
      });
    }
    trial.on('exit', () => reject(new Error(`the trial ended: ${output.join('')}`)));
  });
  await serving;
}, 60_000);

afterAll(async () => {
  if (trial?.exitCode === null) {
    trial.kill('SIGTERM');
    await once(trial, 'exit');
  }
  await rm(folder, { recursive: true, force: true });
}, 40_000);

function clean(): NodeJS.ProcessEnv {
  const { KMS_URL: _url, KMS_TOKEN: _token, KMS_DATA_DIR: _data, ...environment } = process.env;
  return { ...environment, NO_COLOR: '1', PATH: `${folder}:${process.env.PATH}` };
}

async function bash(script: string, input = ''): Promise<{ stdout: string; stderr: string }> {
  const run = promisify(execFile)(
    'bash',
    ['-euo', 'pipefail', '-c', script.replaceAll('127.0.0.1:8080', `127.0.0.1:${port}`)],
    { cwd: folder, env: clean() },
  );
  run.child.stdin!.end(input);
  return run;
}

test('HIP-27 as the README has it lists the secrets of gateway', async () => {
  const { stdout } = await bash(blocks[1]!);
  const keys = stdout.trim().split('\n');
  expect(keys).toHaveLength(12);
  expect(keys).toContain('DATABASE_URL');
});

test('the commands that npm start prints work when pasted', async () => {
  const printed = output.join('');
  const next = printed
    .slice(printed.indexOf('ready to paste'), printed.indexOf('Serving on'))
    .split('\n')
    .slice(1)
    .join('\n');
  const commands = next.replaceAll('bin/kms.js', `"${process.execPath}" "${root}bin/kms.js"`);
  expect(commands.match(/^# [123]\./gm)).toHaveLength(3);
  const { stdout } = await bash(commands);
  expect(stdout).toMatch(/^DATABASE_URL=/m);
  expect(stdout).toMatch(/"update",\["OPENAI_API_KEY"\]/);
});

test('each command of the tables is run here', () => {
  expect(inTables).toEqual([
    'npx kms-bootstrap plan -f examples/hanzo/kms.yaml',
    'npx kms secrets set OPENAI_API_KEY --project gateway --env dev',
    'npx kms-bootstrap init --help',
  ]);
});

test('the inventory that was just applied plans no change', async () => {
  const { stdout } = await bash(inTables[0]!);
  expect(stdout).toMatch(/nothing to change/);
});

test('a secret that needs a value takes it from standard input', async () => {
  await bash(inTables[1]!, 'sk-of-my-own\n');
  const { stdout } = await bash('npx kms secrets get OPENAI_API_KEY --project gateway --env dev');
  expect(stdout.trim()).toBe('sk-of-my-own');
});

test('the help of init shows examples', async () => {
  const { stdout } = await bash(inTables[2]!);
  expect(stdout).toMatch(/Examples:/);
});

test('the first two commands are what .ci/run starts and tests with', async () => {
  const ci = await readFile(join(root, '.ci/run'), 'utf8');
  const commands = blocks[0]!.split('\n').flatMap((line) => /^npm \w+/.exec(line)?.[0] ?? []);
  expect(commands).toEqual(['npm start', 'npm test']);
  // As they are written, or as a run of tests that is counted.
  for (const command of commands) expect(ci).toMatch(new RegExp(`^(tests )?${command}( |$)`, 'm'));
});

/** The commands of a fenced block, without their comments. */
const commandsOf = (block: string) => block.split('\n').flatMap((line) => /^npx .*?(?=\s+#|$)/.exec(line)?.[0] ?? []);

test('the guide to the inventory is true, command by command', async () => {
  const guide = await readFile(join(root, 'docs/inventory.md'), 'utf8');
  const [yaml] = [...guide.matchAll(/^```yaml\n([\s\S]*?)^```/gm)].map(([, text]) => text!);
  const [reconcile, firstRun] = [...guide.matchAll(/^```bash\n([\s\S]*?)^```/gm)].map(([, text]) => commandsOf(text!));
  await writeFile(join(folder, 'kms.yaml'), yaml!);
  const [validate, plan, apply, detailed] = reconcile as [string, string, string, string];

  await bash(validate);
  expect((await bash(plan)).stdout).toMatch(/\+ organization +acme/);
  const applied = (await bash(apply)).stdout;
  expect(applied).toMatch(/\d+ created, 0 changed, 0 deleted/);
  expect(applied).toMatch(/STRIPE_API_KEY/);
  expect((await bash(detailed)).stdout).toMatch(/nothing to change/);

  const [init, first] = firstRun as [string, string];
  await bash(init);
  await expect(bash(init)).rejects.toThrow(/kms\.env/);
  // This instance has its admin, so that the first run is over and the same command finds nothing to do.
  expect((await bash(first)).stdout).toMatch(/nothing to change/);
});

test('the page about the command line is true, command by command', async () => {
  const page = await readFile(join(root, 'docs/command-line.md'), 'utf8');
  const [yaml] = [...page.matchAll(/^```yaml\n([\s\S]*?)^```/gm)].map(([, text]) => text!);
  const [set, run, staging, status, ...exchange] = [...page.matchAll(/^```bash\n([\s\S]*?)^```/gm)].flatMap(
    ([, text]) => text!.trim().split('\n'),
  );
  const [take, give, compare, types, history, back, remove, audit] = exchange;
  await writeFile(join(folder, '.kms.yaml'), yaml!);
  await writeFile(join(folder, 'greeting.txt'), 'good morning\n');
  await writeFile(join(folder, '.env'), 'STRIPE_KEY=sk-of-the-page\n');
  await bash(set!);
  expect((await bash(run!)).stdout).toBe('good morning\n');
  expect((await bash(staging!)).stdout).toBe('none\n');
  const heads = (await bash(status!)).stdout.split('\n').map((line) => line.split(' ', 1)[0]);
  expect(page).toContain(`npx kms status\n\`\`\``);
  expect(heads).toEqual(['KMS', 'you', 'projects', 'folder', '']);
  expect((await bash(take!)).stdout).toContain('1 created, 0 changed.');
  expect((await bash(give!)).stdout).toContain("export STRIPE_KEY='sk-of-the-page'\n");
  expect((await bash(compare!)).stdout).toMatch(/^STRIPE_KEY +only in dev$/m);
  await bash(types!);
  expect(await readFile(join(folder, 'kms-env.d.ts'), 'utf8')).toContain('readonly "STRIPE_KEY": string;');
  expect((await bash(history!)).stdout).toMatch(/^1 .*STRIPE_KEY$/m);
  expect((await bash(back!)).stderr).toContain('is again what version 1 was');
  expect((await bash(remove!)).stderr).toContain('is deleted');
  expect((await bash(audit!)).stdout).toMatch(/delete +allowed/);
});
