import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { UserError } from './problem.ts';

/** A file is already there, and it must not be replaced. */
export class FileExists extends Error {
  override readonly name = 'FileExists';
  readonly file: string;

  constructor(file: string) {
    super(`${file} exists already and is not overwritten`);
    this.file = file;
  }
}

/**
 * Writes a file that only its owner can read (mode 0600) and that survives a crash: it is complete under its name or
 * not there at all, and on the disk when this returns. With `exclusive` an existing file is refused, not replaced.
 */
export async function writeDurably(file: string, text: string, { exclusive = false } = {}): Promise<void> {
  const draft = await draftFile(file);
  await draft.commit(text, { exclusive });
}

/** A place for a file's content, made before the content exists: a secret that cannot be stored is then never made. */
export interface Draft {
  commit(text: string, options?: { exclusive?: boolean }): Promise<void>;
  discard(): Promise<void>;
}

/** Makes the place, readable by its owner alone, and takes away what a killed process left there. */
export async function draftFile(file: string): Promise<Draft> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await sweepDrafts(file);
  const path = `${file}.${randomBytes(6).toString('hex')}.tmp`;
  const handle = await open(path, 'wx', 0o600);
  const discard = async () => {
    await handle.close().catch(() => {});
    await rm(path, { force: true });
  };
  return {
    discard,
    async commit(text, { exclusive = false } = {}) {
      try {
        await handle.writeFile(text);
        await handle.sync();
        await handle.close();
        // link refuses an existing name in one step; a look before a rename would leave a gap between the two.
        if (exclusive) await link(path, file);
        else await rename(path, file);
        await syncFolder(dirname(file));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw new FileExists(file);
        throw error;
      } finally {
        await discard();
      }
    },
  };
}

/** A draft lives for one request; older ones were left by a process that was killed, and may hold a secret. */
const DRAFT_MS = 10 * 60_000;

async function sweepDrafts(file: string): Promise<void> {
  const drafts = (await readdir(dirname(file))).filter(
    (name) => name.startsWith(`${basename(file)}.`) && name.endsWith('.tmp'),
  );
  for (const name of drafts) {
    const path = join(dirname(file), name);
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }));
    if (Date.now() - mtimeMs > DRAFT_MS) await rm(path, { force: true });
  }
}

/** Removes a file so that a crash does not bring it back. */
export async function removeDurably(file: string): Promise<void> {
  await rm(file, { force: true });
  await syncFolder(dirname(file));
}

/** The content of a file, or nothing when there is none. */
export async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * The content of a file that writeDurably made, or nothing when there is none. Such files say where credentials are sent
 * and what the first credential is; in a folder that others write, or in a repository that was cloned, somebody else may
 * have put one there. Ours belong to us with mode 0600, which a checkout never gives. Asked of the open file, so that
 * nobody exchanges it in between.
 */
export async function readOwnIfThere(file: string): Promise<string | undefined> {
  const handle = await open(file, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (!handle) return undefined;
  try {
    const { uid, mode } = await handle.stat();
    if (process.geteuid && (uid !== process.geteuid() || (mode & 0o077) !== 0)) {
      throw new UserError(
        `${file} is not yours alone (owner ${uid}, mode ${(mode & 0o777).toString(8)}), so it is not trusted`,
        `remove it; if you know that it is yours: chmod 600 ${file}`,
      );
    }
    return await handle.readFile('utf8');
  } finally {
    await handle.close();
  }
}

// The name of a new file is part of its folder, which has to reach the disk too. Not every platform opens folders.
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => undefined);
  await handle?.sync().catch(() => {});
  await handle?.close();
}
