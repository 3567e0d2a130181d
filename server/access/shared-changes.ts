import { Batch, type Load } from '../database/batch.ts';
import type { Db } from '../database/database.ts';
import { unavailable } from '../refusal.ts';
import type { Access, Caller, ProjectAccess, ProjectRecord } from './access.ts';
import { judgeAll, lockFreeProjects } from './store.ts';

/** A change that may share its transaction with those of other callers and other projects. */
export interface Shareable {
  readonly caller: Caller;
  readonly projectId: string;
  /** The slug that the project was asked for by, if it was: another project may have it by now. */
  readonly slug: string | undefined;
}

/** A change whose project is locked and whose caller was judged under that lock. */
export interface Admitted<Item> {
  readonly item: Item;
  readonly access: ProjectAccess;
}

/** A change that is to be stored, with what its caller is told and what the audit says once it is. */
export interface Planned<Item, Result> extends Admitted<Item> {
  readonly result: Result;
  readonly records: readonly ProjectRecord[];
}

export interface Plan<Item, Result> {
  /** Those that nothing speaks against. */
  readonly planned: readonly Planned<Item, Result>[];
  /** Those that must not be in one group with a planned one. */
  readonly later: readonly Item[];
  /** Stores all that is planned. */
  store(tx: Db): Promise<void>;
}

/** How changes of one kind are made together. */
export interface Making<Item, Found, Result> {
  /** Reads what the plan needs to know. Asked along with the locks, and of use for those alone whose projects were free. */
  look(tx: Db, items: readonly Item[]): Promise<Found>;
  /** Decides on all of them without waiting for anything, since locks are held meanwhile. */
  plan(admitted: readonly Admitted<Item>[], found: Found): Plan<Item, Result>;
}

type Outcome<Result> = 'alone' | 'later' | { readonly result: Result };

/**
 * Changes that wait at the same moment, made in one transaction: one flush of the disk for all, and each statement once.
 * It takes only what goes well. A change that is refused, that nobody foresaw, or whose project somebody else is changing
 * is left out, and its caller has it made alone (`Access.change`): so there is one place that refuses, and nobody waits for
 * another's trouble. When the transaction itself fails, for a reason that may lie in one of its changes, it is undone and
 * made again in halves, until only the culprit fails (database/batch.ts).
 */
export class SharedChanges<Item extends Shareable, Found, Result> {
  readonly #access: Access;
  readonly #making: Making<Item, Found, Result>;
  readonly #batch: Batch<Item, Outcome<Result>>;

  constructor(access: Access, making: Making<Item, Found, Result>) {
    this.#access = access;
    this.#making = making;
    this.#batch = new Batch<Item, Outcome<Result>>(
      {
        size: 64,
        lanes: 2,
        even: true,
        waiting: 1_000,
        overflow: () => unavailable('too many changes are waiting'),
        keyOf: ({ projectId }) => projectId,
      },
      (items) => access.changes.transaction((tx) => this.#make(tx, items)),
    );
  }

  get load(): Load {
    return this.#batch;
  }

  /** The result of a change once it is durable. Nothing: it was not made, and is to be made alone. */
  async make(item: Item): Promise<Result | undefined> {
    for (;;) {
      const outcome = await this.#batch.add(item);
      if (outcome === 'alone') return undefined;
      if (outcome !== 'later') return outcome.result;
    }
  }

  async #make(tx: Db, items: readonly Item[]): Promise<Outcome<Result>[]> {
    const asks = items.map(({ caller, projectId }) => ({ ...caller.origin, tokenId: caller.tokenId, projectId }));
    // Sent together; all but the locks is of after them.
    const [free, verdicts, found] = await Promise.all([
      lockFreeProjects(tx, [...new Set(items.map(({ projectId }) => projectId))]),
      judgeAll(tx, asks),
      this.#making.look(tx, items),
    ]);
    const admitted = items.flatMap((item, n): Admitted<Item>[] => {
      const access = free.has(item.projectId) ? this.#access.plainly(item.caller, verdicts[n]!) : undefined;
      const isMeant = item.slug === undefined || item.slug === access?.project.slug;
      return access !== undefined && isMeant ? [{ item, access }] : [];
    });
    const { planned, later, store } = this.#making.plan(admitted, found);
    await Promise.all([store(tx), this.#access.auditWithin(tx, planned)]);
    const outcomes = new Map<Item, Outcome<Result>>(planned.map(({ item, result }) => [item, { result }]));
    for (const item of later) outcomes.set(item, 'later');
    return items.map((item) => outcomes.get(item) ?? 'alone');
  }
}
