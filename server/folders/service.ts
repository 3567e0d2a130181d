import { MAX_PATH_CHARACTERS, Uuid } from '../../contracts/index.ts';
import type { Access, Caller, Need, ProjectAccess, ProjectRecord } from '../access/access.ts';
import type { Place } from '../access/permissions.ts';
import type { Database, Db } from '../database/database.ts';
import { takenAs } from '../database/taken.ts';
import { noEnvironment, noFolder } from '../environments/missing.ts';
import { environmentSlugs } from '../environments/store.ts';
import { badRequest, notFound } from '../refusal.ts';
import { ensureFolder } from './ensure.ts';
import {
  deleteFolder,
  type FolderRow,
  findFolder,
  findFolderAt,
  listFolders,
  listFoldersBelow,
  longestPath,
  renameFolder,
} from './store.ts';

/** Where folders are looked for: a path in an environment of a project. */
export interface FolderAddress {
  readonly projectId: string;
  readonly environment: string;
  readonly path: string;
}

const MAX_DEPTH = 32;

/** Folders group the secrets of an environment (HIP-27, "Folders"). Their rights go with the secrets in them. */
export class Folders {
  readonly #db: Database;
  readonly #access: Access;

  constructor(options: { db: Database; access: Access }) {
    this.#db = options.db;
    this.#access = options.access;
  }

