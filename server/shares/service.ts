import type { Access, Caller, Need, ProjectRecord } from '../access/access.ts';
import type { Database } from '../database/database.ts';
import { takenAs } from '../database/taken.ts';
import { noEnvironment, noFolder } from '../environments/missing.ts';
import { environmentSlugs } from '../environments/store.ts';
import { findFolderAt } from '../folders/store.ts';
import { badRequest, notFound } from '../refusal.ts';
import { deleteShare, findShare, insertShare, type ShareRow, sharesOf, sharesWith } from './store.ts';

/**
 * Folders that other projects of the organization may import: one value in one place (HIP-27, "Motivation"). Who reads
 * through an import needs no membership of the project that shares; so sharing is for those who run it.
 */
export class Shares {
  readonly #db: Database;
  readonly #access: Access;

  constructor(options: { db: Database; access: Access }) {
    this.#db = options.db;
    this.#access = options.access;
  }

  async given(caller: Caller, projectId: string): Promise<ShareRow[]> {
    await this.#access.project(caller, { id: projectId }, { action: 'read', subject: 'workspace' });
    return sharesOf(this.#db, projectId);
  }

  async received(caller: Caller, projectId: string): Promise<ShareRow[]> {
    await this.#access.project(caller, { id: projectId }, { action: 'read', subject: 'workspace' });
    return sharesWith(this.#db, projectId);
  }

  async share(
    caller: Caller,
    projectId: string,
    { environment, path, targetProjectId }: { environment: string; path: string; targetProjectId: string },
  ): Promise<ShareRow> {
    const allowed = await this.#access.project(caller, { id: projectId }, RUN_PROJECT);
    if (targetProjectId === projectId) throw badRequest('a project need not share a folder with itself; import it');
    // Nobody gives away what they could not read themselves.
    if (!allowed.rights.everywhere('read', 'secrets', { environment, path })) {
      await this.#access.deny(allowed, 'share a folder of which it may not read all', 'admin of the project');
    }
    return this.#access.change(allowed, [RUN_PROJECT], async (tx, audit) => {
      const folder = await findFolderAt(tx, projectId, environment, path);
      if (!folder) {
        const known = (await environmentSlugs(tx, projectId)).includes(environment);
        throw known
          ? noFolder(allowed.project.slug, environment, path)
          : await noEnvironment(tx, allowed.project, environment);
      }
      const id = await takenAs('this folder is shared with that project already', () =>
        insertShare(tx, folder.id, targetProjectId),
      );
      if (id === undefined) throw notFound(`project ${targetProjectId} not found in this organization`);
      const row = (await findShare(tx, projectId, id))!;
      await audit([record('create', row)]);
      return row;
    });
  }

  /** Ends a share, and with it, from the next request on, every read through it. */
  async withdraw(caller: Caller, projectId: string, id: string): Promise<ShareRow> {
    const allowed = await this.#access.project(caller, { id: projectId }, RUN_PROJECT);
    return this.#access.change(allowed, [RUN_PROJECT], async (tx, audit) => {
      const row = await findShare(tx, projectId, id);
      if (!row) throw notFound(`folder share ${id} not found in project "${allowed.project.slug}"`);
      await deleteShare(tx, id);
      await audit([record('delete', row)]);
      return row;
    });
  }
}

const RUN_PROJECT: Need = { action: 'edit', subject: 'workspace' };

const record = (action: 'create' | 'delete', row: ShareRow): ProjectRecord => ({
  action,
  event: `${action}-folder-share`,
  environment: row.environment,
  secretPath: row.path,
  metadata: { folderShareId: row.id, targetProjectId: row.targetProjectId },
});
