import type { Access, Caller, Need, ProjectAccess, ProjectRecord } from '../access/access.ts';
import type { Database, Db } from '../database/database.ts';
import { takenAs } from '../database/taken.ts';
import { noEnvironment, noFolder } from '../environments/missing.ts';
import { environmentSlugs } from '../environments/store.ts';
import { findFolderAt } from '../folders/store.ts';
import { badRequest, notFound, Refusal } from '../refusal.ts';
import {
  deleteImport,
  type Ends,
  findImport,
  findShared,
  type ImportRow,
  insertImport,
  listImports,
  reaches,
  redirectImport,
  reorderImport,
} from './store.ts';

/** The folder whose imports are meant. */
export interface ImportAddress {
  readonly projectId: string;
  readonly environment: string;
  readonly path: string;
}

/** The folder that is imported; without a project, of the same one. */
export interface ImportSource {
  readonly environment: string;
  readonly path: string;
  readonly projectId?: string | undefined;
}

const MAX_IMPORTS = 100;

/**
 * Imports: a folder shows another's secrets beside its own. Within a project, readers need the right to what is imported as
 * well. Of another project, both sides have to want it: the one shares the folder (see shares/), the other's admin imports it.
 */
export class Imports {
  readonly #db: Database;
  readonly #access: Access;

  constructor(options: { db: Database; access: Access }) {
    this.#db = options.db;
    this.#access = options.access;
  }

