import type { Histogram } from './histogram.ts';
import { Job } from './job.ts';

/** What tells the numbers of one metric apart. Only what has few values by its nature: a route's template, never a path. */
export type Labels = Readonly<Record<string, string>>;
type Reading = number | Iterable<readonly [Labels, number]>;

interface Value {
  readonly metricName?: string;
  readonly labels: Labels;
  readonly value: number;
}
interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: 'gauge' | 'counter' | 'histogram';
  readonly read: () => Value[];
}

const NAME = /^kms_[a-z0-9_]+$/;
/** A metric that grew beyond this is cut: one that counts by something a caller chooses must not fill anybody's memory. */
const VALUES_AT_MOST = 20_000;

/**
 * What this process tells about itself. A part keeps plain numbers where it works and hands over how they are read;
 * nothing is computed until somebody looks, and without a metrics port nobody ever does.
 *
 * @example
 * metrics.gauge('kms_audit_queue', 'audit records that wait to be stored', () => audit.waiting);
 * metrics.counter('kms_seals_total', 'seals written, by outcome', () => outcomes.entries('outcome'));
 * const job = metrics.job('audit-seal'); // job.done() and job.failed() after each run; or job.run(work)
 */
export class Metrics {
  readonly #metrics = new Map<string, Metric>();
  readonly #jobs: Job[] = [];

  constructor() {
    const ofJobs = (value: (job: Job) => number) => () =>
      this.#jobs.map((job) => [{ job: job.name }, value(job)] as const);
    this.gauge(
      'kms_job_last_success_timestamp_seconds',
      'when a background job last did its work; 0 before the first time',
      ofJobs((job) => job.lastSuccess),
    );
    this.counter(
      'kms_job_failures_total',
      'runs of background jobs that failed',
      ofJobs((job) => job.failures),
    );
  }

  /** A number that goes up and down. */
  gauge(name: string, help: string, read: () => Reading): void {
    this.#add({ name, help, type: 'gauge', read: () => valuesOf(read()) });
  }

  /** A number that only grows while the process lives; its name ends in `_total`. */
  counter(name: string, help: string, read: () => Reading): void {
    if (!name.endsWith('_total')) throw new Error(`the counter ${name} must end in _total`);
    this.#add({ name, help, type: 'counter', read: () => valuesOf(read()) });
  }

  histogram(name: string, help: string, read: () => Iterable<readonly [Labels, Histogram]>): void {
    const all = () => [...read()].flatMap(([labels, histogram]) => bucketsOf(name, labels, histogram));
    this.#add({ name, help, type: 'histogram', read: all });
  }

  /** Work that is done again and again in the background: its age tells when it stopped, which nothing else would. */
  job(name: string): Job {
    const job = new Job(name);
    this.#jobs.push(job);
    return job;
  }

  #add(metric: Metric): void {
    if (!NAME.test(metric.name)) throw new Error(`a metric is called kms_..., and not ${metric.name}`);
    if (this.#metrics.has(metric.name)) throw new Error(`the metric ${metric.name} is there already`);
    this.#metrics.set(metric.name, metric);
  }

  /** All of it in Prometheus' text format. */
  async render(): Promise<string> {
    // Loaded when somebody looks: most servers are never asked.
    const { Registry } = await import('prom-client');
    const registry = new Registry();
    for (const { name, help, type, read } of this.#metrics.values()) {
      const get = async () => ({ name, help, type, values: read().slice(0, VALUES_AT_MOST) });
      registry.registerMetric({ name, get } as never);
    }
    return registry.metrics();
  }
}

function valuesOf(reading: Reading): Value[] {
  if (typeof reading === 'number') return [{ labels: {}, value: reading }];
  return Array.from(reading, ([labels, value]) => ({ labels, value }));
}

function bucketsOf(name: string, labels: Labels, { bounds, counts, sum }: Histogram): Value[] {
  let count = 0;
  const buckets = Array.from(counts, (own, n) => {
    count += own;
    return { metricName: `${name}_bucket`, labels: { ...labels, le: String(bounds[n] ?? '+Inf') }, value: count };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: count },
  ];
}
