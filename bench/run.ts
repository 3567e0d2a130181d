import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { startEmbeddedPostgres } from '../server/database/embedded/index.ts';
import { compare, type Row } from './compare.ts';
import { crowd, type Finding, readsDuringLogins } from './crowd.ts';
import { lines } from './lines.ts';
import { numberOption, wordOption } from './options.ts';
import { install, startBaseline, startOurs, type Target } from './processes.ts';
import { makeWorld } from './world.ts';

/**
 * What the server is worth, as ratios to two baselines in the same run, on a real Postgres with fsync and with the audit
 * on. `npm run bench [-- --seconds 3 --pairs 5 --only login]` prints a table and writes bench/result.json; it exits with 1
 * when a line is not met.
 */
const seconds = numberOption('seconds', 3);
const pairs = numberOption('pairs', 5);
const only = wordOption('only');

const folder = await mkdtemp(join(tmpdir(), 'kms-bench-'));
await chmod(folder, 0o711);
const postgres = await startEmbeddedPostgres({ dataDir: folder });
const started: Target[] = [];
try {
  await measure();
} finally {
  for (const target of started) await target.stop();
  await postgres.stop();
  await rm(folder, { recursive: true, force: true });
}

async function measure(): Promise<void> {
  const say = (text: string) => process.stderr.write(`bench: ${text}\n`);
  say('making projects and secrets');
  const world = await makeWorld(postgres.uri);
  const installed = join(folder, 'installed');
  install(installed);
  const start = () => startOurs(installed, postgres.uri, world.keys);
  // The first start after an installation compiles; the others are what counts.
  await (await start()).stop();
  const ours = await start();
  started.push(ours);
  await setTimeout(2_000);
  const idle = ours.memory().now;
  const settings = { databaseUri: postgres.uri, bodies: world.bodies };
  const bare = await startBaseline('bare', settings);
  started.push(bare);
  const naive = await startBaseline('naive', settings);
  started.push(naive);

  const rows: Row[] = [];
  for (const line of lines.filter(({ name }) => only === undefined || name.startsWith(only))) {
    say(`${line.name}, ${line.connections} connections`);
    rows.push(await compare(line, world, { ours, bare, naive }, { pairs, seconds }));
  }
  const findings: Finding[] = [];
  if (only === undefined) {
    say('reads during logins, and a crowd');
    // In this order: a crowd of a thousand is felt for a while, and a quiet server is what the logins are compared with.
    findings.push(await readsDuringLogins(world, ours, seconds), await crowd(world, ours, seconds));
    findings.push(
      atMost('resident when idle', idle, 130, 'MB'),
      atMost('resident at most, under all of it', ours.memory().peak, 260, 'MB'),
      atMost('start to ready', Math.round(ours.readyMs), 500, 'ms'),
    );
  }
  console.table(rows);
  if (findings.length > 0) console.table(findings);
  await writeFile(new URL('result.json', import.meta.url), `${JSON.stringify({ rows, findings }, null, 2)}\n`);
  if (![...rows, ...findings].every(({ met }) => met)) process.exitCode = 1;
}

function atMost(what: string, found: number, limit: number, unit: string): Finding {
  return { what, found: `${found} ${unit}`, wanted: `at most ${limit} ${unit}`, met: found <= limit };
}
