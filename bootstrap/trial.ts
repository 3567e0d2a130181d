import { UserError } from './problem.ts';
import { failureOf } from './terminal/failure.ts';
import { paint, print, say, terminalOf } from './terminal/terminal.ts';
import { startTrial } from './trial/run.ts';
import { trialSettings } from './trial/settings.ts';

/**
 * The local trial, `npm start`: a server that holds the example inventory, until Ctrl-C. With `--once` the same, and then
 * it stops and exits with 0.
 */

const terminal = terminalOf('npm start');
const stopAsked = new Promise<'asked'>((resolve) => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve('asked'));
});

try {
  refuseUnknown(process.argv.slice(2));
  const starting = startTrial(terminal, trialSettings(process.env));
  process.exitCode = await serve(starting);
} catch (error) {
  const { errors, hint } = failureOf(error);
  for (const line of errors) say(terminal, `npm start: ${paint(terminal.stderr, 'red', 'error:')} ${line}`);
  if (hint) say(terminal, `npm start: ${paint(terminal.stderr, 'cyan', 'hint:')} ${hint}`);
  process.exitCode = 1;
}
// Whoever started this waits for our end, and some terminals keep a handle of standard input open.
process.exit();

async function serve(starting: ReturnType<typeof startTrial>): Promise<number> {
  const trial = await starting;
  if (process.argv.includes('--once')) {
    await trial.stop();
    print(terminal, 'The server has stopped again (--once). To serve, and to try these: npm start');
    return 0;
  }
  print(terminal, `Serving on ${trial.server.url}. Ctrl-C stops it.`);
  const why = await Promise.race([stopAsked, trial.server.ended]);
  if (why !== 'asked') {
    say(terminal, `npm start: ${paint(terminal.stderr, 'red', 'error:')} the server ended: ${why}`);
    return 1;
  }
  say(terminal, 'stopping');
  await trial.stop();
  return 0;
}

function refuseUnknown(given: readonly string[]): void {
  const unknown = given.find((word) => word !== '--once');
  if (unknown !== undefined) throw new UserError(`${unknown} is unknown`, 'npm start, or npm start -- --once');
}