  async list(caller: Caller, at: ImportAddress): Promise<ImportRow[]> {
    const allowed = await this.#access.project(caller, { id: at.projectId }, need('read', at));
    const rows = await listImports(this.#db, (await this.#folder(this.#db, allowed, at)).folderId);
    await this.#access.recordRead(allowed, {
      action: 'read',
      event: 'get-secret-imports',
      environment: at.environment,
      secretPath: at.path,
      metadata: { numberOfImports: rows.length },
    });
    return rows;
  }

  /** One import by its id. One of strangers is not told apart from none. */
  async get(caller: Caller, id: string): Promise<ImportRow> {
    const row = await findImport(this.#db, id);
    if (row === undefined) {
      await this.#access.actor(caller);
      throw noImport(id);
    }
    const allowed = await this.#access.project(caller, { id: row.projectId }).catch((error: unknown) => {
      throw error instanceof Refusal && error.kind === 'notFound' ? noImport(id) : error;
    });
    await this.#access.need(allowed, need('read', row));
    const { environment, path: secretPath } = row;
    const metadata = { secretImportId: id };
    await this.#access.recordRead(allowed, {
      action: 'read',
      event: 'get-secret-import',
      environment,
      secretPath,
      metadata,
    });
    return row;
  }

  async create(caller: Caller, at: ImportAddress, source: ImportSource): Promise<ImportRow> {
    return this.#change(caller, at, 'create', source, async (tx, allowed, into) => {
      if ((await listImports(tx, into.folderId)).length >= MAX_IMPORTS) {
        throw badRequest(`a folder imports at most ${MAX_IMPORTS} others`);
      }
      const from = await this.#source(tx, allowed, into, source);
      return takenAs('this folder imports that one already', () => insertImport(tx, into, from));
    });
  }

  async update(
    caller: Caller,
    at: ImportAddress,
    id: string,
    change: Partial<ImportSource> & { readonly position?: number | undefined },
  ): Promise<ImportRow> {
    const { environment, path, position } = change;
    const before = await findImport(this.#db, id);
    const source =
      before !== undefined && (environment !== undefined || path !== undefined)
        ? {
            environment: environment ?? before.sourceEnvironment,
            path: path ?? before.sourcePath,
            projectId: before.sourceProjectId,
          }
        : undefined;
    return this.#change(caller, at, 'edit', source, async (tx, allowed, into) => {
      await this.#own(tx, into, id);
      if (source) {
        const from = await this.#source(tx, allowed, into, source);
        await takenAs('this folder imports that one already', () => redirectImport(tx, id, from));
      }
      if (position !== undefined) await reorderImport(tx, into.folderId, id, position);
      return id;
    });
  }

  async remove(caller: Caller, at: ImportAddress, id: string): Promise<ImportRow> {
    const needs = [need('delete', at)];
    const allowed = await this.#access.project(caller, { id: at.projectId }, ...needs);
    return this.#access.change(allowed, needs, async (tx, audit) => {
      const row = await this.#own(tx, await this.#folder(tx, allowed, at), id);
      await deleteImport(tx, id);
      await audit([record('delete', row)]);
      return row;
    });
  }

  async #change(
    caller: Caller,
    at: ImportAddress,
    action: 'create' | 'edit',
    source: ImportSource | undefined,
    work: (tx: Db, allowed: ProjectAccess, into: Ends) => Promise<string>,
  ): Promise<ImportRow> {
    const needs = [need(action, at), ...(source ? [sourceNeed(at, source)] : [])];
    const allowed = await this.#access.project(caller, { id: at.projectId }, ...needs);
    return this.#access.change(allowed, needs, async (tx, audit) => {
      const id = await work(tx, allowed, await this.#folder(tx, allowed, at));
      const row = (await findImport(tx, id))!;
      await audit([record(action === 'edit' ? 'update' : action, row)]);
      return row;
    });
  }

  async #own(tx: Db, { folderId }: Ends, id: string): Promise<ImportRow> {
    const row = await findImport(tx, id);
    if (row?.folderId !== folderId) throw noImport(id);
    return row;
  }

  async #folder(db: Db, allowed: ProjectAccess, { environment, path }: ImportSource): Promise<Ends> {
    const { id: projectId, slug } = allowed.project;
    const folder = await findFolderAt(db, projectId, environment, path);
    if (folder) return { projectId, environmentId: folder.environmentId, folderId: folder.id };
    if ((await environmentSlugs(db, projectId)).includes(environment)) throw noFolder(slug, environment, path);
    throw await noEnvironment(db, allowed.project, environment);
  }

  async #source(tx: Db, allowed: ProjectAccess, into: Ends, source: ImportSource): Promise<Ends> {
    const { id, slug } = allowed.project;
    const { environment, path, projectId } = source;
    const foreign = projectId !== undefined && projectId !== id;
    const from = foreign
      ? await findShared(tx, id, projectId, environment, path)
      : await this.#folder(tx, allowed, source);
    // Whether the project or the folder is there at all is nothing that this one may learn.
    if (from === undefined) {
      throw notFound(
        `folder "${path}" of environment "${environment}" of project ${projectId} is not shared with project "${slug}"; ` +
          'an admin of that project can share it',
      );
    }
    if (await reaches(tx, from.folderId, into.folderId)) {
      throw badRequest(
        'Cyclic import not allowed: the imported folder is, or itself imports, the folder that would import it',
      );
    }
    return from;
  }
}

const need = (action: 'read' | 'create' | 'edit' | 'delete', { environment, path }: ImportSource): Need => ({
  action,
  subject: 'secret-imports',
  environment,
  path,
});

/** What is imported from another project is for the admins of this one to decide; from itself, for who may read it. */
function sourceNeed(at: ImportAddress, { projectId, environment, path }: ImportSource): Need {
  if (projectId !== undefined && projectId !== at.projectId) return { action: 'edit', subject: 'workspace' };
  return { action: 'read', subject: 'secrets', environment, path };
}

const noImport = (id: string) => notFound(`secret import ${id} not found`);

const record = (action: 'create' | 'update' | 'delete', row: ImportRow): ProjectRecord => ({
  action,
  event: `${action}-secret-import`,
  environment: row.environment,
  secretPath: row.path,
  metadata: {
    secretImportId: row.id,
    importFromProjectId: row.sourceProjectId,
    importFromEnvironment: row.sourceEnvironment,
    importFromSecretPath: row.sourcePath,
    position: row.position,
  },
});
