import { createHash } from 'node:crypto';
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/** A lock is signed at once, and no installation takes as long as this. */
const UNSIGNED_MS = 5_000;
const LONGEST_MS = 30 * 60_000;

/**
 * Runs `work` while no other process runs its own for the same folder. The lock lies outside of the folder: npm ci removes
 * node_modules, and a lock elsewhere in the clone would show up in git. A killed holder's lock is taken.
 *
 * @param {string} folder
 * @param {(message: string) => void} say
 * @param {() => Promise<void>} work
 */
export async function withLock(folder, say, work) {
  const id = createHash('sha256').update(folder).digest('hex').slice(0, 16);
  const path = join(tmpdir(), `hanzo-kms-install-${process.getuid?.() ?? 0}-${id}.lock`);
  let told = false;
  while (!(await take(path))) {
    if (!told) say(`waiting for another process that installs the dependencies (pid ${holderOf(path) ?? 'unknown'})`);
    told = true;
    await pause(250);
  }
  const release = () => rmSync(path, { force: true });
  process.on('exit', release);
  try {
    await work();
  } finally {
    process.off('exit', release);
    release();
  }
}

/** @param {string} path */
async function take(path) {
  const holder = holderOf(path);
  // A holder that died before it wrote its id, or whose id another program has by now, is known by the age of the lock.
  const abandoned = holder === undefined ? ageOf(path) > UNSIGNED_MS : !isAlive(holder) || ageOf(path) > LONGEST_MS;
  if (abandoned) rmSync(path, { force: true });
  try {
    writeFileSync(path, String(process.pid), { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'EEXIST') return false;
    throw error;
  }
  // Two that found the same dead holder may each have removed the file, the second one ours.
  await pause(100);
  return holderOf(path) === process.pid;
}

/** @param {string} path */
function ageOf(path) {
  try {
    return Date.now() - statSync(path).mtimeMs;
  } catch {
    return 0;
  }
}

/** @param {string} path */
function holderOf(path) {
  try {
    return Number(readFileSync(path, 'utf8')) || undefined;
  } catch {
    return undefined;
  }
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'EPERM';
  }
}
