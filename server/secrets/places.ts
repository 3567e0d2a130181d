import type { ProjectAccess } from '../access/access.ts';
import type { Db } from '../database/database.ts';
import { noEnvironment, noFolder } from '../environments/missing.ts';
import { badRequest } from '../refusal.ts';
import { findPlaces, type Writing } from './write-store.ts';

/** A folder that is written to, with what is needed to seal and to date what goes there. */
export interface Home {
  readonly projectId: string;
  readonly environmentId: string;
  readonly folderId: string;
  readonly environment: string;
  readonly path: string;
}

export interface Places {
  readonly homes: ReadonlyMap<string, Home>;
  /** The project's newest data key. */
  readonly key: { readonly version: number; readonly wrapped: Buffer };
  readonly writing: Writing;
  /** The project wants names in upper case. */
  readonly upperCase: boolean;
}

/** The folders of an environment that a change names by their paths, each one of which must be there. */
export async function openPlaces(
  tx: Db,
  allowed: ProjectAccess,
  environment: string,
  paths: readonly string[],
): Promise<Places> {
  const { id: projectId, slug } = allowed.project;
  const rows = await findPlaces(tx, projectId, environment, [...new Set(paths)]);
  const homes = new Map<string, Home>();
  for (const { environmentId, folderId, path } of rows) {
    if (environmentId === null) throw await noEnvironment(tx, allowed.project, environment);
    if (folderId !== null) homes.set(path, { projectId, environmentId, folderId, environment, path });
  }
  for (const path of paths) if (!homes.has(path)) throw noFolder(slug, environment, path);
  const { keyVersion: version, wrappedKey: wrapped, upperCase, at } = rows[0]!;
  return { homes, key: { version, wrapped }, writing: { projectId, actorId: allowed.actor.id, at }, upperCase };
}

/** Refuses new names with lower-case letters where the project wants none; Infisical refuses them as well, and changes none. */
export function refuseLowerCase({ upperCase }: Places, keys: readonly string[]): void {
  const lower = upperCase ? keys.filter((key) => key !== key.toUpperCase()) : [];
  if (lower.length === 0) return;
  throw badRequest(
    `secret names must be in UPPERCASE in this project: ${lower.map((key) => `"${key}"`).join(', ')}; ` +
      "its autoCapitalization can be switched off in the project's settings",
    { secretKeys: lower },
  );
}
