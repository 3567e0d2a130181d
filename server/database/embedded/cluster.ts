import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chown,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  realpath,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Account, canEnter, isRoot, runAs, unprivilegedAccount } from './account.ts';
import { type Binaries, readyBinaries } from './binaries.ts';

/** Where root keeps what Postgres must reach and cannot reach in the data folder. */
const SYSTEM_FOLDER = '/var/lib/hanzo-kms';

/** A folder of Postgres data that is initialized, and what it takes to run and open it. */
export interface Cluster {
  /** As the user names it, for messages. */
  readonly dataDir: string;
  /** Postgres's own folder (PGDATA). */
  readonly data: string;
  readonly log: string;
  readonly binaries: Binaries;
  /** Who runs Postgres; undefined is the user of this process. */
  readonly account: Account | undefined;
  readonly passwords: Passwords;
}

/** Line 1 and line 2 of the file `password`; initdb reads the first line only. */
interface Passwords {
  /** Of `postgres`, the superuser: it makes the role and the database of the server, and holds the ownership lock. */
  readonly superuser: string;
  /** Of `kms`, which owns its database and nothing else. */
  readonly kms: string;
}

/**
 * Opens the data of a data folder; makes it when there is none. `<dataDir>/postgres` holds `data/` and `password`. It is
 * made beside its place and moved there whole, so a process killed in the middle leaves something to sweep and nothing
 * half-made. For root it may be a link into /var/lib/hanzo-kms: removing the data folder then loses the link, and a new
 * one never meets the old data.
 *
 * @throws Error in one line when the data is of another major version, gone, or another user's
 */
export async function openCluster(dataDir: string): Promise<Cluster> {
  await mkdir(dataDir, { recursive: true, mode: 0o711 });
  const folder = await realpath(dataDir);
  const home = join(folder, 'postgres');
  await sweep(folder);
  if (isRoot()) await sweep(SYSTEM_FOLDER);
  const account = (await ownerOf(home)) ?? (isRoot() ? await unprivilegedAccount() : undefined);
  const binaries = await readyBinaries(account, isRoot() ? SYSTEM_FOLDER : folder);
  if (!(await isInitialized(home))) await initialize(folder, home, binaries, account);
  await checkHome(dataDir, home, binaries, account);
  const [superuser, kms] = (await readFile(join(home, 'password'), 'utf8')).split('\n');
  return {
    dataDir,
    data: join(await realpath(home), 'data'),
    log: join(folder, 'postgres.log'),
    binaries,
    account,
    passwords: { superuser: superuser!, kms: kms! },
  };
}

/** Root runs Postgres as whoever the data belongs to: a data folder made by a user still works for that user afterwards. */
async function ownerOf(home: string): Promise<Account | undefined> {
  const data = await stat(join(home, 'data')).catch(() => undefined);
  if (!isRoot() || !data || data.uid === 0) return undefined;
  return { uid: data.uid, gid: data.gid, name: `uid ${data.uid}` };
}

async function isInitialized(home: string): Promise<boolean> {
  return stat(join(home, 'data', 'PG_VERSION')).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code === 'EACCES',
  );
}

async function checkHome(
  dataDir: string,
  home: string,
  binaries: Binaries,
  account: Account | undefined,
): Promise<void> {
  let version: string;
  try {
    version = (await readFile(join(home, 'data', 'PG_VERSION'), 'utf8')).trim();
  } catch {
    throw new Error(
      `data folder ${dataDir} belongs to another user; run as that user, or set KMS_DATA_DIR to a folder of your own`,
    );
  }
  if (version !== binaries.major) {
    throw new Error(
      `data folder ${dataDir} holds Postgres ${version} and this version brings Postgres ${binaries.major}; open it with the kms-server that made it, or set KMS_DATA_DIR to a new folder`,
    );
  }
  if (account && !(await canEnter(account, join(await realpath(home), 'data')))) {
    throw new Error(
      `data folder ${dataDir} cannot be entered by ${account.name}, who owns its database; open the folders above it (chmod o+x)`,
    );
  }
}

async function initialize(
  folder: string,
  home: string,
  binaries: Binaries,
  account: Account | undefined,
): Promise<void> {
  const lost = await readlink(home).catch(() => undefined);
  if (lost)
    throw new Error(`${home} leads to ${lost}, which is gone; restore that folder, or remove ${folder} to start anew`);
  if ((await readdir(home).catch(() => [])).length > 0 && !(await isInitialized(home)))
    throw new Error(nothingOfOurs(home));
  const outside = account !== undefined && !(await canEnter(account, folder));
  const id = randomBytes(8).toString('hex');
  if (outside) await mkdir(SYSTEM_FOLDER, { recursive: true, mode: 0o755 });
  const made = join(outside ? SYSTEM_FOLDER : folder, `postgres.new-${process.pid}-${id}`);
  try {
    await fill(made, binaries, account);
    if (outside) await moveOutside(made, join(SYSTEM_FOLDER, id), home);
    else await rename(made, home);
  } catch (error) {
    await rm(made, { recursive: true, force: true });
    // Another process was faster: its data is as good as ours.
    if (await isInitialized(home)) return;
    if (['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) {
      throw new Error(nothingOfOurs(home));
    }
    throw error;
  }
}

async function moveOutside(made: string, place: string, home: string): Promise<void> {
  await rename(made, place);
  try {
    await symlink(place, home);
  } catch (error) {
    await rm(place, { recursive: true, force: true });
    throw error;
  }
}

const nothingOfOurs = (home: string) =>
  `${home} holds no Postgres data; remove it, or set KMS_DATA_DIR to a new folder`;

async function fill(home: string, binaries: Binaries, account: Account | undefined): Promise<void> {
  const password = () => randomBytes(32).toString('base64url');
  await mkdir(home, { mode: 0o700 });
  await writeFile(join(home, 'password'), `${password()}\n${password()}\n`, { mode: 0o600, flush: true });
  if (account) {
    await chown(join(home, 'password'), account.uid, account.gid);
    await chown(home, account.uid, account.gid);
  }
  const options = [
    `--pgdata=${join(home, 'data')}`,
    '--username=postgres',
    `--pwfile=${join(home, 'password')}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    // The locale that Postgres brings itself: sorting stays the same on every machine and after every upgrade of libc.
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--locale=C',
    '--data-checksums',
    '--no-instructions',
  ];
  try {
    await promisify(execFile)(binaries.initdb, options, runAs(account));
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    const line = stderr?.split('\n').find((text) => /error|fatal/i.test(text)) ?? message;
    throw new Error(`Postgres cannot make its data in ${home}: ${line.replace(/^initdb: error: /, '')}`);
  }
}

/** Removes what an initialization left that was killed. Its maker may be alive only when it is at work right now. */
async function sweep(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const maker = /^postgres\.new-(\d+)-/.exec(name)?.[1];
    if (maker === undefined || Number(maker) === process.pid || (await isAlive(Number(maker), join(folder, name))))
      continue;
    await rm(join(folder, name), { recursive: true, force: true, maxRetries: 3 });
  }
}

/** A number may have come again since: initdb takes seconds, so an hour-old folder has no maker any more. */
async function isAlive(pid: number, made: string): Promise<boolean> {
  const age = Date.now() - ((await lstat(made).catch(() => undefined))?.mtimeMs ?? 0);
  if (age > 3_600_000) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
