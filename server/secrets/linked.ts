import type { Db } from '../database/database.ts';
import { badRequest } from '../refusal.ts';
import type { ReadRow } from './fill-store.ts';
import {
  type Edge,
  type FolderName,
  findEdges,
  findFolders,
  findRows,
  type LinkedFolder,
  MAX_EDGES,
} from './linked-store.ts';

/** A folder with the place at which the caller's right to it is asked. */
export interface Located extends LinkedFolder {
  /**
   * Of the reading project, it is the folder itself. Of another project, it is the folder that imports it: the share lets the
   * project in, and its own rules say who of it.
   */
  readonly scope: { readonly environment: string; readonly path: string };
}

/** One import of a folder, with the folders that it brings along, the winning one first. */
export interface Block {
  readonly edge: Edge;
  readonly folders: readonly Located[];
}

const MAX_ROWS = 20_000;

/** The folders beside the asked one that an answer draws from, each read once. */
export class Linked {
  readonly #db: Db;
  readonly readingProjectId: string;
  readonly #ownerId: string | undefined;
  readonly #folders = new Map<string, LinkedFolder | undefined>();
  readonly #edges = new Map<string, Edge[]>();
  readonly #rows = new Map<string, Map<string, ReadRow>>();
  /** Folders of which every secret is here, and single keys of others that were looked for. */
  readonly #whole = new Set<string>();
  readonly #looked = new Set<string>();
  #count = 0;

  /** @param ownerId whose own values stand in for shared ones */
  constructor(db: Db, readingProjectId: string, ownerId: string | undefined) {
    this.#db = db;
    this.readingProjectId = readingProjectId;
    this.#ownerId = ownerId;
  }

  /** Takes rows that were read already. @param whole they are all that the folder has */
  take(rows: readonly ReadRow[], whole: boolean): void {
    for (const row of rows) {
      this.#keep(row);
      this.#count--;
      if (whole) this.#whole.add(row.folderId);
    }
  }

  async needFolders(names: readonly FolderName[]): Promise<void> {
    const missing = new Map<string, FolderName>();
    for (const name of names) if (!this.#folders.has(nameOf(name))) missing.set(nameOf(name), name);
    if (missing.size === 0) return;
    const found = await findFolders(this.#db, this.readingProjectId, [...missing.values()]);
    for (const [n, id] of [...missing.keys()].entries()) this.#folders.set(id, found[n]);
  }

  /** The folder of that name, if it is there and open to the reading project: one of strangers is not told apart from none. */
  folder(name: FolderName, scope: Located['scope']): Located | undefined {
    const folder = this.#folders.get(nameOf(name));
    return folder?.open ? this.#locate(folder, scope) : undefined;
  }

  #locate(folder: LinkedFolder, scope: Located['scope']): Located {
    const own = folder.projectId === this.readingProjectId;
    return { ...folder, scope: own ? { environment: folder.environment, path: folder.path } : scope };
  }

  async needRows(wanted: readonly { readonly folderId: string; readonly key?: string | undefined }[]): Promise<void> {
    const missing = new Map<string, (typeof wanted)[number]>();
    for (const want of wanted) {
      const id = want.key === undefined ? want.folderId : `${want.folderId}/${want.key}`;
      if (!this.#whole.has(want.folderId) && !this.#looked.has(id)) missing.set(id, want);
    }
    if (missing.size === 0) return;
    for (const row of await findRows(this.#db, [...missing.values()], this.#ownerId)) this.#keep(row);
    for (const [id, { folderId, key }] of missing) {
      if (key === undefined) this.#whole.add(folderId);
      else this.#looked.add(id);
    }
  }

  #keep(row: ReadRow): void {
    if (++this.#count > MAX_ROWS) throw badRequest(`this answer would draw from more than ${MAX_ROWS} secrets`);
    const rows = this.#rows.get(row.folderId) ?? new Map<string, ReadRow>();
    this.#rows.set(row.folderId, rows.set(row.key, row));
  }

  row(folderId: string, key: string): ReadRow | undefined {
    return this.#rows.get(folderId)?.get(key);
  }

  rowsOf(folderId: string): Iterable<ReadRow> {
    return this.#rows.get(folderId)?.values() ?? [];
  }

  async needEdges(folderIds: readonly string[]): Promise<void> {
    const missing = [...new Set(folderIds)].filter((id) => !this.#edges.has(id));
    if (missing.length === 0) return;
    const edges = await findEdges(this.#db, this.readingProjectId, missing);
    if (edges.length > MAX_EDGES) throw badRequest(`these folders import, all in all, more than ${MAX_EDGES} others`);
    const known = new Set(this.#edges.keys());
    for (const id of missing) this.#edges.set(id, []);
    for (const edge of edges) {
      if (known.has(edge.importerId)) continue;
      this.#edges.set(edge.importerId, [...(this.#edges.get(edge.importerId) ?? []), edge]);
    }
  }

  /** The path of a folder that imports others. */
  importerPath(folderId: string): string {
    return this.#edges.get(folderId)?.[0]?.importerPath ?? '/';
  }

  /** The other projects whose state the answer depends on, whether or not it shows anything of them. */
  get drawnFrom(): { readonly projectId: string; readonly changeId: string }[] {
    const others = new Map<string, { projectId: string; changeId: string }>();
    for (const folder of [...[...this.#edges.values()].flat(), ...this.#folders.values()]) {
      if (!folder?.open || folder.projectId === this.readingProjectId) continue;
      const { projectId, changeId } = folder;
      others.set(`${projectId} ${changeId}`, { projectId, changeId });
    }
    return [...others.values()];
  }

  /** The imports of a folder, in order, each with what it brings along. What is not open to the reading project is left out. */
  blocks(folderId: string, scope: Located['scope']): Block[] {
    const open = (this.#edges.get(folderId) ?? []).filter((edge) => edge.open);
    return open.map((edge) => ({ edge, folders: this.#brought(edge, scope, new Set([folderId])) }));
  }

  /** A folder, then what it imports itself, the latest import first: the order in which a key is looked for. */
  #brought(edge: Edge, scope: Located['scope'], seen: Set<string>): Located[] {
    if (!edge.open || seen.has(edge.folderId)) return [];
    seen.add(edge.folderId);
    const here = this.#locate(edge, scope);
    const deeper = [...(this.#edges.get(edge.folderId) ?? [])].reverse();
    return [here, ...deeper.flatMap((next) => this.#brought(next, here.scope, seen))];
  }
}

const nameOf = ({ projectId, projectSlug, environment, path }: FolderName) =>
  `${projectId ?? `@${projectSlug}`} ${environment} ${path}`;
