import type { Secret } from '../../contracts/index.ts';
import { isBrokenSeal } from '../../keys/index.ts';
import type { Access } from '../access/access.ts';
import type { Admitted, Making, Plan, Planned, Shareable } from '../access/shared-changes.ts';
import type { Db } from '../database/database.ts';
import type { Keyring } from '../keyring/keyring.ts';
import { unavailable } from '../refusal.ts';
import { sealNew, sealNext } from './next-version.ts';
import { recordWrite } from './records.ts';
import { findSpots, type WriteAddress, type WriteSpot } from './shared-write-store.ts';
import { showWritten, writtenBy } from './show.ts';
import type { SecretRow } from './store.ts';
import { type NewSecret, renames, type SecretChange, type SecretName } from './write-requests.ts';
import { WriteRights } from './write-rights.ts';
import { deleteSecrets, insertSigned, type SecretWrite, updateSigned, type Writing } from './write-store.ts';

/** What is to become of some secrets. */
export type WriteOrder =
  | { readonly action: 'create'; readonly items: readonly NewSecret[] }
  | { readonly action: 'update'; readonly items: readonly SecretChange[] }
  | { readonly action: 'delete'; readonly items: readonly SecretName[] };

/** An order about one environment that may share its transaction with others. */
export interface SharedWrite extends Shareable {
  readonly environment: string;
  readonly order: WriteOrder;
  /** Where each item of the order is, in its order. */
  readonly addresses: readonly WriteAddress[];
}

/** A secret that is written: the row as it is afterwards, or as it was at last. */
interface Step {
  readonly by: Writing;
  readonly row: SecretRow;
  /** Nothing when it is deleted. */
  readonly write: SecretWrite | undefined;
}

interface Prepared {
  readonly action: WriteOrder['action'];
  readonly steps: readonly Step[];
}

export type Spots = ReadonlyMap<WriteAddress, WriteSpot>;

/** A write of many secrets would make others wait for it. */
const ITEMS_AT_MOST = 20;

/** Whether an order can share a transaction: it is small, and what it needs to know is in the rows that it changes. */
export function isShareable({ action, items }: WriteOrder): boolean {
  if (items.length > ITEMS_AT_MOST) return false;
  if (action === 'delete') return true;
  if (action === 'update' && items.some(renames)) return false;
  return items.every(({ tagIds }) => !tagIds || tagIds.length === 0);
}

/** Writes of secrets, made together by one statement of each kind. */
export class SharedWrites implements Making<SharedWrite, Spots, Secret[]> {
  readonly #access: Access;
  readonly #keyring: Keyring;

  constructor(options: { access: Access; keyring: Keyring }) {
    this.#access = options.access;
    this.#keyring = options.keyring;
  }

  look(tx: Db, writes: readonly SharedWrite[]): Promise<Spots> {
    return findSpots(
      tx,
      writes.flatMap(({ addresses }) => addresses),
    );
  }

  plan(admitted: readonly Admitted<SharedWrite>[], spots: Spots): Plan<SharedWrite, Secret[]> {
    const taken = new Set<string>();
    const later: SharedWrite[] = [];
    const all: Prepared[] = [];
    const planned: Planned<SharedWrite, Secret[]>[] = [];
    for (const write of admitted) {
      const names = write.item.addresses.map(nameOf);
      // Of two writes of one secret, the second is about what the first makes of it.
      if (names.some((name) => taken.has(name))) later.push(write.item);
      else {
        const told = this.#tell(write, spots);
        if (told === undefined) continue;
        for (const name of names) taken.add(name);
        all.push(told.prepared);
        planned.push(told.planned);
      }
    }
    return { planned, later, store: (tx) => store(tx, all) };
  }

