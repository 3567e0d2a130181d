import { spawnSync } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startEmbeddedPostgres } from '../server/database/embedded/index.ts';
import { numberOption } from './options.ts';
import { install, startOurs } from './processes.ts';
import { makeWorld } from './world.ts';

/**
 * What `kms run` adds to the start of a command: from the start of kms to the first instruction of the command, with a folder of 200 secrets of
 * a real server on this machine. `node bench/run-startup.ts [--times 20]` after `npm run build` prints a table, and exits with 1 when the published
 * form takes 250 ms or more. Linux, whose date(1) tells nanoseconds.
 */
const times = numberOption('times', 20);
const LIMIT_MS = 250;

const folder = await mkdtemp(join(tmpdir(), 'kms-run-startup-'));
await chmod(folder, 0o711);
const postgres = await startEmbeddedPostgres({ dataDir: join(folder, 'data') });
try {
  const world = await makeWorld(postgres.uri);
  const installed = join(folder, 'installed');
  install(installed);
  const server = await startOurs(installed, postgres.uri, world.keys);
  try {
    await writeFile(join(folder, '.kms.yaml'), 'project: bench-200\nenv: prod\n');
    const env = {
      ...process.env,
      PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
      KMS_URL: server.address,
      KMS_TOKEN: world.token,
    };
    const clone = fileURLToPath(new URL('../bin/kms.js', import.meta.url));
    const kms = (program: string) => [process.execPath, program, 'run', '--', 'date', '+%s%N'];
    const bare = `require('node:child_process').spawn('date', ['+%s%N'], { stdio: 'inherit' })`;
    const published = measure(kms(join(installed, 'bin/kms.js')), env);
    show('kms run, as it is published', published);
    show('kms run, in a clone', measure(kms(clone), env));
    show('Node alone, for comparison', measure([process.execPath, '-e', bare], env));
    if (published.median >= LIMIT_MS) process.exitCode = 1;
  } finally {
    await server.stop();
  }
} finally {
  await postgres.stop();
  await rm(folder, { recursive: true, force: true });
}

/** One of each kind first, which compiles; then as many as were asked for. */
function measure([file = '', ...args]: string[], env: NodeJS.ProcessEnv) {
  const once = () => {
    const began = performance.timeOrigin + performance.now();
    const { stdout, stderr, status } = spawnSync(file, args, { cwd: folder, env, encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
    return Number(stdout) / 1e6 - began;
  };
  once();
  const sorted = Array.from({ length: times }, once).toSorted((a, b) => a - b);
  return { median: sorted[Math.floor(times / 2)]!, least: sorted[0]!, most: sorted.at(-1)! };
}

function show(what: string, { median, least, most }: ReturnType<typeof measure>): void {
  const ms = (value: number) => `${Math.round(value)} ms`.padStart(8);
  process.stdout.write(`${what.padEnd(30)} median ${ms(median)}   least ${ms(least)}   most ${ms(most)}\n`);
}
