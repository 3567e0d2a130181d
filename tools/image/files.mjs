import { chmodSync, lstatSync, lutimesSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Each node of a cluster pulls and keeps them. */
export const MOST_BYTES_OF_DEPENDENCIES = 80_000_000;

/** A layer is a tar archive: a header for each file, and its bytes in blocks of this size. */
const BLOCK = 512;
/** The moment that npm gives every file of a tarball. */
const NPM_MOMENT = 499_162_500;

/**
 * The size of a file or a folder in a layer, before compression.
 *
 * @param {string} path
 * @returns {number}
 */
export function bytesIn(path) {
  const about = lstatSync(path);
  if (about.isDirectory()) return readdirSync(path).reduce((sum, name) => sum + bytesIn(join(path, name)), BLOCK);
  return BLOCK + (about.isFile() ? Math.ceil(about.size / BLOCK) * BLOCK : 0);
}

/**
 * Gives every file the same time and rights whoever built it and when: the layer is the same bytes.
 *
 * @param {string} path
 * @param {number | undefined} epoch seconds since 1970
 */
export function settle(path, epoch = NPM_MOMENT) {
  const about = lstatSync(path);
  if (about.isDirectory()) for (const name of readdirSync(path)) settle(join(path, name), epoch);
  if (!about.isSymbolicLink()) chmodSync(path, about.isDirectory() || about.mode & 0o100 ? 0o755 : 0o644);
  lutimesSync(path, epoch, epoch);
}
