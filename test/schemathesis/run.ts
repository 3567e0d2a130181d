import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseAuthSecret, parseRootKey } from '../../keys/index.ts';
import { createApp } from '../../server/app.ts';
import { startEmbeddedPostgres } from '../../server/database/embedded/index.ts';
import { migrate } from '../../server/database/migrate.ts';
import { type Attack, attack, type Outcome } from './attack.ts';
import { ensureSchemathesis } from './install.ts';
import { operationOf, operationsOf } from './successes.ts';
import { makeWorld, setUp, type World } from './world.ts';

/**
 * `npm run test:schemathesis`: sends requests that are made from the OpenAPI document, good and bad ones, to a server on a
 * database of its own, and fails on any answer that the document does not promise. Ends with `N passed, N failed`, which
 * counts operations, once for each run that they were tried in. KMS_SCHEMATHESIS_SEED repeats a run,
 * KMS_SCHEMATHESIS_PATIENCE=5 gives it five times as long, and KMS_SCHEMATHESIS_DIR is where Schemathesis is kept.
 */
const seed = Number(process.env.KMS_SCHEMATHESIS_SEED ?? 20_250_101);
const patience = Number(process.env.KMS_SCHEMATHESIS_PATIENCE ?? 1);

type Run = Pick<Attack, 'phase' | 'examples' | 'longestS'> & {
  readonly caller: 'admin' | 'rightless' | 'person';
  readonly more?: readonly string[];
};
/** Two lanes at once, each with worlds of its own: most of the time goes to making requests, which takes one processor. */
const LANES: readonly (readonly Run[])[] = [
  [{ caller: 'admin', phase: 'coverage', examples: 1, longestS: 190 }],
  [
    { caller: 'rightless', phase: 'coverage', examples: 1, longestS: 90 },
    { caller: 'admin', phase: 'fuzzing', examples: 3, longestS: 70 },
    // Of a person's own account a machine sees refusals alone.
    {
      ...{ caller: 'person', phase: 'coverage', examples: 1, longestS: 30 },
      more: ['--include-path-regex', '/users?/|/auth/mfa|/password/'],
    },
  ],
];

const program = ensureSchemathesis();
const folder = await mkdtemp(join(tmpdir(), 'kms-schemathesis-'));
await chmod(folder, 0o711);
// Nothing here outlives the run.
const postgres = await startEmbeddedPostgres({ dataDir: folder, extraSettings: { fsync: 'off' } });
try {
  await migrate(postgres.uri);
  const app = await createApp({
    databaseUri: postgres.uri,
    rootKey: parseRootKey(randomBytes(32).toString('base64')),
    authSecret: parseAuthSecret(randomBytes(32).toString('base64')),
    allowUnprovenBootstrap: true,
    limits: {},
    // Nothing is sent to the receivers that are made up.
    sealEveryMs: 0,
    logLevel: 'error',
    // A stream is an answer that ends.
    events: { longestMs: 100, closeWithinMs: 0 },
  });
  const succeeded = new Set<string>();
  app.addHook('onResponse', async ({ method, routeOptions: { url } }, { statusCode }) => {
    if (url !== undefined && statusCode < 400) succeeded.add(operationOf(method, url));
  });
  try {
    const base = await app.listen({ host: '127.0.0.1', port: 0 });
    // What makes the worlds succeeds for sure, and is not what is asked.
    const outcomes = await attackAll(base, () => succeeded.clear());
    const sum = (which: keyof Outcome) => outcomes.reduce((total, outcome) => total + outcome[which], 0);
    const document = (await (await fetch(`${base}/api/docs/json`)).json()) as Attack['document'];
    const never = operationsOf(document).filter((operation) => !succeeded.has(operation));
    console.log(`schemathesis: ${never.length} operations that only ever refused:\n  ${never.join('\n  ')}`);
    if (sum('failed') > 0 || outcomes.some(({ passed }) => passed === 0)) process.exitCode = 1;
    console.log(`${sum('passed')} passed, ${sum('failed')} failed`);
  } finally {
    await app.close();
  }
} finally {
  await postgres.stop();
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}

async function attackAll(base: string, begins: () => void): Promise<Outcome[]> {
  const admins = await setUp(base);
  const document = (await (await fetch(`${base}/api/docs/json`)).json()) as Attack['document'];
  // All of them first: an admin under test may switch off what making one needs.
  const worlds = new Map<Run, World>();
  for (const run of LANES.flat()) worlds.set(run, await makeWorld(base, `world-${worlds.size}`, admins));
  begins();
  const lanes = LANES.map(async (runs) => {
    const outcomes: Outcome[] = [];
    for (const run of runs) {
      const { values, ...tokens } = worlds.get(run)!;
      const given = { program, base, folder, seed, values, document, token: tokens[run.caller] };
      const longestS = run.longestS * patience;
      const more = [...(run.more ?? []), ...process.argv.slice(2)];
      outcomes.push(await attack({ ...given, ...run, longestS, more }));
    }
    return outcomes;
  });
  return (await Promise.all(lanes)).flat();
}