  /** Makes a folder, with the missing ones above it. One that is there already is answered as it is, as Infisical does. */
  async create(caller: Caller, at: FolderAddress, name: string): Promise<FolderRow> {
    const depth = at.path === '/' ? 1 : at.path.split('/').length;
    if (depth > MAX_DEPTH) throw badRequest(`a path has at most ${MAX_DEPTH} levels`);
    refuseLongPath(at.path === '/' ? name.length + 1 : at.path.length + 1 + name.length);
    return this.#change(caller, at, 'create', async (tx, allowed) => {
      await this.#root(tx, allowed, at.environment);
      const path = at.path === '/' ? `/${name}` : `${at.path}/${name}`;
      const mayMakeIn = (above: string) => this.#access.need(allowed, need('create', at.environment, above));
      const { folder, made } = await ensureFolder(tx, at.projectId, at.environment, path, mayMakeIn);
      return { folder, records: made.map((one) => record('create', at.environment, one)) };
    });
  }

  async list(caller: Caller, at: FolderAddress, recursive: boolean): Promise<FolderRow[]> {
    const allowed = await this.#access.project(caller, { id: at.projectId });
    if (!mayLook(allowed, { environment: at.environment }))
      await this.#access.need(allowed, need('read', at.environment));
    const folder = await this.#at(this.#db, allowed, at);
    const found = recursive
      ? await listFoldersBelow(this.#db, folder.environmentId, folder.path)
      : await listFolders(this.#db, folder.id);
    return found.filter(({ path }) => mayLook(allowed, { environment: at.environment, path }));
  }

  async get(caller: Caller, id: string): Promise<FolderRow> {
    const folder = await findFolder(this.#db, id);
    // Somebody else's folder is not told apart from none: the project is asked for first, and is a 404 to strangers.
    if (!folder) {
      await this.#access.actor(caller);
      throw notFound(`folder ${id} not found`);
    }
    try {
      const allowed = await this.#access.project(caller, { id: folder.projectId });
      const { environment, path } = folder;
      if (!mayLook(allowed, { environment, path })) await this.#access.need(allowed, need('read', environment, path));
    } catch (error) {
      if ((error as { kind?: string }).kind === 'notFound') throw notFound(`folder ${id} not found`);
      throw error;
    }
    return folder;
  }

  async rename(caller: Caller, at: FolderAddress, id: string, name: string): Promise<FolderRow> {
    return takenAs(`folder "${name}" exists already beside it`, () =>
      this.#change(caller, at, 'edit', async (tx, allowed) => {
        const folder = await this.#child(tx, allowed, at, id);
        await this.#access.need(allowed, need('edit', at.environment, parentOf(folder.path)));
        await this.#needWithin(tx, allowed, folder, ['read', 'edit'], name);
        refuseLongPath((await longestPath(tx, folder)) + name.length - folder.name.length);
        await renameFolder(tx, folder, name);
        const renamed = (await findFolder(tx, folder.id))!;
        return {
          folder: renamed,
          records: [{ ...record('update', at.environment, renamed.path), metadata: { before: folder.path } }],
        };
      }),
    );
  }

  /** Deletes a folder with all that is in it. */
  async remove(caller: Caller, at: FolderAddress, idOrName: string): Promise<FolderRow> {
    return this.#change(caller, at, 'delete', async (tx, allowed) => {
      const folder = await this.#child(tx, allowed, at, idOrName);
      await this.#access.need(allowed, need('delete', at.environment, parentOf(folder.path)));
      await this.#needWithin(tx, allowed, folder, ['delete']);
      await deleteFolder(tx, folder.id);
      return { folder, records: [record('delete', at.environment, folder.path)] };
    });
  }

  async #change(
    caller: Caller,
    at: FolderAddress,
    action: Need['action'],
    work: (tx: Db, allowed: ProjectAccess) => Promise<{ folder: FolderRow; records: ProjectRecord[] }>,
  ): Promise<FolderRow> {
    const needs = [need(action, at.environment, at.path)];
    const allowed = await this.#access.project(caller, { id: at.projectId }, ...needs);
    return this.#access.change(allowed, needs, async (tx, audit, again) => {
      const { folder, records } = await work(tx, again);
      if (records.length > 0) await audit(records);
      return folder;
    });
  }

  /**
   * A folder takes what is in it along. Deleting one takes the right to delete all that goes; a new name takes it out of the
   * reach of some rules and into that of others, so that it takes the right to read and change all of it where it is, and
   * to put it where it goes: else a name would open what a path keeps closed.
   */
  async #needWithin(
    tx: Db,
    allowed: ProjectAccess,
    folder: FolderRow,
    actions: readonly ('read' | 'edit' | 'delete')[],
    newName?: string,
  ): Promise<void> {
    const { environment } = folder;
    const renamed = newName === undefined ? undefined : join(parentOf(folder.path), newName);
    for (const { path } of [folder, ...(await listFoldersBelow(tx, folder.environmentId, folder.path))]) {
      for (const action of actions)
        await this.#access.needEverywhere(allowed, { ...secrets(action, environment), path });
      if (renamed === undefined) continue;
      const goesTo = renamed + path.slice(folder.path.length);
      await this.#access.needEverywhere(allowed, { ...secrets('create', environment), path: goesTo });
    }
  }

  async #root(db: Db, allowed: ProjectAccess, environment: string): Promise<FolderRow> {
    return this.#at(db, allowed, { projectId: allowed.project.id, environment, path: '/' });
  }

  async #at(db: Db, allowed: ProjectAccess, { projectId, environment, path }: FolderAddress): Promise<FolderRow> {
    const folder = await findFolderAt(db, projectId, environment, path);
    if (folder) return folder;
    if ((await environmentSlugs(db, projectId)).includes(environment)) {
      throw noFolder(allowed.project.slug, environment, path);
    }
    throw await noEnvironment(db, allowed.project, environment);
  }

  /** A folder named by id anywhere in the environment, or by name in the path. The root is nobody's child. */
  async #child(db: Db, allowed: ProjectAccess, at: FolderAddress, idOrName: string): Promise<FolderRow> {
    const parent = await this.#at(db, allowed, at);
    const folder = Uuid.safeParse(idOrName).success
      ? await findFolder(db, idOrName)
      : await findFolderAt(
          db,
          at.projectId,
          at.environment,
          parent.path === '/' ? `/${idOrName}` : `${parent.path}/${idOrName}`,
        );
    if (
      !folder ||
      folder.projectId !== at.projectId ||
      folder.environment !== at.environment ||
      folder.parentId === null
    ) {
      throw notFound(`folder "${idOrName}" not found in "${at.path}" of environment "${at.environment}"`);
    }
    return folder;
  }
}

/** A folder whose path is longer than a request can name could be made, and never be read again. */
function refuseLongPath(characters: number): void {
  if (characters > MAX_PATH_CHARACTERS) throw badRequest(`a path has at most ${MAX_PATH_CHARACTERS} characters`);
}

const need = (action: Need['action'], environment: string, path?: string): Need => ({
  action,
  subject: 'secret-folders',
  environment,
  path,
});
const secrets = (action: Need['action'], environment: string): Need => ({ action, subject: 'secrets', environment });

const parentOf = (path: string) => path.slice(0, path.lastIndexOf('/')) || '/';
const join = (parent: string, name: string) => (parent === '/' ? `/${name}` : `${parent}/${name}`);

/** Whoever may know of the secrets in a folder may know of the folder, also where no rule speaks of folders. */
function mayLook({ rights }: ProjectAccess, at: Place): boolean {
  return rights.may('read', 'secret-folders', at) || rights.may('describeSecret', 'secrets', at);
}

const record = (action: 'create' | 'update' | 'delete', environment: string, secretPath: string): ProjectRecord => ({
  action,
  event: `${action}-folder`,
  environment,
  secretPath,
});
