import { Uuid } from '../../contracts/index.ts';
import type { Access, Caller, Need, ProjectAccess, ProjectRecord, ProjectReference } from '../access/access.ts';
import type { Database, Db } from '../database/database.ts';
import { takenAs } from '../database/taken.ts';
import { noEnvironment, noFolder } from '../environments/missing.ts';
import { type EnvironmentRow, environmentSlugs, listEnvironments } from '../environments/store.ts';
import { asIfAbsent, notFound } from '../refusal.ts';
import { ensureFolder } from './ensure.ts';
import { join, parentOf, refuseDeepPath, refuseLongPath } from './paths.ts';
import { mayDelete, mayLook, mayMove, need } from './rights.ts';
import {
  deleteFolder,
  type FolderRow,
  findFolder,
  findFolderAt,
  lastModified,
  listFolders,
  listFoldersBelow,
  listFoldersOf,
  longestPath,
  renameFolder,
} from './store.ts';

/** A path in an environment: where folders are looked for, made and changed. */
export interface FolderPlace {
  readonly environment: string;
  readonly path: string;
}
export interface NewFolder extends FolderPlace {
  readonly name: string;
  readonly description?: string | null | undefined;
}
/** A folder in the place, by its id or, directly in it, by its name. */
export interface NamedFolder extends FolderPlace {
  readonly id: string;
}
/** Without a description it keeps the one that it has. */
export type FolderChange = NewFolder & NamedFolder;

/** A folder as it is shown. */
export interface ShownFolder extends FolderRow {
  readonly lastSecretModified: Date | null;
}

/** @default all of the folders directly in the place */
export interface FolderListing {
  readonly recursive?: boolean;
  /** Only those in which a secret was changed since. */
  readonly since?: Date | undefined;
  readonly offset?: number | undefined;
  readonly limit?: number | undefined;
}

/** Where a folder is, in its project. */
type Address = FolderPlace & { readonly projectId: string };

interface Done {
  readonly folder: FolderRow;
  readonly records: readonly ProjectRecord[];
}

/** Folders group the secrets of an environment (HIP-27, "Folders"). Their rights go with the secrets in them. */
export class Folders {
  readonly #db: Database;
  readonly #access: Access;

  constructor(options: { db: Database; access: Access }) {
    this.#db = options.db;
    this.#access = options.access;
  }

