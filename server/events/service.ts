import type { Registration } from '../../contracts/index.ts';
import type { Access, Caller } from '../access/access.ts';
import type { Db } from '../database/database.ts';
import { noEnvironment } from '../environments/missing.ts';
import { environmentSlugs } from '../environments/store.ts';
import type { Jobs } from '../metrics/job.ts';
import { Tally } from '../metrics/tally.ts';
import { Refusal, unavailable } from '../refusal.ts';
import type { ChangeFeed } from './feed.ts';
import { checkGlobs, maySubscribe } from './filter.ts';
import { parsePosition } from './position.ts';
import type { EventStream } from './stream.ts';
import { Subscription } from './subscription.ts';

export interface EventsOptions {
  readonly db: Db;
  readonly access: Access;
  readonly feed: ChangeFeed;
  /** Streams of this process at most. @default 5000 */
  readonly streams?: number | undefined;
  /** A stream is closed after this time, give or take a tenth, in milliseconds. @default 3600000 */
  readonly longestMs?: number | undefined;
  /** Longest time over which streams are closed when this replica stops, in milliseconds. @default 2000 */
  readonly closeWithinMs?: number | undefined;
  /** Pause between two checks of a quiet stream's rights, in milliseconds. @default 5000 */
  readonly checkEveryMs?: number | undefined;
}

export interface Subscribe {
  readonly projectId: string;
  readonly register: readonly Registration[];
  /** The header of a client that comes back. */
  readonly lastEventId?: string | undefined;
}

const STREAMS = 5_000;
/** Of one identity: one that opens streams and forgets them must not take them all. */
const STREAMS_OF_ONE = 500;
const STREAMS_OF_ONE_IN_A_PROJECT = 20;
const CHECK_EVERY_MS = 5_000;
const PING_EVERY_MS = 15_000;
/** Streams that end now and then spread over replicas that came later. */
const LONGEST_MS = 3_600_000;
const CLOSE_WITHIN_MS = 2_000;

/** The streams of change notices that this process has open. */
export class Events {
  readonly #on: EventsOptions;
  readonly #open = new Set<Subscription>();
  readonly #timers: NodeJS.Timeout[] = [];
  #stopping = false;
  /** Streams that ended, by why. */
  readonly endings = new Tally();

  constructor(options: EventsOptions) {
    this.#on = options;
  }

  async start(jobs: Jobs): Promise<void> {
    await this.#on.feed.start(jobs);
    const every = (ms: number, work: (subscription: Subscription) => void) =>
      this.#timers.push(setInterval(() => this.#open.forEach(work), ms).unref());
    every(this.#on.checkEveryMs ?? CHECK_EVERY_MS, (subscription) => void subscription.check());
    every(PING_EVERY_MS, (subscription) => subscription.ping());
  }

  /** How many streams are open. */
  get count(): number {
    return this.#open.size;
  }

  /**
   * Opens a stream: checks the caller as a read of secrets does, then leaves the answer to `openStream`, so that every
   * refusal is an ordinary one.
   */
  async subscribe(caller: Caller, asked: Subscribe, openStream: () => EventStream): Promise<void> {
    const { db, access, feed } = this.#on;
    checkGlobs(asked.register);
    const allowed = await access.project(caller, { id: asked.projectId });
    for (const { conditions } of asked.register) {
      if (maySubscribe(allowed, conditions)) continue;
      await access.need(allowed, {
        action: 'subscribe',
        subject: 'secrets',
        environment: conditions?.environmentSlug,
      });
    }
    await this.#refuseMissing(db, allowed.project, asked.register);
    this.#refuseTooMany(caller, asked.projectId);
    await access.recordRead(allowed, {
      action: 'read',
      event: 'subscribe-project-events',
      metadata: { register: asked.register },
    });
    this.#refuseTooMany(caller, asked.projectId);
    const subscription = this.#openFor(caller, asked, openStream());
    try {
      const here = await feed.attach(subscription);
      const from = asked.lastEventId === undefined ? here : parsePosition(asked.lastEventId);
      const backlog = from && (from === here ? [] : await feed.between(from, here));
      await subscription.begin(backlog === undefined ? here : from!, backlog);
    } catch {
      // The answer has begun: all that is left to say is that it ends.
      subscription.leave('database-away');
    }
  }

  async #refuseMissing(db: Db, project: { id: string; slug: string }, register: readonly Registration[]) {
    const asked = register.flatMap(({ conditions }) => (conditions ? [conditions.environmentSlug] : []));
    if (asked.length === 0) return;
    const known = await environmentSlugs(db, project.id);
    const missing = asked.find((slug) => !known.includes(slug));
    if (missing !== undefined) throw await noEnvironment(db, project, missing);
  }

  #refuseTooMany(caller: Caller, projectId: string): void {
    if (this.#stopping) throw unavailable('this replica is stopping; connect again');
    if (this.#open.size >= (this.#on.streams ?? STREAMS)) {
      throw unavailable('this replica has as many event streams open as it serves');
    }
    const theirs = [...this.#open].filter(({ caller: { actorId } }) => actorId === caller.actorId);
    const here = theirs.filter((subscription) => subscription.projectId === projectId);
    if (theirs.length < STREAMS_OF_ONE && here.length < STREAMS_OF_ONE_IN_A_PROJECT) return;
    throw new Refusal(
      'rateLimited',
      `you have ${here.length} event streams of this project open, and ${theirs.length} in all; ` +
        `close some (at most ${STREAMS_OF_ONE_IN_A_PROJECT} and ${STREAMS_OF_ONE})`,
    );
  }

  #openFor(caller: Caller, { projectId, register }: Subscribe, stream: EventStream): Subscription {
    const { access, feed } = this.#on;
    const subscription: Subscription = new Subscription({
      access,
      caller,
      projectId,
      register,
      stream,
      onEnd: (ended, why) => {
        this.endings.add(why);
        clearTimeout(lifetime);
        this.#open.delete(ended);
        feed.detach(ended);
      },
    });
    const longest = (this.#on.longestMs ?? LONGEST_MS) * (0.9 + Math.random() * 0.2);
    const lifetime = setTimeout(() => subscription.leave('aged'), longest).unref();
    this.#open.add(subscription);
    return subscription;
  }

  /** Closes every stream, spread over a moment, so that clients do not all come back to one other replica at once. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const timer of this.#timers) clearInterval(timer);
    const within = this.#on.closeWithinMs ?? CLOSE_WITHIN_MS;
    const closings = [...this.#open].map(
      (subscription) =>
        new Promise<void>((closed) =>
          setTimeout(() => {
            subscription.leave('stopping');
            closed();
          }, Math.random() * within),
        ),
    );
    await Promise.all(closings);
    this.#on.feed.stop();
  }
}
