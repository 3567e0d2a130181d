import { spawn } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import module from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = new URL('..', import.meta.url);

/**
 * Starts one of our programs: its TypeScript source in a clone, its compiled form in the published package. A clone
 * brings the Node that it needs (node_modules/.bin/node); an older one on the path hands over to it.
 * Plain JavaScript without syntax of the last years: it must still run where the rest cannot, to say so.
 *
 * @param {string} entry the program, from the root and without its ending, such as `bootstrap/kms`
 * @param {string} name as people call it, such as `kms`
 */
export async function launch(entry, name) {
  const source = new URL(`${entry}.ts`, root);
  const compiled = new URL(`lib/${entry}.js`, root);
  const inClone = existsSync(source);
  if (isNewEnough()) keepCompiled(inClone ? 'node_modules/.cache/kms-compiled' : 'lib/.compiled');
  if (isNewEnough()) return void (await import(pathToFileURL(fileURLToPath(inClone ? source : compiled)).href));

  const own = fileURLToPath(new URL('node_modules/.bin/node', root));
  if (!inClone) return fail(`${name}: error: needs Node 22.18 or newer, and this is ${process.version}`);
  if (!existsSync(own)) return fail(`${name}: error: the dependencies are missing: run npm ci first (or npm start)`);
  // Or it would hand over to itself without end.
  if (realpathSync(own) === realpathSync(process.execPath))
    return fail(`${name}: error: ${own} is too old: run npm ci`);
  handOver(own, [...process.execArgv, ...process.argv.slice(1)]);
}

/**
 * Lets Node keep what it compiled for the next start, which is a fifth faster; in a clone, where types have to be stripped first, by half.
 * Beside the program or what it loads: who can write there could change the program itself. Where this user cannot, nothing is kept.
 *
 * @param {string} folder from the root
 */
function keepCompiled(folder) {
  module.enableCompileCache(fileURLToPath(new URL(folder, root)));
}

/** From 22.18 and 23.6 on Node runs TypeScript as it is. */
function isNewEnough() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  return major > 23 || (major === 23 && minor >= 6) || (major === 22 && minor >= 18);
}

/** @param {string} node @param {string[]} args */
function handOver(node, args) {
  const child = spawn(node, args, { stdio: 'inherit' });
  // Ctrl-C reaches the child from the terminal as well; what is sent to this process alone has to be passed on.
  /** @type {NodeJS.Signals[]} */
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const signal of signals) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => fail(`kms: error: ${node} cannot be started: ${error.message}`));
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    for (const each of signals) process.removeAllListeners(each);
    process.kill(process.pid, signal);
  });
}

/** @param {string} message */
function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exitCode = 1;
}