  /**
   * Makes folders, with the missing ones above them: all, or none. One that is there already is answered as it is, as Infisical
   * does.
   */
  async create(caller: Caller, project: ProjectReference, given: readonly NewFolder[]): Promise<ShownFolder[]> {
    for (const { path, name } of given) {
      refuseDeepPath(path);
      refuseLongPath(join(path, name).length);
    }
    return this.#change(caller, project, 'create', given, async (tx, allowed, one) => {
      const { environment, path, name, description } = one;
      await this.#root(tx, allowed, environment);
      const mayMakeIn = (above: string) => this.#access.need(allowed, need('create', environment, above));
      const at = [allowed.project.id, environment, join(path, name)] as const;
      const { folder, made } = await ensureFolder(tx, ...at, mayMakeIn, description);
      return { folder, records: made.map((created) => record('create', environment, created)) };
    });
  }

  async list(caller: Caller, at: Address, listing: FolderListing = {}): Promise<ShownFolder[]> {
    const allowed = await this.#access.project(caller, { id: at.projectId });
    if (!mayLook(allowed, { environment: at.environment }))
      await this.#access.need(allowed, need('read', at.environment));
    const folder = await this.#at(this.#db, allowed, at);
    const found = listing.recursive
      ? await listFoldersBelow(this.#db, folder.environmentId, folder.path)
      : await listFolders(this.#db, folder.id);
    const { since, offset = 0, limit = Number.POSITIVE_INFINITY } = listing;
    const visible = found.filter(({ path }) => mayLook(allowed, { environment: at.environment, path }));
    if (since === undefined) return withLastModified(this.#db, visible.slice(offset, offset + limit));
    const dated = await withLastModified(this.#db, visible);
    return dated.filter(({ lastSecretModified: last }) => last !== null && last >= since).slice(offset, offset + limit);
  }

  /** Every environment of a project that the caller may look into, with the folders of it that it may know of. */
  async tree(
    caller: Caller,
    projectId: string,
  ): Promise<{ readonly environment: EnvironmentRow; readonly folders: readonly ShownFolder[] }[]> {
    const allowed = await this.#access.project(caller, { id: projectId }, { action: 'read', subject: 'environments' });
    const environments = await listEnvironments(this.#db, projectId);
    const all = (await listFoldersOf(this.#db, projectId)).filter((folder) => mayLook(allowed, folder));
    const shown = await withLastModified(this.#db, all);
    return environments
      .filter(({ slug }) => mayLook(allowed, { environment: slug }))
      .map((environment) => ({
        environment,
        folders: shown.filter(({ environmentId }) => environmentId === environment.id),
      }));
  }

  /** By its id alone. In a project of strangers it is not there. */
  async get(caller: Caller, id: string): Promise<ShownFolder> {
    const folder = await findFolder(this.#db, id);
    if (!folder) {
      await this.#access.actor(caller);
      throw notFound(`folder ${id} not found`);
    }
    const { projectId } = folder;
    const allowed = await asIfAbsent(
      () => notFound(`folder ${id} not found`),
      () => this.#access.project(caller, { id: projectId }),
    );
    return this.#look(allowed, folder);
  }

  async getAt(caller: Caller, at: Address): Promise<ShownFolder> {
    const allowed = await this.#access.project(caller, { id: at.projectId });
    // Whether it is there is told to those who may know of it, were it there.
    if (!mayLook(allowed, at)) await this.#access.need(allowed, need('read', at.environment, at.path));
    return this.#look(allowed, await this.#at(this.#db, allowed, at));
  }

  async #look(allowed: ProjectAccess, folder: FolderRow): Promise<ShownFolder> {
    const { environment, path } = folder;
    if (!mayLook(allowed, { environment, path })) await this.#access.need(allowed, need('read', environment, path));
    return (await withLastModified(this.#db, [folder]))[0]!;
  }

  /** Renames folders and describes them anew, one after the other: all, or none. */
  async update(caller: Caller, project: ProjectReference, changes: readonly FolderChange[]): Promise<ShownFolder[]> {
    const names = changes.map(({ name }) => `"${name}"`).join(', ');
    return takenAs(`folder ${names} exists already beside it`, () =>
      this.#change(caller, project, 'edit', changes, async (tx, allowed, change) => {
        const folder = await this.#child(tx, allowed, change);
        const { environment, name, description } = change;
        await this.#access.need(allowed, need('edit', environment, parentOf(folder.path)));
        if (name !== folder.name) await mayMove(this.#access, tx, allowed, folder, name);
        refuseLongPath((await longestPath(tx, folder)) + name.length - folder.name.length);
        await renameFolder(tx, folder, name, description);
        const renamed = (await findFolder(tx, folder.id))!;
        const metadata = { before: folder.path };
        return { folder: renamed, records: [{ ...record('update', environment, renamed.path), metadata }] };
      }),
    );
  }

  /** Deletes folders with all that is in them: all, or none. */
  async remove(caller: Caller, project: ProjectReference, named: readonly NamedFolder[]): Promise<ShownFolder[]> {
    return this.#change(caller, project, 'delete', named, async (tx, allowed, one) => {
      const folder = await this.#child(tx, allowed, one);
      await this.#access.need(allowed, need('delete', one.environment, parentOf(folder.path)));
      await mayDelete(this.#access, tx, allowed, folder);
      const [shown] = await withLastModified(tx, [folder]);
      await deleteFolder(tx, folder.id);
      return { folder: shown!, records: [record('delete', one.environment, folder.path)] };
    });
  }

  async #change<Item extends FolderPlace>(
    caller: Caller,
    project: ProjectReference,
    action: Need['action'],
    items: readonly Item[],
    work: (tx: Db, allowed: ProjectAccess, item: Item) => Promise<Done>,
  ): Promise<ShownFolder[]> {
    const needs = items.map(({ environment, path }) => need(action, environment, path));
    const allowed = await this.#access.project(caller, project, ...needs);
    return this.#access.change(allowed, needs, async (tx, audit, again) => {
      const done: Done[] = [];
      for (const item of items) done.push(await work(tx, again, item));
      const records = done.flatMap((one) => one.records);
      if (records.length > 0) await audit(records);
      // As they are when all is done: a folder may have moved along with a later one.
      const folders: FolderRow[] = [];
      for (const { folder } of done) folders.push((await findFolder(tx, folder.id)) ?? folder);
      return withLastModified(tx, folders);
    });
  }

  async #root(db: Db, allowed: ProjectAccess, environment: string): Promise<FolderRow> {
    return this.#at(db, allowed, { projectId: allowed.project.id, environment, path: '/' });
  }

  async #at(db: Db, allowed: ProjectAccess, { projectId, environment, path }: Address): Promise<FolderRow> {
    const folder = await findFolderAt(db, projectId, environment, path);
    if (folder) return folder;
    if ((await environmentSlugs(db, projectId)).includes(environment)) {
      throw noFolder(allowed.project.slug, environment, path);
    }
    throw await noEnvironment(db, allowed.project, environment);
  }

  /** A folder named by id anywhere in the environment, or by name in the path. The root is nobody's child. */
  async #child(db: Db, allowed: ProjectAccess, { environment, path, id: idOrName }: NamedFolder): Promise<FolderRow> {
    const projectId = allowed.project.id;
    const parent = await this.#at(db, allowed, { projectId, environment, path });
    const folder = Uuid.safeParse(idOrName).success
      ? await findFolder(db, idOrName)
      : await findFolderAt(db, projectId, environment, join(parent.path, idOrName));
    if (folder?.projectId !== projectId || folder.environment !== environment || folder.parentId === null) {
      throw notFound(`folder "${idOrName}" not found in "${path}" of environment "${environment}"`);
    }
    return folder;
  }
}

async function withLastModified(db: Db, folders: readonly FolderRow[]): Promise<ShownFolder[]> {
  const last = await lastModified(
    db,
    folders.map(({ id }) => id),
  );
  return folders.map((folder) => ({ lastSecretModified: null, ...folder, ...dated(last.get(folder.id)) }));
}

const dated = (at: Date | null | undefined) => (at ? { lastSecretModified: at } : {});

const record = (action: 'create' | 'update' | 'delete', environment: string, secretPath: string): ProjectRecord => ({
  action,
  event: `${action}-folder`,
  environment,
  secretPath,
});
