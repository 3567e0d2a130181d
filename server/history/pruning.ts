import type { FastifyBaseLogger } from 'fastify';
import type { Database } from '../database/database.ts';
import type { Jobs } from '../metrics/job.ts';
import { pruneVersions } from './pruning-store.ts';

const EVERY_MS = 60 * 60 * 1000;

/** Ends the oldest versions of secrets in projects that keep a limited number of them, the present one counted. */
export class Pruning {
  readonly #db: Database;
  #stop: (() => void) | undefined;

  constructor(options: { db: Database }) {
    this.#db = options.db;
  }

  start(jobs: Jobs, log: FastifyBaseLogger): void {
    const warn = (error: unknown) =>
      log.warn({ type: (error as Error).name }, 'old versions of secrets could not be pruned; it is tried again');
    this.#stop = jobs.job('history-pruning').every(EVERY_MS, () => this.run(), warn);
  }

  stop(): void {
    this.#stop?.();
  }

  /** Prunes what is over its limit now, a part at a time; answers how many versions that were. */
  async run(): Promise<number> {
    let pruned = 0;
    for (let part = -1; part !== 0; pruned += part) part = await pruneVersions(this.#db);
    return pruned;
  }
}
