import type { Db } from '../database/database.ts';
import { parentOf } from './paths.ts';
import { type FolderRow, findFolderAt, insertFolder } from './store.ts';

/**
 * The folder at a path of an environment that is there, with the missing ones above it; tells which were made.
 *
 * @param mayMakeIn throws when the caller may not make a folder in the one at this path
 * @param description of the folder at the path, when it is made
 */
export async function ensureFolder(
  tx: Db,
  projectId: string,
  environment: string,
  path: string,
  mayMakeIn: (path: string) => Promise<void>,
  description?: string | null,
): Promise<{ readonly folder: FolderRow; readonly made: readonly string[] }> {
  const there = await findFolderAt(tx, projectId, environment, path);
  if (there) return { folder: there, made: [] };
  const above = await ensureFolder(tx, projectId, environment, parentOf(path), mayMakeIn);
  await mayMakeIn(above.folder.path);
  const folder = await insertFolder(tx, above.folder, path.slice(path.lastIndexOf('/') + 1), description);
  return { folder, made: [...above.made, path] };
}
