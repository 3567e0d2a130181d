import type { Access, Need, ProjectAccess } from '../access/access.ts';
import type { Place } from '../access/permissions.ts';
import type { Db } from '../database/database.ts';
import { join, parentOf } from './paths.ts';
import { refuseEscape, type Way } from './prohibitions.ts';
import { type FolderRow, listFoldersBelow } from './store.ts';

/** What it takes to do something with folders in a place; without a path, anywhere in the environment. */
export const need = (action: Need['action'], environment: string, path?: string): Need => ({
  action,
  subject: 'secret-folders',
  environment,
  path,
});

/** Whoever may know of the secrets in a folder may know of the folder, also where no rule speaks of folders. */
export function mayLook({ rights }: ProjectAccess, at: Place): boolean {
  return rights.may('read', 'secret-folders', at) || rights.may('describeSecret', 'secrets', at);
}

/** Deleting a folder takes the right to delete all that goes with it. */
export async function mayDelete(access: Access, tx: Db, allowed: ProjectAccess, folder: FolderRow): Promise<void> {
  for (const { path } of await withBelow(tx, folder)) await needAll(access, allowed, 'delete', folder, path);
}

/**
 * A new name takes a folder, with all that is in it, out of the reach of some rules and into that of others. So it takes the
 * right to read and change all of it where it is, and to put it where it goes: else a name would open what a path keeps closed.
 */
export async function mayMove(
  access: Access,
  tx: Db,
  allowed: ProjectAccess,
  folder: FolderRow,
  newName: string,
): Promise<void> {
  const moved = await withBelow(tx, folder);
  for (const { path } of moved) {
    for (const action of ['read', 'edit'] as const) await needAll(access, allowed, action, folder, path);
  }
  const renamed = join(parentOf(folder.path), newName);
  const ways = moved.map(({ path }) => ({ from: path, to: renamed + path.slice(folder.path.length) }));
  for (const { to } of ways) await needAll(access, allowed, 'create', folder, to);
  await refuseEscape(tx, allowed, folder.environment, ways as [Way, ...Way[]]);
}

const withBelow = async (tx: Db, folder: FolderRow) => [
  folder,
  ...(await listFoldersBelow(tx, folder.environmentId, folder.path)),
];

const needAll = (
  access: Access,
  allowed: ProjectAccess,
  action: Need['action'],
  { environment }: FolderRow,
  path: string,
) => access.needEverywhere(allowed, { action, subject: 'secrets', environment, path });
