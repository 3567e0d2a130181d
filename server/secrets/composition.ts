import type { Secret } from '../../contracts/index.ts';
import type { ProjectAccess } from '../access/access.ts';
import type { Dependence, Source } from '../access/store.ts';
import type { Db } from '../database/database.ts';
import type { Keyring } from '../keyring/keyring.ts';
import { notFound } from '../refusal.ts';
import { refuseTooLarge } from './answer-size.ts';
import { Expansion, type ReferenceTree } from './expansion.ts';
import type { Filled, ReadRow } from './fill-store.ts';
import { type Found, spotOf } from './found.ts';
import { Linked, type Located } from './linked.ts';
import { findPolicy, type Manifest, manifestOf } from './linked-store.ts';
import { passes, type Question } from './question.ts';
import { partOfValue } from './reference-refusals.ts';
import { openPersonal, openSecret } from './seal.ts';
import { showPersonal, showSecret, where } from './show.ts';
import { findVersion } from './store.ts';
import { type Sight, seesSomeOf, sightOf } from './visibility.ts';

/** Imported secrets, as the API shows them: the client merges them. */
interface ImportBlock {
  readonly secretPath: string;
  readonly environment: string;
  readonly folderId: string;
  readonly secrets: Secret[];
}

/** Of an import that is looked at by itself: the environment that it comes from, whole. */
interface PlacedBlock extends ImportBlock {
  readonly environmentInfo: { readonly id: string; readonly slug: string; readonly name: string };
}

/** An answer that is more than the rows of its folder, with all that its audit will say. */
export interface Composed {
  readonly secrets: Secret[];
  readonly imports: (ImportBlock | PlacedBlock)[];
  readonly tree?: ReferenceTree | undefined;
  /** The key names of the folder itself. */
  readonly manifestId: string | null;
  readonly sources: readonly (Source | Dependence)[];
  /** The change ids tell when it is no longer current. */
  readonly lasting: boolean;
  readonly manifests: readonly Manifest[];
}

/** A secret that is shown: the row, where it is, what of it the caller sees, and by which value it stands. */
interface Shown extends Found {
  readonly sight: Sight;
  readonly personal: boolean;
}

/**
 * Composes an answer of own secrets, imports and references, for one caller. Nothing of it may be sent before the
 * database has been asked once more (see `Reads`): what it draws from is read over several statements, and all of them saw
 * the same state only when the change ids that stood at their beginning still stand at the end.
 */
export class Composition {
  readonly #keyring: Keyring;
  readonly #allowed: ProjectAccess;
  readonly #question: Question;
  readonly #linked: Linked;
  readonly #db: Db;
  readonly #changeId: string;
  /** Personal values that are shown beside the shared ones: a row of their own, and the shared one that it stands for. */
  readonly #beside = new Map<ReadRow, ReadRow>();
  /**
   * Versions that are asked for: what stands for one, and its row. A value of then may refer to what refers to the secret of
   * now, which is another one to it.
   */
  readonly #versions = new Map<ReadRow, ReadRow>();
  #expansion: Expansion | undefined;

  constructor(
    on: { readonly db: Db; readonly keyring: Keyring },
    allowed: ProjectAccess,
    question: Question,
    /** Of the project, before anything was read from it. */
    changeId: string,
    ownerId: string | undefined,
  ) {
    this.#db = on.db;
    this.#keyring = on.keyring;
    this.#allowed = allowed;
    this.#question = question;
    this.#changeId = changeId;
    this.#linked = new Linked(on.db, allowed.project.id, ownerId);
  }

