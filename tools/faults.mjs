// `npm run test:faults`: what becomes of the product when its parts fail. `-- --times 10` runs all of it ten times in a row,
// each run with a seed of its own; other arguments go to the test runner. Ends with a line for each run, and with the sum.
import { requireNode } from './lib/node-version.mjs';

requireNode(process.versions.node);
const { prepare } = await import('./lib/prepare.mjs');
const { run } = await import('./lib/launch.mjs');

const args = process.argv.slice(2);
const at = args.indexOf('--times');
const times = at < 0 ? 1 : Number(args.splice(at, 2)[1]);
if (!Number.isInteger(times) || times < 1) {
  process.stderr.write('hanzo-kms: error: --times needs a whole number above 0\n');
  process.exit(1);
}

const node = await prepare();
let told = false;
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) process.on(signal, () => (told = true));
const lines = [];
const sum = { passed: 0, failed: 0, skipped: 0 };
let exitCode = 0;
for (let number = 1; number <= times && !told; number++) {
  const start = Date.now();
  let output = '';
  const vitest = ['node_modules/vitest/vitest.mjs', 'run', '--config', 'test/faults/vitest.config.ts', ...args];
  const code = await run(node, vitest, (text) => {
    output += text;
  });
  const [, passed, failed, skipped = '0'] =
    /^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/m.exec(output.slice(-500)) ?? [];
  if (code !== 0 || passed === undefined) exitCode = code || 1;
  sum.passed += Number(passed ?? 0);
  sum.failed += Number(failed ?? 1);
  sum.skipped += Number(skipped);
  const result =
    passed === undefined ? `no result, exit code ${code}` : `${passed} passed, ${failed} failed, ${skipped} skipped`;
  const seed = /FAULT_SEED=(\d+)/.exec(output)?.[1];
  lines.push(
    `faults: run ${number} of ${times}: ${result} in ${Math.round((Date.now() - start) / 1000)} s (FAULT_SEED=${seed})`,
  );
}
if (times > 1)
  process.stdout.write(
    `${lines.join('\n')}\n${sum.passed} passed, ${sum.failed} failed${sum.skipped > 0 ? `, ${sum.skipped} skipped` : ''}\n`,
  );
process.exit(exitCode);
