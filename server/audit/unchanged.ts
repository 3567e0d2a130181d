import type { ProjectAccess } from '../access/access.ts';
import type { Held } from '../access/store.ts';
import type { Database } from '../database/database.ts';
import type { Jobs } from '../metrics/job.ts';
import { addUnchanged, recordPastHours, type UnchangedCount } from './unchanged-store.ts';

const FLUSH_MS = 10_000;
const RECORD_MS = 60_000;
/** Callers and places counted between two flushes; more of them are written out at once. */
const COUNTED_AT_MOST = 5_000;

type Counted = { -readonly [Field in keyof UnchangedCount]: UnchangedCount[Field] };

/**
 * Counts answers that the client had already (HTTP 304). Nothing is disclosed by one, so it is checked like a read and
 * counted by caller and place, where two thousand objects polled at 15 seconds would be four billion records a year. An
 * hour that is over becomes one record each. A process that dies loses the counts of its last ten seconds.
 */
export class Unchanged {
  readonly #db: Database;
  #counts = new Map<string, Counted>();
  #stops: readonly (() => void)[] = [];

  constructor(db: Database) {
    this.#db = db;
  }

  start(jobs: Jobs): void {
    this.#stops = [
      jobs.job('audit-unchanged').every(FLUSH_MS, () => this.flush()),
      jobs.job('audit-unchanged-hours').every(RECORD_MS, () => this.record(new Date())),
    ];
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops) stop();
    await this.flush();
  }

  count({ actor, organization, project, caller }: Omit<ProjectAccess, 'rights'>, held: Held): void {
    const { environment, path, key } = held;
    const name = `${actor.id}\n${project.id}\n${environment}\n${path}\n${key ?? ''}`;
    const known = this.#counts.get(name);
    if (known) {
      known.count++;
      known.ip = caller.origin.ip;
      known.userAgent = caller.origin.userAgent;
      return;
    }
    this.#counts.set(name, {
      actorId: actor.id,
      actorKind: actor.kind,
      actorName: actor.name,
      organizationId: organization.id,
      projectId: project.id,
      projectSlug: project.slug,
      environment,
      path,
      key: key ?? '',
      event: `${held.event}-unchanged`,
      ip: caller.origin.ip,
      userAgent: caller.origin.userAgent,
      count: 1,
    });
    if (this.#counts.size >= COUNTED_AT_MOST) void this.flush().catch(() => undefined);
  }

  /** Writes the counts out. What cannot be written is kept for the next time, as far as there is room. */
  async flush(): Promise<void> {
    if (this.#counts.size === 0) return;
    const counts = this.#counts;
    this.#counts = new Map();
    try {
      await addUnchanged(this.#db, [...counts.values()]);
    } catch (error) {
      for (const [name, counted] of counts) {
        const known = this.#counts.get(name);
        if (known) known.count += counted.count;
        else if (this.#counts.size < COUNTED_AT_MOST) this.#counts.set(name, counted);
      }
      throw error;
    }
  }

  /** Makes records of the hours that were over at `now`. Several replicas may: each count is taken once. */
  async record(now: Date): Promise<void> {
    await recordPastHours(this.#db, now);
  }
}
