import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';

const programs = join(import.meta.dirname, 'programs');
/** What was installed or built once is kept here, by name and version. */
const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'hanzo-kms/clients');

/** A client cannot be had on this machine: a toolchain is missing, or a registry does not answer. */
export class NotHere extends Error {}

/** How a program that uses a client is started. */
export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Ran {
  readonly code: number | null;
  readonly output: string;
}

/** Runs a program to its end, or kills it. It knows of the environment only what it is given. */
export async function run({ file, args, cwd, env = {} }: Command, seconds: number): Promise<Ran> {
  const { PATH = '', HOME = homedir(), LANG = 'C.UTF-8' } = process.env;
  const child = spawn(file, args, {
    cwd,
    env: { PATH, HOME, LANG, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: seconds * 1000,
    killSignal: 'SIGKILL',
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  return new Promise((resolve) => {
    child.on('error', (error) => resolve({ code: -1, output: error.message }));
    child.on('close', (code) => resolve({ code, output }));
  });
}

async function must(command: Command): Promise<void> {
  // Toolchains are told by many variables where their registries, certificates and caches are. Those that npm sets for the
  // scripts that it runs would tell them of this package instead of theirs.
  const theirs = Object.entries(process.env).filter(
    ([name]) => !/^npm_(?!config_(registry|cache|userconfig)$)/.test(name),
  );
  const { code, output } = await run({ ...command, env: Object.fromEntries(theirs) as Record<string, string> }, 240);
  if (code === 0) return;
  const why = output.trim().split('\n').at(-1) ?? '';
  throw new NotHere(`${command.file} ${command.args.slice(0, 4).join(' ')}: ${code === null ? 'took too long' : why}`);
}

/** Fills a folder of the cache once. One that is there is whole: it gets its name when it is. */
async function once(name: string, fill: (folder: string) => Promise<void>): Promise<string> {
  const folder = join(cache, name.replaceAll('/', '-'));
  if (existsSync(folder)) return folder;
  await mkdir(cache, { recursive: true });
  const draft = await mkdtemp(join(cache, 'draft-'));
  try {
    await fill(draft);
    await rename(draft, folder).catch((error) => {
      if (!existsSync(folder)) throw error;
    });
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return folder;
}

/** A Python program with a package of PyPI. Wheels alone: building one would run its author's code before any test does. */
export async function python(program: string, packages: readonly string[]): Promise<Command> {
  const site = await once(`python-${packages.join('-')}`, (target) =>
    must({
      file: 'python3',
      args: ['-m', 'pip', 'install', '--quiet', '--only-binary', ':all:', '--target', target, ...packages],
      cwd: tmpdir(),
    }),
  );
  return { file: 'python3', args: ['-W', 'ignore', join(programs, program)], cwd: site, env: { PYTHONPATH: site } };
}

/** A program for this Node with a package of npm. */
export async function node(program: string, name: string, version: string): Promise<Command> {
  const folder = await once(`node-${name}-${version}`, async (target) => {
    await writeFile(join(target, 'package.json'), '{"private":true}');
    const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    await must({ file: 'npm', args: ['install', '--prefix', target, ...quiet, `${name}@${version}`], cwd: target });
  });
  return { file: process.execPath, args: [join(programs, program), name], cwd: folder };
}

/** A Go program, a module of its own. Go keeps what it built. */
export async function go(module: string): Promise<Command> {
  const file = join(cache, `go-${module}`);
  await mkdir(cache, { recursive: true });
  await must({ file: 'go', args: ['build', '-mod=readonly', '-o', file, '.'], cwd: join(programs, module) });
  return { file, args: [], cwd: cache };
}

/** A Rust program, a crate of its own. */
export async function rust(crate: string): Promise<Command> {
  const target = join(cache, `rust-${crate}`);
  await must({
    file: 'cargo',
    args: ['build', '--quiet', '--locked', '--target-dir', target],
    cwd: join(programs, crate),
  });
  return { file: join(target, 'debug', crate), args: [], cwd: cache };
}
