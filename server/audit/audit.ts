import { Batch, type Load } from '../database/batch.ts';
import type { Database, Db } from '../database/database.ts';
import type { Keyring } from '../keyring/keyring.ts';
import type { Jobs } from '../metrics/job.ts';
import { Tally } from '../metrics/tally.ts';
import { unavailable } from '../refusal.ts';
import { type AuditRecord, countAnonymous, ensurePartitions, insertRecords } from './store.ts';
import { withWrittenMac } from './written.ts';

const FLUSH_COUNTERS_MS = 5_000;
const PARTITIONS_AHEAD_MONTHS = 2;
const A_DAY_MS = 86_400_000;

/** Who changes an organization, as access to it tells. */
interface ByWhom {
  readonly actor: AuditRecord['actor'];
  readonly organization: { readonly id: string };
  readonly caller: { readonly origin: AuditRecord['origin'] };
}

/**
 * The writing side of the audit. No audit, no answer: whoever calls `write` awaits it before the response leaves, and a
 * record that cannot be stored fails the request with 503. Records that wait at the same moment share one commit.
 */
export class Audit {
  readonly #db: Database;
  readonly #keyring: Pick<Keyring, 'audit'>;
  readonly #batch: Batch<AuditRecord, undefined>;
  readonly #anonymous = new Map<string, number>();
  /** All refusals of strangers since the start, by reason. */
  readonly strangers = new Tally();
  #stops: readonly (() => void)[] = [];

  constructor(db: Database, keyring: Pick<Keyring, 'audit'>) {
    this.#db = db;
    this.#keyring = keyring;
    this.#batch = new Batch<AuditRecord, undefined>(
      { size: 500, lanes: 1, waiting: 10_000, overflow: () => unavailable('the audit cannot keep up') },
      async (records) => {
        await insertRecords(db, records);
        return records.map(() => undefined);
      },
    );
  }

  /** Makes partitions ahead and starts the counters' clock. */
  async start(jobs: Jobs): Promise<void> {
    const partitions = jobs.job('audit-partitions');
    const ahead = () => ensurePartitions(this.#db, PARTITIONS_AHEAD_MONTHS);
    await partitions.run(ahead);
    this.#stops = [
      jobs.job('audit-strangers').every(FLUSH_COUNTERS_MS, () => this.flush()),
      partitions.every(A_DAY_MS, ahead),
    ];
  }

  get batch(): Load {
    return this.#batch;
  }

  /** Stores a record, durably, and then resolves. */
  async write(record: AuditRecord): Promise<void> {
    await this.#batch.add(record);
  }

  /** Stores records in the transaction of the change that they speak of: neither is ever there without the other. */
  async writeWithin(tx: Db, records: readonly AuditRecord[]): Promise<void> {
    await insertRecords(
      tx,
      records.map((record) => withWrittenMac(this.#keyring.audit.attesting, record)),
    );
  }

  /** Stores the record of a change of an organization, in its transaction. */
  changedOrganization(
    tx: Db,
    { actor, organization, caller }: ByWhom,
    action: 'create' | 'update' | 'delete',
    event: string,
    metadata: Record<string, unknown>,
  ): Promise<void> {
    const { origin } = caller;
    return this.writeWithin(tx, [
      { action, event, outcome: 'allowed', actor, organizationId: organization.id, metadata, origin },
    ]);
  }

  /**
   * Counts the refusal of a caller whom nobody knows: a forged token, a wrong client id. A row each would let anybody on
   * the network fill the disk. At most one minute's count per reason is lost when the process dies.
   */
  refusedStranger(reason: string): void {
    this.strangers.add(reason);
    this.#anonymous.set(reason, (this.#anonymous.get(reason) ?? 0) + 1);
  }

  /** Writes the counters out. */
  async flush(): Promise<void> {
    if (this.#anonymous.size === 0) return;
    const counts = new Map(this.#anonymous);
    this.#anonymous.clear();
    try {
      await countAnonymous(this.#db, counts);
    } catch (error) {
      for (const [reason, count] of counts) this.#anonymous.set(reason, (this.#anonymous.get(reason) ?? 0) + count);
      throw error;
    }
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops) stop();
    await this.flush();
  }
}
