import type { Snapshot } from '../../contracts/index.ts';
import type { Access, Caller } from '../access/access.ts';
import type { Database } from '../database/database.ts';
import { noEnvironment, noFolder } from '../environments/missing.ts';
import { listFolders } from '../folders/store.ts';
import type { Keyring } from '../keyring/keyring.ts';
import { asIfAbsent, notFound } from '../refusal.ts';
import { type Rollbacks, refusePruned } from './rollback.ts';
import { showVersion } from './service.ts';
import { folderBetween, momentsOf, type SnapshotFolder, scopeOf, stateAt } from './store.ts';

/**
 * Infisical's snapshots, as moments of the history: nothing is copied for them. A snapshot's id is the moment and the
 * folder, in the form of a UUID (version 8 of RFC 9562: milliseconds, then what the application wants).
 */
export class Snapshots {
  readonly #db: Database;
  readonly #access: Access;
  readonly #keyring: Keyring;
  readonly #rollbacks: Rollbacks;

  constructor(options: { db: Database; access: Access; keyring: Keyring; rollbacks: Rollbacks }) {
    this.#db = options.db;
    this.#access = options.access;
    this.#keyring = options.keyring;
    this.#rollbacks = options.rollbacks;
  }

  async list(
    caller: Caller,
    projectId: string,
    at: { readonly environment: string; readonly path: string },
    page: { readonly offset: number; readonly limit: number },
  ): Promise<{ readonly snapshots: Snapshot[]; readonly count: number }> {
    const need = { action: 'read', subject: 'secret-rollback', ...at } as const;
    const { project } = await this.#access.project(caller, { id: projectId }, need);
    const scope = await scopeOf(this.#db, projectId, at.environment, at.path, false);
    const here = scope.find(({ deleted }) => !deleted);
    if (!here) {
      const root = await scopeOf(this.#db, projectId, at.environment, '/', false);
      throw root.length === 0
        ? await noEnvironment(this.#db, project, at.environment)
        : noFolder(project.slug, at.environment, at.path);
    }
    const folder = (await folderBetween(this.#db, here.id, here.id))!;
    const moments = await momentsOf(this.#db, here.id, page.offset, page.limit);
    return { snapshots: moments.map((moment) => show(folder, moment.at)), count: moments[0]?.total ?? 0 };
  }

  async get(caller: Caller, snapshotId: string) {
    const { folder, at, allowed } = await this.#reach(caller, snapshotId, 'read');
    const rows = await stateAt(this.#db, folder.environmentId, [folder.id], at);
    await refusePruned(this.#db, [folder.id], at);
    const folders = (await listFolders(this.#db, folder.id)).filter(({ createdAt }) => createdAt <= at);
    await this.#access.recordRead(allowed, {
      action: 'read',
      event: 'get-secret-snapshot',
      environment: folder.environment,
      secretPath: folder.path,
      metadata: { at: at.toISOString(), keys: rows.map(({ key }) => key) },
    });
    const { rights } = allowed;
    const seen = rows.filter(({ environment, path, key, tags }) =>
      rights.may('describeSecret', 'secrets', { environment, path, key, tags: tags.map(({ slug }) => slug) }),
    );
    return {
      id: snapshotId,
      projectId: folder.projectId,
      environment: { id: folder.environmentId, slug: folder.environment, name: folder.environmentName },
      secretVersions: seen.map((row) => showVersion(this.#keyring, allowed, row)),
      folderVersion: folders.map(({ id, name }) => ({ id, name })),
      createdAt: at.toISOString(),
      updatedAt: at.toISOString(),
    };
  }

  /** Brings the folder back to the snapshot, and answers the snapshot that this makes. */
  async rollback(caller: Caller, snapshotId: string): Promise<Snapshot> {
    const { folder, at } = await this.#reach(caller, snapshotId, 'create');
    const { environment, path, projectId } = folder;
    await this.#rollbacks.rollback(caller, projectId, { environment, path, recursive: false, at, dryRun: false });
    const [moment] = await momentsOf(this.#db, folder.id, 0, 1);
    return show(folder, moment?.at ?? at);
  }

  /** The moment that a snapshot of this project is of. */
  async momentOf(caller: Caller, projectId: string, snapshotId: string): Promise<Date> {
    const { folder, at } = await this.#reach(caller, snapshotId, 'read');
    if (folder.projectId !== projectId) throw missing(snapshotId);
    return at;
  }

  async #reach(caller: Caller, snapshotId: string, action: 'read' | 'create') {
    const { at, low, high } = readId(snapshotId);
    const folder = await folderBetween(this.#db, low, high);
    if (!folder) {
      await this.#access.actor(caller);
      throw missing(snapshotId);
    }
    const { projectId: id, environment, path } = folder;
    const need = { action, subject: 'secret-rollback', environment, path } as const;
    const allowed = await asIfAbsent(
      () => missing(snapshotId),
      () => this.#access.project(caller, { id }, need),
    );
    return { folder, at, allowed };
  }
}

const missing = (id: string) => notFound(`snapshot ${id} not found`);

function show(folder: SnapshotFolder, at: Date): Snapshot {
  return {
    id: idOf(folder.id, at),
    envId: folder.environmentId,
    folderId: folder.id,
    parentFolderId: folder.parentId,
    createdAt: at.toISOString(),
    updatedAt: at.toISOString(),
  };
}

const dashed = (hex: string) =>
  [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');

function idOf(folderId: string, at: Date): string {
  const time = at.getTime().toString(16).padStart(12, '0');
  const folder = folderId.replaceAll('-', '');
  return dashed(`${time}8${folder.slice(0, 3)}8${folder.slice(3, 18)}`);
}

/** The moment, and the two ids between which the folder's is: 18 of its 32 digits are in the snapshot's. */
function readId(id: string): { readonly at: Date; readonly low: string; readonly high: string } {
  const hex = id.replaceAll('-', '');
  const folder = hex.slice(13, 16) + hex.slice(17, 32);
  // Not every number is a time that the database knows; of those nothing was.
  const ms = Math.min(Number.parseInt(hex.slice(0, 12), 16), Date.UTC(9999, 0));
  return { at: new Date(ms), low: dashed(folder.padEnd(32, '0')), high: dashed(folder.padEnd(32, 'f')) };
}
