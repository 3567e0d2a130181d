import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import type { Database, Db } from '../database/database.ts';
import type { Keyring } from '../keyring/keyring.ts';
import type { Job } from '../metrics/job.ts';
import { handoverNote, keyAt, trustedKeys } from './handover.ts';
import { asHead, exported, type Head, type Part, signedHead } from './head.ts';
import { merkleRoot } from './merkle.ts';
import {
  insertBatch,
  isOpen,
  lookAtSealer,
  nextTransaction,
  readBatches,
  readLeaves,
  type SealerState,
  setExported,
  takeSealer,
  transactionAt,
} from './seal-store.ts';
import type { HeadSink } from './sink.ts';

export interface SealerOptions {
  readonly db: Database;
  readonly keyring: Pick<Keyring, 'instanceId' | 'audit' | 'auditKeys' | 'refresh'>;
  readonly sink: HeadSink;
  /** Told what only an intruder, or a restored backup, can have done. */
  readonly alert: (what: string, details: Record<string, unknown>) => void;
  /** Told what went wrong and is tried again. */
  readonly warn: (error: unknown) => void;
}

/** Rows of a batch, unless one transaction alone wrote more. */
const BATCH_ROWS = 10_000;
const EXPORTED_AT_ONCE = 200;
/** How long a stop may wait for the last seals, and how long between two looks. */
const LAST_TICK_MS = 3_000;
const LAST_PAUSE_MS = 20;

/**
 * Seals what was written to the audit: beside the path, one process at a time over all replicas, in the order of the
 * transactions. A transaction's rows are sealed when every one that began before it has ended, so that none can commit
 * behind the seal. Whoever cannot seal for a while catches up; nothing waits for it.
 */
export class Sealer {
  /** Names this process in the heads that it signs. */
  readonly replica = `${hostname()}/${randomBytes(6).toString('hex')}`;
  readonly #on: SealerOptions;
  #stop: (() => void) | undefined;
  #underWay: Promise<void> | undefined;
  #last: { readonly number: number; readonly hash: Buffer } | undefined;

  constructor(options: SealerOptions) {
    this.#on = options;
  }

  start(everyMs: number, job: Job): void {
    this.#stop = job.every(everyMs, () => this.tick(), this.#on.warn);
  }

