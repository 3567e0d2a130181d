import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { join } from 'node:path';
import { root } from './prepare.mjs';

/** What Node compiled, for the programs that start others: each start of ours takes half the time from it. */
const compileCache = join(root, 'node_modules/.cache/compiled');
/** Signals this close together are one: at Ctrl-C the terminal sends one to the whole group and npm passes on its own. */
const SAME_SIGNAL_MS = 1000;

/**
 * Runs a program of the product to its end and ends this process the same way.
 *
 * @param {string} node
 * @param {string[]} args
 * @returns {Promise<never>}
 */
export async function launch(node, args) {
  process.exit(await run(node, args));
}

/**
 * Runs a program of the product to its end. The program is in a group of its own and hears of signals from here alone, once
 * each; when this process is killed, the program is told to stop.
 *
 * @param {string} node
 * @param {string[]} args
 * @param {(text: string) => void} [onOutput] told what it writes to standard output, which is printed all the same
 * @returns {Promise<number>} its exit code; 128 and the signal's number when a signal ended it
 */
export async function run(node, args, onOutput) {
  const watch = new URL('./end-with-launcher.mjs', import.meta.url).href;
  const child = spawn(node, ['--import', watch, ...args], {
    cwd: root,
    detached: true,
    stdio: ['ignore', onOutput ? 'pipe' : 'inherit', 'inherit', 'ipc'],
    env: { NODE_COMPILE_CACHE: compileCache, ...process.env, HANZO_KMS_LAUNCHER: String(process.pid) },
  });
  child.stdout?.setEncoding('utf8').on('data', (text) => {
    process.stdout.write(text);
    onOutput?.(text);
  });
  let last = 0;
  const pass = (/** @type {NodeJS.Signals} */ signal) => {
    if (Date.now() - last < SAME_SIGNAL_MS) return;
    last = Date.now();
    child.kill(signal);
  };
  // The terminal is gone, which programs take as a reason to end at once: ask for an orderly stop instead.
  const hangUp = () => pass('SIGTERM');
  process.on('SIGINT', pass).on('SIGTERM', pass).on('SIGHUP', hangUp);
  const watching = process.env.npm_lifecycle_event ? endWithNpm(hangUp) : undefined;
  const [code, signal] = await once(child, onOutput ? 'close' : 'exit');
  process.off('SIGINT', pass).off('SIGTERM', pass).off('SIGHUP', hangUp);
  clearInterval(watching);
  return code ?? 128 + constants.signals[/** @type {NodeJS.Signals} */ (signal)];
}

/**
 * npm runs us through a shell. Where that shell does not pass a signal on, or npm is killed, nobody would tell us.
 *
 * @param {() => void} stop
 */
function endWithNpm(stop) {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    stop();
  }, 500).unref();
  return timer;
}
