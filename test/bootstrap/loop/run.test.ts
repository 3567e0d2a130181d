import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { environmentOf } from '../../../bootstrap/run/environment.ts';
import { Kms } from '../../../sdk/index.ts';
import { type LiveServer, startLiveServer } from '../support/live-server.ts';
import { runProgram } from '../support/run-program.ts';
import { NASTY } from './nasty.ts';

const PROGRAM = fileURLToPath(new URL('../../../bootstrap/kms.ts', import.meta.url));
/** In each value, so that a search of the machine finds any of them. */
const NEEDLE = 'n33dle-of-kms-run';
const values = new Map(
  Array.from({ length: 200 }, (_, index) => {
    const nasty = NASTY[index % NASTY.length]!;
    const value =
      index === 77
        ? `${NEEDLE}${'x'.repeat(64 * 1024 - NEEDLE.length)}`
        : `${nasty}${index === 78 ? '' : NEEDLE}${nasty}`;
    return [`NASTY_${index}`, value] as const;
  }),
);

let live: LiveServer;
let folder: string;
let kms: Kms;
let env: Record<string, string>;
const dev = { projectSlug: 'gateway', environment: 'dev', secretPath: '/' } as const;

beforeAll(async () => {
  live = await startLiveServer();
  await live.server.bootstrap();
  const { id: projectId } = await live.server.project('gateway');
  const machine = await live.server.machine('laptop', { projectId, roles: [{ role: 'developer' }] });
  // A value with ${…} is text here, as in any migrated .env file.
  await live.server.do('PATCH', `/api/v1/projects/${projectId}`, { body: { unresolvedReferences: 'keep' } });
  kms = new Kms({ url: live.url, credentials: { token: live.server.admin } });
  await kms.secrets.createMany(
    [...values].map(([secretKey, secretValue]) => ({ secretKey, secretValue })),
    dev,
  );
  await kms.projects.createFolder({ projectId, environment: 'staging', path: '/' }, 'small');
  folder = await mkdtemp(join(tmpdir(), 'kms-run-'));
  env = { KMS_URL: live.url, KMS_TOKEN: machine.token, HOME: folder };
}, 60_000);
afterAll(async () => {
  await live.close();
  await rm(folder, { recursive: true });
});

const IN_DEV = ['run', '--project', 'gateway', '--env', 'dev', '--'];
const kmsRun = (...command: string[]) => runProgram('bootstrap/kms.ts', [...IN_DEV, ...command], { cwd: folder, env });

/** kms with what a test wants of its process; ready when the child has said so. */
async function started(args: readonly string[], extra: Record<string, string> = {}) {
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    cwd: folder,
    env: { PATH: process.env.PATH ?? '', ...env, ...extra },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const seen = { text: '' };
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      seen.text += text;
    });
  return { child, seen, closed: once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]> };
}

async function until(what: () => boolean, child: ChildProcess): Promise<void> {
  while (!what()) {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test('the child sees each of 200 nasty values byte for byte', async () => {
  const script = `const seen = Object.entries(process.env).filter(([name]) => name.startsWith('NASTY_'));
    process.stdout.write(JSON.stringify(seen))`;
  const { code, stdout, stderr } = await kmsRun(process.execPath, '-e', script);
  expect([code, stderr]).toEqual([0, '']);
  expect(new Map(JSON.parse(stdout))).toEqual(values);
});

test('no command line and no file holds a value while it runs', async () => {
  const script = `console.log('ready'); setInterval(() => {}, 1000)`;
  const { child, seen, closed } = await started([...IN_DEV, process.execPath, '-e', script]);
  await until(() => seen.text.includes('ready'), child);
  const found: string[] = [];
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (line.includes(NEEDLE)) found.push(pid);
  }
  const files = await readdir(folder, { recursive: true });
  child.kill('SIGTERM');
  await closed;
  expect([found, files]).toEqual([[], []]);
});

test.concurrent.each([0, 3, 77])('exit code %i of the child comes through', async (wanted) => {
  expect(await kmsRun('sh', '-c', `exit ${wanted}`)).toMatchObject({ code: wanted, stderr: '' });
});

test.concurrent.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
  'a child that %s ended is told as a shell tells it',
  async (signal) => {
    const script = `"${process.execPath}" "${PROGRAM}" ${IN_DEV.join(' ')} sh -c 'kill -${signal.slice(3)} $$'; echo $?`;
    const shell = spawn('sh', ['-c', script], {
      cwd: folder,
      env: { PATH: process.env.PATH ?? '', ...env },
      stdio: 'pipe',
    });
    let told = '';
    shell.stdout.on('data', (text) => {
      told += text;
    });
    await once(shell, 'close');
    expect(told.trim()).toBe(String(128 + constants.signals[signal]));
  },
);

test.concurrent.each(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const)(
  '%s reaches the child once, which decides',
  async (signal) => {
    const script = `let n = 0; process.on('${signal}', () => { n++; setTimeout(() => process.exit(40 + n), 100) });
    console.log('ready'); setInterval(() => {}, 1000)`;
    const { child, seen, closed } = await started([...IN_DEV, process.execPath, '-e', script]);
    await until(() => seen.text.includes('ready'), child);
    child.kill(signal);
    expect(await closed).toEqual([41, null]);
  },
);