  /** Stops, and before that seals and exports what is there: what a stopped server left behind could be cut unseen. */
  async stop(): Promise<void> {
    this.#stop?.();
    await this.#underWay?.catch(() => undefined);
    // A database or a sink that does not answer holds no stop; whoever seals next catches up.
    const over = AbortSignal.timeout(LAST_TICK_MS);
    await Promise.race([this.#catchUp(over).catch(this.#on.warn), setTimeout(LAST_TICK_MS, undefined, { ref: false })]);
  }

  /** Seals what is there by now. Transactions of others that began earlier hold it up until they end. */
  async #catchUp(over: AbortSignal): Promise<void> {
    const goal = await nextTransaction(this.#on.db);
    await this.tick();
    while (!over.aborted && (await isOpen(this.#on.db, this.replica, goal))) {
      await setTimeout(LAST_PAUSE_MS, undefined, { ref: false });
      await this.tick();
    }
  }

  /** One look, and the work that it finds. Those that ask meanwhile wait for the same one. */
  tick(): Promise<void> {
    this.#underWay ??= this.#work().finally(() => {
      this.#underWay = undefined;
    });
    return this.#underWay;
  }

  async #work(): Promise<void> {
    let state = await lookAtSealer(this.#on.db, this.replica);
    this.#compare(state);
    // Another key signs by now: what this process signed with the former one would count for nothing.
    if (!this.#holdsKey(state)) await this.#on.keyring.refresh();
    if (!this.#holdsKey(state)) throw new Error("the newest key of the audit's does not open, so nothing is sealed");
    // What is written meanwhile is for the next look: under load there is always more, and a batch of a few rows at a time
    // took a third of the database's work.
    const goal = BigInt(state.horizon);
    while (state.waiting && !state.leased && BigInt(state.next) < goal) {
      const sealed = await this.#sealOne();
      if (!sealed) break;
      state = await lookAtSealer(this.#on.db, this.replica);
    }
    if (!state.leased && state.exported < state.number) await this.#export(state.exported);
  }

  /** Signs that rows may be gone from now on; `prepare` runs in the same transaction, after everything waiting is sealed. */
  async checkpoint(note: string, prepare: (tx: Db) => Promise<void>): Promise<boolean> {
    return this.#on.db.transaction(async (tx) => {
      const state = await takeSealer(tx, this.replica);
      if (state === undefined || !this.#holdsKey(state)) return false;
      await prepare(tx);
      await this.#insert(tx, state, { kind: 'checkpoint', until: state.next, parts: [], note }, []);
      return true;
    });
  }

  async #sealOne(): Promise<boolean> {
    const { db } = this.#on;
    return db.transaction(async (tx) => {
      const state = await takeSealer(tx, this.replica);
      if (state === undefined || state.leased || !state.waiting || !this.#holdsKey(state)) return false;
      const full = await transactionAt(tx, state.next, state.horizon, BATCH_ROWS);
      const until = full === undefined ? state.horizon : full === state.next ? String(BigInt(full) + 1n) : full;
      const leaves = await readLeaves(tx, state.next, until);
      const parts = leaves.map(({ name, rows, leaves: hashes }): Part => ({ name, rows, root: merkleRoot(hashes) }));
      const hints = leaves.map(({ hints: hint }) => hint);
      await this.#insert(tx, state, { kind: 'rows', until, parts, note: null }, hints);
      return true;
    });
  }

  async #insert(
    tx: Db,
    state: SealerState,
    what: Pick<Head, 'kind' | 'until' | 'parts' | 'note'>,
    hints: readonly Buffer[],
  ): Promise<void> {
    const { audit: keys, instanceId } = this.#on.keyring;
    const head = signedHead(keys, {
      ...what,
      instanceId,
      number: state.number + 1,
      first: state.next,
      sealedAt: new Date(),
      replica: this.replica,
      keyVersion: keys.version,
      keyFingerprint: keys.fingerprint,
      previous: state.hash,
    });
    await insertBatch(tx, head, hints);
    this.#last = { number: head.number, hash: head.hash };
  }

  /**
   * Signs that the newest key takes over from all others that this process holds, whose macs and heads count for nothing from
   * then on. `prepare` runs in the same transaction, and refuses by throwing. False while another process seals.
   */
  async handOver(prepare: (tx: Db) => Promise<void>): Promise<boolean> {
    const { db, keyring } = this.#on;
    return db.transaction(async (tx) => {
      const state = await takeSealer(tx, this.replica);
      if (state === undefined || !this.#holdsKey(state)) return false;
      await prepare(tx);
      const [newest, ...former] = keyring.auditKeys;
      const place = { instanceId: keyring.instanceId, number: state.number + 1, previous: state.hash };
      const note = handoverNote(place, former, newest!);
      await this.#insert(tx, state, { kind: 'checkpoint', until: state.next, parts: [], note }, []);
      return true;
    });
  }

  #holdsKey(state: SealerState): boolean {
    return state.keyVersion <= this.#on.keyring.audit.version;
  }

  /** What this process has sealed itself must still be there: a tail that was cut is seen at once, and not at the next audit. */
  #compare(state: SealerState): void {
    const last = this.#last;
    this.#last = { number: state.number, hash: state.hash };
    if (last === undefined) return;
    const cut = state.number < last.number || (state.number === last.number && !state.hash.equals(last.hash));
    if (cut) this.#on.alert('audit-seals-cut', { lastSeen: last.number, found: state.number });
  }

  async #export(after: number): Promise<void> {
    const { db, keyring, sink } = this.#on;
    for (let from = after; ; ) {
      const rows = await readBatches(db, from, EXPORTED_AT_ONCE);
      if (rows.length === 0) return;
      // The keys that are held sign all but those that wait since before another took over.
      const held = new Map(keyring.auditKeys.map((key) => [key.version, key]));
      const trusted = rows.every(({ keyVersion }) => held.has(keyVersion)) ? held : await trustedKeys(db, keyring);
      await sink.put(
        rows.map((row) => {
          // One that nobody signed whose key counts: the verification names it, by whatever key it is exported under.
          const key = keyAt(trusted, row) ?? keyring.audit;
          return exported(asHead(row, keyring.instanceId, key), key);
        }),
      );
      from = rows.at(-1)!.number;
      await setExported(db, from);
    }
  }
}
