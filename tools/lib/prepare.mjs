import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withLock } from './lock.mjs';
import { fail } from './node-version.mjs';
import { spawnNpm } from './npm.mjs';

export const root = fileURLToPath(new URL('../..', import.meta.url));

const STAMP = join(root, 'node_modules/.hanzo-kms-stamp');

/**
 * Installs the dependencies when they are missing or are not those of package-lock.json.
 *
 * @returns {Promise<string>} the Node to run the product with
 */
export async function prepare() {
  const wanted = fingerprint();
  if (!isInstalled(wanted)) {
    await withLock(root, say, async () => {
      if (!isInstalled(wanted)) await install(wanted);
    });
  }
  return ownNode();
}

/** What an installation depends on. The platform is part of it: a folder can be shared with a container. */
function fingerprint() {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}\n`);
  for (const file of ['package-lock.json', '.npmrc']) {
    if (existsSync(join(root, file))) hash.update(readFileSync(join(root, file)));
  }
  // The rest of package.json has no say: a changed script must not reinstall everything under a running program.
  const { dependencies, devDependencies, optionalDependencies, overrides, workspaces } = JSON.parse(
    readFileSync(join(root, 'package.json'), 'utf8'),
  );
  hash.update(JSON.stringify({ dependencies, devDependencies, optionalDependencies, overrides, workspaces }));
  return hash.digest('hex');
}

/** @param {string} wanted */
function isInstalled(wanted) {
  if (existsSync(STAMP)) return readFileSync(STAMP, 'utf8') === wanted;
  if (!matchesLockfile()) return false;
  mark(wanted);
  return true;
}

/** Whether somebody ran npm themselves: npm notes what it installed in a lockfile of its own. */
function matchesLockfile() {
  try {
    const locked = readPackages('package-lock.json');
    const installed = readPackages('node_modules/.package-lock.json');
    return Object.entries(locked).every(([path, entry]) => {
      const found = installed[path];
      // Optional packages are for other platforms, or for those who use them.
      if (!found) return path === '' || entry.optional === true || entry.devOptional === true;
      return found.version === entry.version && found.integrity === entry.integrity;
    });
  } catch {
    return false;
  }
}

/**
 * @param {string} file
 * @returns {Record<string, { version?: string, integrity?: string, optional?: boolean, devOptional?: boolean }>}
 */
function readPackages(file) {
  return JSON.parse(readFileSync(join(root, file), 'utf8')).packages;
}

/** @param {string} wanted */
async function install(wanted) {
  const start = Date.now();
  say('installing dependencies with npm ci (a minute or two the first time)');
  const npm = spawnNpm(['ci', '--include=dev', '--loglevel=error', '--no-progress'], root);
  let output = '';
  for (const stream of [npm.stdout, npm.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  const seconds = () => Math.round((Date.now() - start) / 1000);
  const ticker = setInterval(() => say(`still installing (${seconds()} s)`), 15_000);
  /** @type {NodeJS.Signals | undefined} */
  let interrupted;
  const interrupt = (/** @type {NodeJS.Signals} */ signal) => {
    interrupted = signal;
    npm.kill(signal);
  };
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  const [code] = await once(npm, 'close').catch((error) =>
    fail(`npm cannot be started: ${error.message}`, 'install npm, which comes with Node'),
  );
  process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  clearInterval(ticker);
  if (interrupted) process.exit(interrupted === 'SIGINT' ? 130 : 143);
  if (code !== 0) {
    process.stderr.write(output);
    fail(
      `npm ci ended with exit code ${code}`,
      'see its output above; it needs the package registry, or a filled npm cache',
    );
  }
  mark(wanted);
  say(`dependencies installed in ${seconds()} s`);
}

/** @param {string} wanted */
function mark(wanted) {
  try {
    writeFileSync(STAMP, wanted);
  } catch {
    // A read-only installation is compared again next time.
  }
}

/** The Node of the lockfile; the one at hand where that has no build for this machine and the other is new enough. */
function ownNode() {
  const own = join(root, 'node_modules/.bin/node');
  if (spawnSync(own, ['--version']).status === 0) return own;
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > 23 || (major === 23 && minor >= 6) || (major === 22 && minor >= 18)) return process.execPath;
  return fail(
    `there is no Node 24 for ${process.platform}-${process.arch} in the dependencies, and this is ${process.versions.node}`,
    'install Node 24, then run this again',
  );
}

/** @param {string} message */
function say(message) {
  process.stderr.write(`hanzo-kms: ${message}\n`);
}
