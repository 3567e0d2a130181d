import { MAX_VALUE_BYTES } from '../../contracts/index.ts';
import type { Rights } from '../access/permissions.ts';
import { badRequest } from '../refusal.ts';
import { ANSWER_BYTES_AT_MOST } from './answer-size.ts';
import type { ReadRow } from './fill-store.ts';
import { type Found, spotOf } from './found.ts';
import type { Linked, Located } from './linked.ts';
import { type FolderName, MAX_DEPTH } from './linked-store.ts';
import { cycle, denied, tooDeep, tooLong, unresolved } from './reference-refusals.ts';
import { mayRefer, type Piece, piecesOf, type Reference } from './references.ts';
import { TreeSize } from './tree-size.ts';
import { sightOf } from './visibility.ts';

/** A secret with what its references lead to. */
export interface ReferenceTree {
  readonly key: string;
  readonly value: string;
  readonly projectId: string;
  readonly environment: string;
  readonly secretPath: string;
  readonly children: ReferenceTree[];
}

/** A tree that says where secrets are and nothing of what they hold. */
export interface NameTree extends Omit<ReferenceTree, 'value' | 'children'> {
  readonly children: NameTree[];
}

export function withoutValues({ value: _, children, ...tree }: ReferenceTree): NameTree {
  return { ...tree, children: children.map(withoutValues) };
}

export interface ExpansionOptions {
  readonly linked: Linked;
  readonly rights: Rights;
  /** Opens the value that stands for a row: the caller's own, where there is one. */
  readonly open: (row: ReadRow) => string;
  /** A reference that leads nowhere stays in the value as it is written. */
  readonly keepUnresolved: boolean;
}

/** The id of a folder that is not there. */
const NOWHERE = '';

/**
 * Puts the values in that references lead to. First every secret that may be needed is read, in rounds: what one round
 * opens names what the next reads. Then the values are put together, from what is there. The caller must hold `read` on each secret
 * that is referred to, directly or not.
 */
export class Expansion {
  readonly #on: ExpansionOptions;
  readonly #opened = new Map<string, string>();
  readonly #expanded = new Map<string, { readonly value: string; readonly height: number }>();
  readonly #used = new Map<string, Found>();
  #total = 0;
  #keptForeign = false;
  readonly #size = new TreeSize();

  constructor(options: ExpansionOptions) {
    this.#on = options;
  }

  /** The secrets that references led to so far. */
  get used(): Iterable<Found> {
    return this.#used.values();
  }

  /** A reference to another project led nowhere and was kept: where it may lead later, no change id of ours tells. */
  get keptForeign(): boolean {
    return this.#keptForeign;
  }

