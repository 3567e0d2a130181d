import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** The operator's numbers for Prometheus. Names of KMSSecrets are labels; values and keys are nowhere. */
export class OperatorMetrics {
  readonly registry = new Registry();
  readonly #syncs = this.#counter(
    'syncs_total',
    'Turns of KMSSecrets, by what came of them: Synced, or the reason of the condition',
    'reason',
  );
  readonly #seconds = new Histogram({
    name: 'kms_operator_sync_seconds',
    help: 'How long a turn took',
    buckets: [0.005, 0.02, 0.1, 0.5, 2, 10],
    registers: [this.registry],
  });
  readonly #ready = this.#gauge(
    'kmssecret_ready',
    '1 when the objects of a KMSSecret are what KMS says, as far as was looked, 0 when not',
    'namespace',
    'name',
  );
  readonly #looked = this.#gauge(
    'kmssecret_last_sync_timestamp_seconds',
    'When a KMSSecret was last in sync',
    'namespace',
    'name',
  );
  readonly #renewals = this.#counter(
    'renewals_total',
    'Client secrets that were to be renewed, by what came of it: renewed, refused (a person must act), failed (tried again)',
    'outcome',
  );
  readonly #ends = this.#gauge(
    'client_secret_ends_timestamp_seconds',
    'When the client secret in a Secret that is renewed ends',
    'secret',
  );
  readonly #troubles = this.#counter(
    'troubles_total',
    'Failures beside the turns: watches, event streams, the Lease, Events',
    'what',
  );

  constructor(now: {
    readonly isLeader: () => boolean;
    readonly depth: () => number;
    readonly requests: () => ReadonlyMap<string, number>;
  }) {
    collectDefaultMetrics({ register: this.registry });
    const gauge = (name: string, help: string, value: () => number) =>
      new Gauge({
        name,
        help,
        registers: [this.registry],
        collect() {
          this.set(value());
        },
      });
    gauge('kms_operator_leader', '1 on the replica that leads', () => Number(now.isLeader()));
    gauge('kms_operator_queue_depth', 'KMSSecrets that wait for their turn', now.depth);
    const { registry } = this;
    new Gauge({
      name: 'kms_operator_kubernetes_requests',
      help: 'Requests to the API server since the start, by verb and resource',
      labelNames: ['verb', 'resource'],
      registers: [registry],
      collect() {
        for (const [key, count] of now.requests()) {
          const [verb = '', resource = ''] = key.split(' ');
          this.set({ verb, resource }, count);
        }
      },
    });
  }

  turn(namespace: string, name: string, reason: string, seconds: number): void {
    this.#syncs.inc({ reason });
    this.#seconds.observe(seconds);
    this.#ready.set({ namespace, name }, Number(reason === 'Synced'));
    if (reason === 'Synced') this.#looked.set({ namespace, name }, Date.now() / 1000);
  }

  gone(namespace: string, name: string): void {
    this.#ready.remove({ namespace, name });
    this.#looked.remove({ namespace, name });
  }

  renewal(outcome: 'renewed' | 'refused' | 'failed'): void {
    this.#renewals.inc({ outcome });
  }

  /** @param secret `namespace/name` */
  credentialsEnd(secret: string, seconds: number | undefined): void {
    if (seconds === undefined) this.#ends.remove({ secret });
    else this.#ends.set({ secret }, seconds);
  }

  trouble(what: 'watch' | 'expired' | 'stream' | 'lease' | 'event' | 'reload'): void {
    this.#troubles.inc({ what });
  }

  #counter<Label extends string>(name: string, help: string, ...labelNames: Label[]): Counter<Label> {
    return new Counter({ name: `kms_operator_${name}`, help, labelNames, registers: [this.registry] });
  }

  #gauge<Label extends string>(name: string, help: string, ...labelNames: Label[]): Gauge<Label> {
    return new Gauge({ name: `kms_operator_${name}`, help, labelNames, registers: [this.registry] });
  }
}