  /** Nothing when the write is to be made alone: that is where refusals are worded, recorded and thrown. */
  #tell(write: Admitted<SharedWrite>, spots: Spots) {
    const { item, access } = write;
    const rights = new WriteRights(this.#access, access, item.environment);
    try {
      const prepared = this.#prepare(write, rights, spots);
      if (prepared === undefined) return undefined;
      const rows = prepared.steps.map(({ row }) => row);
      const result = rows.map((row) => showWritten(this.#keyring, item.projectId, item.environment, rights, row));
      const records = rows.map((row) => recordWrite(item.order.action, item.environment, row));
      return { prepared, planned: { item, access, result, records } };
    } catch (error) {
      if (isBrokenSeal(error)) return undefined;
      throw error;
    }
  }

  #prepare({ item, access }: Admitted<SharedWrite>, rights: WriteRights, spots: Spots): Prepared | undefined {
    const { order, addresses, projectId } = item;
    if (new Set(addresses.map(nameOf)).size < addresses.length) return undefined;
    const steps: Step[] = [];
    for (const [n, address] of addresses.entries()) {
      const spot = spots.get(address);
      if (spot === undefined) return undefined;
      const by = { projectId, actorId: access.actor.id, at: spot.at };
      const step = this.#step(order, n, address, spot, rights);
      if (step === undefined) return undefined;
      const row = step.write ? { ...step.row, ...writtenBy(access.actor) } : step.row;
      steps.push({ ...step, row, by });
    }
    return { action: order.action, steps };
  }

  #step(order: WriteOrder, n: number, address: WriteAddress, spot: WriteSpot, rights: WriteRights) {
    const row = spot.secret;
    const key = { version: spot.newestVersion, wrapped: spot.newestKey };
    const home = { ...address, environmentId: spot.homeEnvironmentId, folderId: spot.homeFolderId };
    switch (order.action) {
      case 'create': {
        if (row !== undefined || (spot.upperCase && address.key !== address.key.toUpperCase())) return undefined;
        if (!rights.may('create', { ...address, tags: [] })) return undefined;
        const write = sealNew(this.#keyring, home, key, order.items[n]!);
        return { write, row: rowOf(write, spot, address.path, { tags: [], createdAt: spot.at }) };
      }
      case 'update': {
        if (row === undefined || !rights.may('edit', row)) return undefined;
        const change = order.items[n]!;
        // Another rule may speak of it without its tags: whether the caller may take them away is asked where it is made alone.
        if (change.tagIds && row.tags.length > 0) return undefined;
        const write = sealNext(this.#keyring, home, key, row, change);
        const { tags, createdAt } = row;
        return { write, row: rowOf(write, spot, address.path, { tags, createdAt }) };
      }
      case 'delete':
        return row !== undefined && rights.may('delete', row) ? { write: undefined, row } : undefined;
    }
  }
}

const nameOf = ({ projectId, environment, path, key }: WriteAddress) => `${projectId}:${environment}:${path}:${key}`;

const rowOf = (
  write: SecretWrite,
  { newestKey: wrappedKey, at: updatedAt }: WriteSpot,
  path: string,
  kept: Pick<SecretRow, 'tags' | 'createdAt'>,
): SecretRow => ({ ...write, ...kept, path, wrappedKey, updatedAt });

async function store(tx: Db, all: readonly Prepared[]): Promise<void> {
  const steps = (action: Prepared['action']) => all.filter((one) => one.action === action).flatMap((one) => one.steps);
  const signed = (action: Prepared['action']) => steps(action).map(({ by, write }) => ({ by, secret: write! }));
  const [inserts, updates, deletes] = [signed('create'), signed('update'), steps('delete').map(({ row }) => row.id)];
  const [, updated] = await Promise.all([
    inserts.length > 0 ? insertSigned(tx, inserts) : [],
    updates.length > 0 ? updateSigned(tx, updates) : [],
    deletes.length > 0 ? deleteSecrets(tx, deletes) : undefined,
  ]);
  // Every server takes the project's lock; a hand at the database does not.
  if (updated.length < updates.length) throw unavailable('a secret of these was deleted at this moment; try again');
}