  /** The answer to the question, from what `secrets.fill` found. Without a secret of that name, a single one is `undefined`. */
  async compose(filled: Pick<Filled, 'rows' | 'importers'>): Promise<Composed> {
    const { key, recursive } = this.#question;
    this.#linked.take(filled.rows, key === undefined);
    const { filter } = this.#question;
    const rows = filter ? filled.rows.filter((row) => passes(filter, row)) : filled.rows;
    const listed = this.#question.importsAlone ? [] : rows;
    const here = listed.flatMap((row) => this.#shown({ row, at: this.#own(row.folderId, row.path) }));
    const blocks = await this.#blocks(filled.importers, key);
    const firstOf = () => blocks.toReversed().flatMap(({ shown }) => shown)[0];
    const present = key === undefined ? undefined : (here[0] ?? firstOf());
    const single = present && (await this.#asAsked(present));
    if (this.#question.asTree && single?.sight === 'name') throw partOfValue(single);
    const own = single && present === here[0] ? [single] : here;
    const all = key !== undefined ? (single ? [single] : []) : [...own, ...blocks.flatMap(({ shown }) => shown)];
    if (this.#question.withValues) refuseTooLarge(all.map(({ row }) => row));
    await this.#prepare(all);
    const secrets = (key === undefined ? own : all).map((shown) => this.#show(shown));
    const imports =
      key === undefined
        ? blocks.map(({ shown, ...block }) => ({ ...block, secrets: shown.map((one) => this.#show(one)) }))
        : [];
    const imported = key === undefined ? blocks.flatMap(({ shown }) => shown) : all.filter((one) => !own.includes(one));
    const tree = this.#question.asTree && single ? this.#expansion?.tree(single) : undefined;
    return { secrets, imports, tree, ...this.#record(own, imported, recursive) };
  }

  /** The version of it that the question wants. The caller must see it both as it is now and as it was then. */
  async #asAsked(present: Shown): Promise<Shown> {
    const { version, key } = this.#question;
    if (version === undefined) return present;
    const none = () => {
      const place = where(this.#allowed.project.slug, this.#question);
      return notFound(
        `${present.personal ? 'your personal ' : ''}secret "${key}" has no version ${version} in ${place}`,
      );
    };
    if (present.personal) {
      // Of personal values, the present one alone is kept.
      if (present.row.personal!.version !== version) throw none();
      return present;
    }
    if (present.row.version === version) return present;
    const then = await findVersion(this.#db, present.row.folderId, present.row.key, version);
    if (then === undefined) throw none();
    const row: ReadRow = { ...then, projectId: present.row.projectId, personal: null };
    const seen = sightOf(this.#allowed.rights, spotOf({ row, at: present.at }));
    if (seen === 'nothing') throw none();
    const stand: ReadRow = { ...row, id: `${row.id} ${version}` };
    this.#versions.set(stand, row);
    return { ...present, row: stand, sight: seen === 'name' ? 'name' : present.sight };
  }

  #own(folderId: string, path: string): Located {
    const { environment } = this.#question;
    const { id: projectId } = this.#allowed.project;
    return {
      projectId,
      changeId: this.#changeId,
      environment,
      folderId,
      path,
      open: true,
      scope: { environment, path },
    };
  }

  /** What the caller sees of a secret; with own values asked for, up to two things of one name. */
  #shown(found: Found): Shown[] {
    const { rights } = this.#allowed;
    const { personal: wanted, withValues, version } = this.#question;
    const { row } = found;
    const seen = sightOf(rights, spotOf(found));
    if (seen === 'nothing') return [];
    const sight: Sight = withValues ? seen : 'name';
    // A number is one of the shared secret's, unless the caller's own is asked for.
    if (version !== undefined && wanted !== 'only')
      return [{ ...found, row: { ...row, personal: null }, sight, personal: false }];
    const shared: Shown = { ...found, sight, personal: false };
    if (row.personal === null) return wanted === 'only' ? [] : [shared];
    if (wanted !== 'beside') return [{ ...found, sight, personal: true }];
    const beside: ReadRow = { ...row, id: row.personal.id };
    this.#beside.set(beside, row);
    return [shared, { ...found, row: beside, sight, personal: true }];
  }

  /** The imports in order, each with what the caller sees of it. One that shows the caller nothing at all is left out. */
  async #blocks(importers: readonly string[], key: string | undefined) {
    const { rights } = this.#allowed;
    if (importers.length === 0) return [];
    await this.#linked.needEdges(importers);
    const blocks = importers
      .map((folderId) => ({ folderId, path: this.#linked.importerPath(folderId) }))
      .toSorted((a, b) => (a.path < b.path ? -1 : 1))
      .flatMap(({ folderId, path }) => this.#linked.blocks(folderId, this.#own(folderId, path).scope))
      .filter(({ folders }) => seesSomeOf(rights, folders[0]!.scope));
    const folders = blocks.flatMap((block) => block.folders);
    await this.#linked.needRows(folders.map(({ folderId }) => ({ folderId, key })));
    return blocks.map(({ edge, folders }) => {
      const taken = new Set<string>();
      const shown = folders.flatMap((at) => {
        const rows = [...this.#linked.rowsOf(at.folderId)].filter((row) => key === undefined || row.key === key);
        const seen = rows.filter((row) => !taken.has(row.key)).flatMap((row) => this.#shown({ row, at }));
        for (const { row } of seen) taken.add(row.key);
        return seen;
      });
      const block = { secretPath: edge.path, environment: edge.environment, folderId: edge.folderId, shown };
      const { environmentId: id, environment: slug, environmentName: name } = edge;
      return this.#question.importsAlone ? { ...block, environmentInfo: { id, slug, name } } : block;
    });
  }

  /** Reads what the values refer to, when they are to be expanded. */
  async #prepare(all: readonly Shown[]): Promise<void> {
    if (!this.#question.expand) return;
    this.#expansion = await this.expansion(all.filter(({ sight }) => sight === 'value'));
  }

  /** An expansion that has read all that these secrets refer to. */
  async expansion(secrets: readonly Found[]): Promise<Expansion> {
    const expansion = new Expansion({
      linked: this.#linked,
      rights: this.#allowed.rights,
      open: (row) => this.#open(row, row.personal !== null && this.#question.personal !== 'beside').value!,
      keepUnresolved:
        this.#question.asTree !== undefined || (await findPolicy(this.#db, this.#allowed.project.id)) === 'keep',
    });
    await expansion.prepare(secrets);
    return expansion;
  }

  #open(row: ReadRow, personal: boolean, wanted = { value: true, comment: false, metadata: false }) {
    const version = this.#versions.get(row);
    if (version) return openSecret(this.#keyring, version.projectId, version, wanted);
    const shared = this.#beside.get(row);
    if (shared) return openPersonal(this.#keyring, shared, shared.personal!, wanted);
    if (personal) return openPersonal(this.#keyring, row, row.personal!, wanted);
    return openSecret(this.#keyring, row.projectId, row, wanted);
  }

  #show({ row, at, sight, personal }: Shown): Secret {
    const shown = this.#versions.get(row) ?? row;
    // Who works in another project is nothing that this one is told.
    const told = row.projectId === this.#allowed.project.id ? shown : { ...shown, writtenBy: null };
    const whole = sight === 'value' && this.#expansion === undefined;
    const stored = this.#open(row, personal, { value: whole, comment: true, metadata: sight === 'value' });
    const opened =
      sight === 'value' && this.#expansion ? { ...stored, value: this.#expansion.expand({ row, at }) } : stored;
    return personal
      ? showPersonal(row.projectId, at.environment, row, row.personal!, opened, this.#allowed.actor)
      : showSecret(row.projectId, at.environment, told, opened);
  }

  /** What the audit will say was shown: the folder's own keys, and those of each other place. */
  #record(own: readonly Shown[], imported: readonly Shown[], recursive: boolean) {
    const { key, path } = this.#question;
    const { id: projectId } = this.#allowed.project;
    const names = own.map(({ row }) => (recursive && row.path !== path ? `${row.path}:${row.key}` : row.key));
    const mine = key === undefined && names.length > 0 ? manifestOf(projectId, [...new Set(names)]) : undefined;
    const shownAlready = new Set([...own, ...imported].map(({ row }) => row.id));
    const referred = [...(this.#expansion?.used ?? [])].filter(({ row }) => !shownAlready.has(row.id));
    const sources = [...sourcesOf(imported, 'import'), ...sourcesOf(referred, 'reference')];
    return {
      manifestId: mine?.id ?? null,
      sources: [...sources.map(({ source }) => source), ...this.#linked.drawnFrom],
      lasting: !this.#expansion?.keptForeign,
      manifests: [...(mine ? [mine] : []), ...sources.flatMap(({ manifest }) => manifest ?? [])],
    };
  }
}

function sourcesOf(found: readonly Found[], through: Source['through']) {
  const places = Map.groupBy(found, ({ at }) => at.folderId);
  return [...places.values()].map((there) => {
    const { projectId, changeId, environment, path } = there[0]!.at;
    const keys = [...new Set(there.map(({ row }) => row.key))].sort();
    const manifest = keys.length === 1 ? undefined : manifestOf(projectId, keys);
    const source: Source = {
      projectId,
      changeId,
      environment,
      path,
      key: manifest ? null : keys[0]!,
      manifestId: manifest?.id ?? null,
      through,
    };
    return { source, manifest };
  });
}
