import { hostname } from 'node:os';
import type { FastifyBaseLogger } from 'fastify';
import type { Database } from '../database/database.ts';
import type { Keyring } from '../keyring/keyring.ts';
import type { Jobs } from '../metrics/job.ts';
import type { Outbound } from '../outbound/outbound.ts';
import { Attestor } from './attestor.ts';
import type { Audit } from './audit.ts';
import { Retention } from './retention.ts';
import { Sealer } from './sealer.ts';
import { openSink } from './sink.ts';

/** A month ends seldom; what was too old at a start that was missed goes within the hour. */
const RETENTION_MS = 3_600_000;

export interface EvidenceOptions {
  readonly db: Database;
  readonly changes: Database;
  readonly path: Database;
  readonly audit: Audit;
  readonly keyring: Keyring;
}

/** What makes the audit tamper-evident: attestations of grants, and seals; both beside the path. */
export class Evidence {
  readonly #on: EvidenceOptions;
  readonly #attestor: Attestor;
  #stopRetention: (() => void) | undefined;
  #sealer: Sealer | undefined;

  private constructor(options: EvidenceOptions, attestor: Attestor) {
    this.#on = options;
    this.#attestor = attestor;
  }

  /** From here on, changes of grants are attested. What was there before attestations is taken over once. */
  static async of(options: EvidenceOptions): Promise<Evidence> {
    const attestor = new Attestor(options.keyring);
    options.db.guardCommits(attestor);
    options.changes.guardCommits(attestor);
    options.path.guardCommits(attestor);
    await attestor.adopt(options.db);
    return new Evidence(options, attestor);
  }

  /** Starts to seal. @param settings `sink`: KMS_AUDIT_SINK */
  start(
    { sink, everyMs = 1_000 }: { sink?: string | undefined; everyMs?: number | undefined },
    outbound: Outbound,
    log: FastifyBaseLogger,
    jobs: Jobs,
  ): void {
    if (everyMs === 0) return;
    const { db, keyring, audit } = this.#on;
    const warn = (error: unknown) =>
      log.warn({ type: (error as Error).name }, 'the audit could not be sealed or thinned out; it is tried again');
    const alert = (event: string, metadata: Record<string, unknown>) => {
      log.error({ event, ...metadata }, 'alert: somebody tampers with the audit');
      void audit
        .write({
          action: 'delete',
          event,
          outcome: 'refused',
          actor: { kind: 'server', name: hostname() },
          metadata,
          origin: { ip: null, userAgent: null, requestId: 'sealer' },
        })
        .catch(() => undefined);
    };
    const sealer = new Sealer({
      db,
      keyring,
      sink: openSink(sink, outbound, (head) => log.info(head as object, 'audit head')),
      warn,
      alert,
    });
    const retention = new Retention({ db, keyring, sealer, attestor: this.#attestor, alert });
    this.#stopRetention = jobs.job('audit-retention').every(RETENTION_MS, () => retention.run(new Date()), warn);
    sealer.start(everyMs, jobs.job('audit-seal'));
    this.#sealer = sealer;
  }

  async stop(): Promise<void> {
    this.#stopRetention?.();
    await this.#sealer?.stop();
  }
}
