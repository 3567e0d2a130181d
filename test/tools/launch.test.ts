import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { thorough } from '../support/thorough.ts';

const REPOSITORY = join(import.meta.dirname, '../..');
const RESULT = { timeout: 20_000 };

let folder: string;
let clone: string;
const children: ChildProcess[] = [];

/** A clone in small: the real tools, no dependencies, and a program that tells what happens to it. */
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kms tools '));
  clone = join(folder, 'a clone');
  mkdirSync(join(clone, 'bootstrap'), { recursive: true });
  cpSync(join(REPOSITORY, 'tools/lib'), join(clone, 'tools/lib'), { recursive: true });
  cpSync(join(REPOSITORY, 'tools/start.mjs'), join(clone, 'tools/start.mjs'));
  mkdirSync(join(clone, 'part'));
  writeFileSync(join(clone, 'part/package.json'), JSON.stringify({ name: 'part', version: '1.0.0' }));
  const about = { name: 'small', version: '1.0.0', workspaces: ['part'] };
  const locked = { '': about, 'node_modules/part': { resolved: 'part', link: true }, part: { version: '1.0.0' } };
  writeFileSync(
    join(clone, 'package.json'),
    JSON.stringify({ ...about, scripts: { start: 'exec node tools/start.mjs' } }),
  );
  writeFileSync(join(clone, 'package-lock.json'), JSON.stringify({ ...about, lockfileVersion: 3, packages: locked }));
  writeFileSync(
    join(clone, 'bootstrap/trial.ts'),
    `import { appendFileSync } from 'node:fs';
     const note = (line: string) => appendFileSync(${JSON.stringify(join(folder, 'notes'))}, line + '\\n');
     note('pid ' + process.pid);
     note('in ' + process.cwd() + ' with ' + process.argv.slice(2).join(' '));
     if (process.argv[2] === 'exit') process.exit(Number(process.argv[3]));
     for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => {
       note(signal);
       setTimeout(() => process.exit(signal === 'SIGINT' ? 130 : 0), 300);
     });
     setInterval(() => {}, 1000);
     console.log('serving');`,
  );
});