  /** Reads all that the values of these secrets refer to, and what that refers to. */
  async prepare(secrets: readonly Found[]): Promise<void> {
    const { linked } = this.#on;
    const seen = new Set(secrets.map(({ row }) => row.id));
    let frontier = secrets.map((found) => ({ found, chain: [found] }));
    for (let round = 0; ; round++) {
      const wanted = frontier.flatMap(({ found, chain }) =>
        this.#references(found).map((reference) => ({ reference, from: found.at, chain })),
      );
      if (wanted.length === 0) return;
      if (round >= MAX_DEPTH) throw tooDeep(wanted[0]!.chain);
      await linked.needFolders(wanted.flatMap(({ reference, from }) => folderName(reference, from) ?? []));
      const targets = wanted.flatMap(({ reference, from, chain }) => {
        const at = this.#target(reference, from);
        return at && at.folderId !== NOWHERE && this.#mayRead(at, reference.key)
          ? [{ at, key: reference.key, chain }]
          : [];
      });
      await linked.needRows(targets.map(({ at, key }) => ({ folderId: at.folderId, key })));
      await this.#needImported(targets.filter(({ at, key }) => linked.row(at.folderId, key) === undefined));
      frontier = targets.flatMap(({ at, key, chain }) => {
        const found = this.#find(at, key);
        if (found === undefined || seen.has(found.row.id)) return [];
        if (sightOf(this.#on.rights, spotOf(found)) !== 'value') return [];
        seen.add(found.row.id);
        return [{ found, chain: [...chain, found] }];
      });
    }
  }

  /** Keys that a folder does not have are looked for in what it imports. */
  async #needImported(missing: readonly { readonly at: Located; readonly key: string }[]): Promise<void> {
    if (missing.length === 0) return;
    const { linked } = this.#on;
    await linked.needEdges(missing.map(({ at }) => at.folderId));
    await linked.needRows(
      missing.flatMap(({ at, key }) =>
        linked
          .blocks(at.folderId, at.scope)
          .flatMap(({ folders }) => folders.map(({ folderId }) => ({ folderId, key }))),
      ),
    );
  }

  /** The value with everything put in that it refers to. */
  expand(secret: Found): string {
    return this.#expand(secret, []).value;
  }

  #expand(secret: Found, above: readonly Found[]): { readonly value: string; readonly height: number } {
    const known = this.#expanded.get(secret.row.id);
    if (known) return known;
    const pieces = this.#pieces(secret);
    if (pieces.every((piece) => typeof piece === 'string')) return { value: pieces.join(''), height: 0 };
    const chain = [...above, secret];
    if (above.some(({ row }) => row.id === secret.row.id)) throw cycle(chain);
    let height = 0;
    const parts: string[] = [];
    let characters = 0;
    for (const piece of pieces) {
      let part: string;
      if (typeof piece === 'string') part = piece;
      else {
        const target = this.#follow(piece, secret, chain);
        const inner = target && this.#expand(target, chain);
        if (inner) height = Math.max(height, inner.height + 1);
        part = inner?.value ?? piece.text;
      }
      characters += part.length;
      if (characters > MAX_VALUE_BYTES) throw tooLong(secret);
      parts.push(part);
    }
    if (height > MAX_DEPTH) throw tooDeep(chain);
    this.#total += characters;
    // Each may be large, and all may refer to the same large one.
    if (this.#total > ANSWER_BYTES_AT_MOST) throw badRequest('the expanded values of this answer would be too large');
    const done = { value: parts.join(''), height };
    this.#expanded.set(secret.row.id, done);
    return done;
  }

  /** As `expand`, and shows the way. */
  tree(secret: Found): ReferenceTree {
    return this.#tree(secret, []);
  }

  #tree(secret: Found, above: readonly Found[]): ReferenceTree {
    const chain = [...above, secret];
    const value = this.expand(secret);
    this.#size.add(value);
    const children = this.#references(secret).flatMap((reference) => {
      const target = this.#follow(reference, secret, chain);
      return target ? [this.#tree(target, chain)] : [];
    });
    const { projectId, environment, path: secretPath } = secret.at;
    return { key: secret.row.key, value, projectId, environment, secretPath, children };
  }

  /** What a reference leads to; nothing when it leads nowhere and may. */
  #follow(piece: Exclude<Piece, string>, secret: Found, chain: readonly Found[]): Found | undefined {
    const at = piece.key === undefined ? undefined : this.#target(piece, secret.at);
    if (at && piece.key !== undefined) {
      if (!this.#mayRead(at, piece.key)) {
        throw denied(secret, piece, { ...at.scope, key: piece.key });
      }
      const found = this.#find(at, piece.key);
      if (found) {
        if (sightOf(this.#on.rights, spotOf(found)) !== 'value') throw denied(secret, piece, spotOf(found));
        if (chain.some(({ row }) => row.id === found.row.id)) throw cycle([...chain, found]);
        this.#used.set(found.row.id, found);
        return found;
      }
    }
    if (this.#on.keepUnresolved) {
      this.#keptForeign ||= secret.at.projectId !== this.#on.linked.readingProjectId || piece.text.startsWith('${@');
      return undefined;
    }
    throw unresolved(secret, piece.text);
  }

  #pieces(secret: Found): Piece[] {
    const value = this.#value(secret.row);
    return mayRefer(value) ? piecesOf(value) : [value];
  }

  #references(secret: Found): Reference[] {
    return this.#pieces(secret).filter(
      (piece): piece is Reference => typeof piece !== 'string' && piece.key !== undefined,
    );
  }

  #value(row: ReadRow): string {
    const known = this.#opened.get(row.id);
    if (known !== undefined) return known;
    const value = this.#on.open(row);
    this.#opened.set(row.id, value);
    return value;
  }

  #target(reference: Reference, from: Located): Located | undefined {
    const name = folderName(reference, from);
    if (name === undefined) return from;
    const there = this.#on.linked.folder(name, from.scope);
    // A folder that does not exist is asked about too: whether it does is told to those who may read there.
    return there ?? (name.projectId === undefined ? undefined : this.#nowhere(name, from));
  }

  #nowhere(name: FolderName, from: Located): Located | undefined {
    if (from.projectId !== this.#on.linked.readingProjectId) return undefined;
    const { environment, path } = name;
    return { ...from, environment, path, folderId: NOWHERE, open: true, scope: { environment, path } };
  }

  #find(at: Located, key: string): Found | undefined {
    const { linked } = this.#on;
    const row = linked.row(at.folderId, key);
    if (row) return { row, at };
    for (const { folders } of linked.blocks(at.folderId, at.scope).reverse()) {
      for (const folder of folders) {
        const imported = linked.row(folder.folderId, key);
        const found = imported && { row: imported, at: folder };
        if (found && sightOf(this.#on.rights, spotOf(found)) === 'value') return found;
      }
    }
    return undefined;
  }

  /** Whether it makes sense to look: rules may speak of tags, which are known once it is found. */
  #mayRead(at: Located, key: string): boolean {
    return this.#on.rights.somewhere('read', 'secrets', { ...at.scope, key });
  }
}

/** The folder that a reference names; nothing for the folder that the value itself is in. */
function folderName(reference: Reference, from: Located): FolderName | undefined {
  const { projectSlug, environment, path } = reference;
  if (environment === undefined || path === undefined) return undefined;
  return projectSlug === undefined
    ? { projectId: from.projectId, environment, path }
    : { projectSlug, environment, path };
}
