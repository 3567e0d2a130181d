import type { FastifyBaseLogger } from 'fastify';
import type { Database } from '../database/database.ts';
import type { Keyring } from '../keyring/keyring.ts';
import type { Outbound } from '../outbound/outbound.ts';
import { Attestor } from './attestor.ts';
import type { Audit } from './audit.ts';
import { Sealer } from './sealer.ts';
import { openSink } from './sink.ts';

export interface EvidenceOptions {
  readonly db: Database;
  readonly path: Database;
  readonly audit: Audit;
  readonly keyring: Keyring;
}

/** What makes the audit tamper-evident: attestations of grants, and seals; both beside the path. */
export class Evidence {
  readonly #on: EvidenceOptions;
  #sealer: Sealer | undefined;

  private constructor(options: EvidenceOptions) {
    this.#on = options;
  }

  /** From here on, changes of grants are attested. What was there before attestations is taken over once. */
  static async of(options: EvidenceOptions): Promise<Evidence> {
    const attestor = new Attestor(options.keyring.audit);
    options.db.guardCommits(attestor);
    options.path.guardCommits(attestor);
    await attestor.adopt(options.db);
    return new Evidence(options);
  }

  /** Starts to seal. @param settings `sink`: KMS_AUDIT_SINK */
  start(
    { sink, everyMs = 1_000 }: { sink?: string | undefined; everyMs?: number | undefined },
    outbound: Outbound,
    log: FastifyBaseLogger,
  ): void {
    if (everyMs === 0) return;
    const { db, keyring, audit } = this.#on;
    const sealer = new Sealer({
      db,
      instanceId: keyring.instanceId,
      keys: keyring.audit,
      sink: openSink(sink, outbound, (head) => log.info(head as object, 'audit head')),
      warn: (error) => log.warn({ type: (error as Error).name }, 'the audit could not be sealed; it is tried again'),
      alert: (event, metadata) => {
        log.error({ event, ...metadata }, 'alert: somebody tampers with the audit');
        void audit
          .write({
            action: 'delete',
            event,
            outcome: 'refused',
            actor: { kind: 'server', name: sealer.replica },
            metadata,
            origin: { ip: null, userAgent: null, requestId: 'sealer' },
          })
          .catch(() => undefined);
      },
    });
    sealer.start(everyMs);
    this.#sealer = sealer;
  }

  async stop(): Promise<void> {
    await this.#sealer?.stop();
  }
}