afterEach(async () => {
  for (const child of children.splice(0)) if (child.exitCode === null) child.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

const notes = () =>
  existsSync(join(folder, 'notes')) ? readFileSync(join(folder, 'notes'), 'utf8').trim().split('\n') : [];
const start = (...args: string[]) =>
  spawnSync(process.execPath, [join(clone, 'tools/start.mjs'), ...args], {
    encoding: 'utf8',
    cwd: tmpdir(),
    timeout: 20_000,
  });

async function serve(command = process.execPath, args = [join(clone, 'tools/start.mjs')]): Promise<ChildProcess> {
  const child = spawn(command, args, { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  children.push(child);
  await expect.poll(notes, RESULT).toHaveLength(2);
  await new Promise((resolve) => setTimeout(resolve, 300));
  return child;
}

const programPid = () => Number(notes()[0]!.slice(4));
const launcherPid = () => Number(/^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${programPid()}/status`, 'utf8'))?.[1]);
const isAlive = (pid: number) => {
  try {
    process.kill(pid, 0);
    return !/^State:\tZ/m.test(existsSync('/proc') ? readFileSync(`/proc/${pid}/status`, 'utf8') : '');
  } catch {
    return false;
  }
};

test('dependencies are installed once, with a word about it', () => {
  const first = start('exit', '0');
  expect(first.stderr).toMatch(/^hanzo-kms: installing dependencies .*\nhanzo-kms: dependencies installed in \d+ s\n$/);
  expect(start('exit', '0').stderr).toBe('');
  writeFileSync(join(clone, '.npmrc'), 'fund=false\n');
  expect(start('exit', '0').stderr).toContain('installing dependencies');
});

thorough('an installation made by npm itself is taken as it is', () => {
  spawnSync('npm', ['install', '--silent'], { cwd: clone });
  expect(start('exit', '0').stderr).toBe('');
});

test('a failed installation says what npm said and what to do', () => {
  writeFileSync(
    join(clone, 'package.json'),
    JSON.stringify({ name: 'small', dependencies: { 'not-locked': '1.0.0' } }),
  );
  const { status, stderr } = start('exit', '0');
  expect(status).toBe(1);
  expect(stderr).toMatch(/npm error .*\nhanzo-kms: error: npm ci ended with exit code 1\nhanzo-kms: hint: .*\n$/s);
  expect(notes()).toEqual([]);
});

thorough('two first starts at once install one after the other', async () => {
  const [one, two] = await Promise.all(
    [1, 2].map(async () => {
      const child = spawn(process.execPath, [join(clone, 'tools/start.mjs'), 'exit', '0'], {
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      let said = '';
      child.stderr.on('data', (text) => {
        said += text;
      });
      const [code] = await once(child, 'close');
      return { code, said };
    }),
  );
  expect([one?.code, two?.code]).toEqual([0, 0]);
  expect([one, two].filter((each) => each?.said.includes('dependencies installed'))).toHaveLength(1);
});

test.each([0, 1, 7])('arguments go in and exit code %i comes out', (code) => {
  expect(start('exit', String(code)).status).toBe(code);
  expect(notes()[1]).toBe(`in ${clone} with exit ${code}`);
});

thorough.each<{ signal: NodeJS.Signals; code: number }>([
  { signal: 'SIGINT', code: 130 },
  { signal: 'SIGTERM', code: 0 },
])('$signal reaches the program once and its exit code is ours', async ({ signal, code }) => {
  const launcher = await serve();
  launcher.kill(signal);
  launcher.kill(signal);
  expect(await once(launcher, 'exit')).toEqual([code, null]);
  expect(notes().slice(2)).toEqual([signal]);
  expect(isAlive(programPid())).toBe(false);
});

thorough.each([
  { name: 'Ctrl-C, to the whole group,', of: (npm: number) => -npm },
  { name: 'a signal to npm alone', of: (npm: number) => npm },
])('$name stops the program of npm --prefix once', async ({ of }) => {
  const npm = await serve('npm', ['--prefix', 'a clone', 'start', '--silent']);
  process.kill(of(npm.pid!), 'SIGINT');
  await once(npm, 'exit');
  expect(notes().slice(2)).toEqual(['SIGINT']);
  expect(isAlive(programPid())).toBe(false);
});

thorough('a killed launcher takes its program along', async () => {
  const launcher = await serve();
  launcher.kill('SIGKILL');
  await expect.poll(() => isAlive(programPid()), RESULT).toBe(false);
  expect(notes().slice(2)).toEqual(['SIGTERM']);
});

thorough.skipIf(!existsSync('/proc'))('a killed npm takes the program along (needs /proc)', async () => {
  const npm = await serve('npm', ['--prefix', 'a clone', 'start', '--silent']);
  const shell = Number(/^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${launcherPid()}/status`, 'utf8'))?.[1]);
  npm.kill('SIGKILL');
  if (shell !== npm.pid) process.kill(shell, 'SIGKILL');
  await expect.poll(() => isAlive(programPid()), RESULT).toBe(false);
  expect(notes().slice(2)).toEqual(['SIGTERM']);
});

test('an old Node is refused in two lines', () => {
  const module = JSON.stringify(join(REPOSITORY, 'tools/lib/node-version.mjs'));
  const { status, stderr } = spawnSync(
    process.execPath,
    ['-e', `import(${module}).then((m) => m.requireNode('18.20.4'))`],
    {
      encoding: 'utf8',
    },
  );
  expect(status).toBe(1);
  expect(stderr).toBe(
    'hanzo-kms: error: Node 20 or newer is needed, this is 18.20.4\nhanzo-kms: hint: install a current Node from https://nodejs.org\n',
  );
});
