import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { environmentOf } from '../../../bootstrap/run/environment.ts';
import { Kms } from '../../../sdk/index.ts';
import { type LiveServer, startLiveServer } from '../support/live-server.ts';
import { COMPILED, runProgram } from '../support/run-program.ts';
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
const KMS = [process.execPath, PROGRAM];

/** A command that goes on while a test looks at it, and what it has said so far. */
function started([file = '', ...args]: readonly string[], cwd = folder) {
  const child = spawn(file, args, {
    cwd,
    env: { PATH: process.env.PATH ?? '', ...COMPILED, ...env },
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

test('the child alone sees each of 200 nasty values byte for byte, and its exit code comes through', async () => {
  const script = `const seen = Object.entries(process.env).filter(([name]) => name.startsWith('NASTY_'));
    process.on('SIGTERM', () => process.exit(77)); setInterval(() => {}, 1000);
    console.log(JSON.stringify(seen))`;
  const { child, seen, closed } = started([...KMS, ...IN_DEV, process.execPath, '-e', script]);
  await until(() => seen.text.endsWith('\n'), child);
  expect(new Map(JSON.parse(seen.text))).toEqual(values);
  const found: string[] = [];
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (line.includes(NEEDLE)) found.push(pid);
  }
  const shown = spawnSync('ps', ['axww', '-o', 'pid,args'], { encoding: 'utf8' }).stdout;
  const files = await readdir(folder, { recursive: true });
  child.kill('SIGTERM');
  expect([found, shown.includes(String(child.pid)), shown.includes(NEEDLE), files]).toEqual([[], true, false, []]);
  expect(await closed).toEqual([77, null]);
});

test.concurrent.each([0, 3])('exit code %i of the child comes through', async (wanted) => {
  expect(await kmsRun('sh', '-c', `exit ${wanted}`)).toMatchObject({ code: wanted, stderr: '' });
});

test('it loads neither zod nor the parser of YAML, and no more than it needs', async () => {
  const repository = await mkdtemp(join(tmpdir(), 'kms-run-repository-'));
  await writeFile(join(repository, '.kms.yaml'), 'project: gateway\nenv: staging\n');
  const noting = `import { registerHooks } from 'node:module';
    registerHooks({ load(url, context, next) { if (url.startsWith('file:')) console.log(url); return next(url, context) } })`;
  const options = ['--import', `data:text/javascript,${encodeURIComponent(noting)}`];
  const { seen, closed } = started([process.execPath, ...options, PROGRAM, 'run', '--', 'true'], repository);
  expect(await closed).toEqual([0, null]);
  await rm(repository, { recursive: true });
  const loaded = seen.text.split('\n').filter((line) => line.startsWith('file:'));
  expect(loaded.filter((url) => /node_modules\/(?!commander\/)/.test(url))).toEqual([]);
  expect(loaded.length).toBeLessThan(50);
});

test.concurrent.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
  'a child that %s ended is told as a shell tells it',
  async (signal) => {
    const script = `"${KMS.join('" "')}" ${IN_DEV.join(' ')} sh -c 'kill -${signal.slice(3)} $$'; echo $?`;
    const { seen, closed } = started(['sh', '-c', script]);
    await closed;
    // Some shells say on standard error which signal it was, too.
    expect(seen.text.trim().split('\n').at(-1)).toBe(String(128 + constants.signals[signal]));
  },
);

test('each signal reaches the child once, which decides', async () => {
  const signals = ['SIGINT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGTERM'] as const;
  const script = `for (const signal of ${JSON.stringify(signals)}) process.on(signal, () => console.log(signal));
    process.on('SIGTERM', () => setTimeout(() => process.exit(41), 100));
    console.log('ready'); setInterval(() => {}, 1000)`;
  const { child, seen, closed } = started([...KMS, ...IN_DEV, process.execPath, '-e', script]);
  await until(() => seen.text.includes('ready'), child);
  for (const signal of signals) {
    child.kill(signal);
    await until(() => seen.text.includes(signal), child);
  }
  expect(await closed).toEqual([41, null]);
  expect(seen.text.trim().split('\n')).toEqual(['ready', ...signals]);
});

test('a terminal is the terminal of the child, and Ctrl-C reaches it once', async () => {
  const script = `process.on('SIGINT', () => { n++; setTimeout(() => process.exit(50 + n), 200) }); let n = 0;
    console.log('tty ' + process.stdin.isTTY + process.stdout.isTTY); setInterval(() => {}, 1000)`;
  await writeFile(join(folder, 'terminal.py'), PTY);
  const { seen, closed } = started(['python3', 'terminal.py', ...KMS, ...IN_DEV, process.execPath, '-e', script]);
  await closed;
  expect(seen.text).toContain('tty truetrue');
  expect(seen.text).toContain('ended 51');
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
  const { child, seen, closed } = started([
    ...KMS,
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

  test.each([
    ...['PATH', 'LD_PRELOAD', 'NODE_OPTIONS', 'BASH_ENV', 'DYLD_INSERT_LIBRARIES', 'Path', 'HOME', 'GLIBC_TUNABLES'],
    ...['BASH_FUNC_ls%%', 'npm_config_script_shell', 'GIT_CONFIG_COUNT', 'GIT_SSH', '_JAVA_OPTIONS', 'PYTHONWARNINGS'],
    ...['DOTNET_STARTUP_HOOKS', 'OPENSSL_CONF', 'KMS_URL'],
  ])('a secret %s runs no code of whoever may write it', (name) => {
    const { env: left, leftOut } = merged({ [name]: '/tmp/evil' });
    expect([left[name] === '/tmp/evil', leftOut.map((each) => each.name)]).toEqual([false, [name]]);
    expect(merged({ [name]: 'x' }, { allowLoaders: true }).env[name]).toBe('x');
  });

  test('names that only begin like them, or are properties of objects, arrive', () => {
    const names = ['GIT_TOKEN', 'NPM_TOKEN', 'ENVIRONMENT', 'KMS_URLS', 'NODE_ENV', '__proto__', 'constructor'];
    const { env, leftOut } = environmentOf({}, new Map(names.map((name) => [name, 'x'])));
    expect([Object.entries(env), leftOut]).toEqual([names.map((name) => [name, 'x']), []]);
  });

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