test('a terminal is the terminal of the child, and Ctrl-C reaches it once', async () => {
  const script = `process.on('SIGINT', () => { n++; setTimeout(() => process.exit(50 + n), 200) }); let n = 0;
    console.log('tty ' + process.stdin.isTTY + process.stdout.isTTY); setInterval(() => {}, 1000)`;
  await writeFile(join(folder, 'terminal.py'), PTY);
  const command = [process.execPath, PROGRAM, ...IN_DEV, process.execPath, '-e', script];
  const child = spawn('python3', [join(folder, 'terminal.py'), ...command], {
    cwd: folder,
    env: { PATH: process.env.PATH ?? '', ...env },
    stdio: 'pipe',
  });
  let seen = '';
  child.stdout.on('data', (text) => {
    seen += text;
  });
  await once(child, 'close');
  expect(seen).toContain('tty truetrue');
  expect(seen).toContain('ended 51');
});

/** Runs a command on a terminal of its own and types Ctrl-C when it has spoken. */
const PTY = `import os, pty, sys
pid, terminal = pty.fork()
if pid == 0: os.execvp(sys.argv[1], sys.argv[1:])
seen = b''
while True:
    try: data = os.read(terminal, 4096)
    except OSError: break
    if not data: break
    if b'tty' not in seen and b'tty' in seen + data: os.write(terminal, b'\\x03')
    seen += data
_, status = os.waitpid(pid, 0)
print(seen.decode(), 'ended', os.waitstatus_to_exitcode(status))
`;

test('what cannot be run has the codes of env(1), and our own failure has 125', async () => {
  await writeFile(join(folder, 'plain'), '', { mode: 0o644 });
  expect((await kmsRun('no-such-command')).code).toBe(127);
  expect((await kmsRun('./plain')).code).toBe(126);
  const wrong = await runProgram('bootstrap/kms.ts', ['run', '-p', 'nowhere', '-e', 'dev', '--', 'true'], {
    cwd: folder,
    env,
  });
  expect([wrong.code, wrong.stderr]).toEqual([125, expect.stringContaining('kms: error:')]);
});

test('options behind the command are its own', async () => {
  const { stdout } = await runProgram(
    'bootstrap/kms.ts',
    ['run', '-p', 'gateway', '-e', 'staging', 'printf', '%s,%s', '--env', '--json'],
    { cwd: folder, env },
  );
  expect(stdout).toBe('--env,--json');
});

test('--watch starts the command again when a value changes, and not for another folder', async () => {
  const at = { projectSlug: 'gateway', environment: 'staging', secretPath: '/' };
  await kms.secrets.createMany([{ secretKey: 'GREETING', secretValue: 'one' }], at);
  const script = `console.log('hello ' + process.env.GREETING); setInterval(() => {}, 1000)`;
  const { child, seen, closed } = await started([
    'run',
    '-p',
    'gateway',
    '-e',
    'staging',
    '--watch',
    '--',
    process.execPath,
    '-e',
    script,
  ]);
  await until(() => seen.text.includes('hello one'), child);
  await kms.secrets.createMany([{ secretKey: 'ELSEWHERE', secretValue: 'x' }], { ...at, secretPath: '/small' });
  await kms.secrets.updateMany([{ secretKey: 'GREETING', secretValue: 'two' }], at);
  await until(() => seen.text.includes('hello two'), child);
  child.kill('SIGTERM');
  expect(await closed).toEqual([null, 'SIGTERM']);
  expect(seen.text.match(/hello/g)).toHaveLength(2);
  expect(seen.text).toContain('GREETING changed: starting again');
});

describe('how secrets and the environment come together', () => {
  const merged = (secrets: Record<string, string>, options = {}) =>
    environmentOf({ HOME: '/home/ada', PORT: '1' }, new Map(Object.entries(secrets)), options);

  test('what KMS says wins, unless it is told otherwise', () => {
    expect(merged({ PORT: '2' }).env.PORT).toBe('2');
    expect(merged({ PORT: '2', A: 'b' }, { keepEnv: true }).env).toEqual({ HOME: '/home/ada', PORT: '1', A: 'b' });
  });

  test.each(['PATH', 'LD_PRELOAD', 'NODE_OPTIONS', 'BASH_ENV', 'DYLD_INSERT_LIBRARIES'])(
    'a secret %s runs no code of whoever may write it',
    (name) => {
      const { env: left, leftOut } = merged({ [name]: '/tmp/evil' });
      expect([left[name], leftOut.map((each) => each.name)]).toEqual([undefined, [name]]);
      expect(merged({ [name]: 'x' }, { allowLoaders: true }).env[name]).toBe('x');
    },
  );

  test('a name with "=" is reported and left out', () => {
    expect(merged({ 'A=B': 'c' }).leftOut).toEqual([{ name: 'A=B', why: expect.stringContaining('"="') }]);
  });

  test.each([
    { name: 'a NUL', value: `${NEEDLE}\0` },
    { name: 'more than Linux takes', value: NEEDLE + 'x'.repeat(131_072) },
  ])('a value with $name is refused by name, and not shown', ({ value }) => {
    expect(() => merged({ BAD: value })).toThrow(/of BAD /);
    expect(() => merged({ BAD: value })).not.toThrow(NEEDLE);
  });
});
