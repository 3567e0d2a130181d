import type { ChangeNotice, Registration } from '../../contracts/index.ts';
import type { Access, Caller, ProjectAccess } from '../access/access.ts';
import { Refusal } from '../refusal.ts';
import type { Change, Listener } from './feed.ts';
import { matcherOf, maySubscribe } from './filter.ts';
import { formatPosition, type Position } from './position.ts';
import type { EventStream } from './stream.ts';

/** Names that wait for the check of their reader; beyond that it is told to look at everything. */
const WAITING_KEYS = 5_000;
/** Names in one event. */
const KEYS_AT_ONCE = 50;
/** How long rights may go unchecked, with the database away, before the stream is closed. */
const UNCHECKED_MS = 30_000;

/** Why a stream ended. */
export type Ending = 'reader-left' | 'reader-too-slow' | 'rights-ended' | 'aged' | 'stopping' | 'database-away';

export interface SubscriptionOptions {
  readonly access: Access;
  readonly caller: Caller;
  readonly projectId: string;
  readonly register: readonly Registration[];
  readonly stream: EventStream;
  /** Called once, when the stream is closed. */
  readonly onEnd: (subscription: Subscription, why: Ending) => void;
}

/**
 * One caller's stream. Nothing leaves before the database has said, after the change was committed, that this caller still
 * may know of it: a token that ended, or a grant that was taken away, closes the stream instead.
 */
export class Subscription implements Listener {
  readonly #on: SubscriptionOptions;
  readonly #matches: (change: Change) => boolean;
  #waiting: Change[] = [];
  #waitingKeys = 0;
  #resync = false;
  #reached: Position | undefined;
  #told: Position | undefined;
  #held = true;
  #checking: Promise<void> | undefined;
  #checkedAt = performance.now();
  #ended = false;
  /** How many events were sent. */
  delivered = 0;

  constructor(options: SubscriptionOptions) {
    this.#on = options;
    this.#matches = matcherOf(options.projectId, options.register);
    options.stream.onClose(() => this.#end(options.stream.tooSlow ? 'reader-too-slow' : 'reader-left'));
  }

  get caller(): Caller {
    return this.#on.caller;
  }

  get projectId(): string {
    return this.#on.projectId;
  }

  heard(changes: readonly Change[], reached: Position): void {
    if (this.#ended) return;
    for (const change of changes) if (this.#matches(change)) this.#keep(change);
    this.#reached = reached;
    if (!this.#held && this.#hasNews) void this.check();
  }

  missed(reached: Position): void {
    if (this.#ended) return;
    this.#lose();
    this.#reached = reached;
    if (!this.#held) void this.check();
  }

  /**
   * Sends from now on: first what was committed while the caller was away, then what was heard since it came back.
   *
   * @param from where the stream began, or where the caller's last one ended
   * @param backlog nothing when it cannot be told
   */
  async begin(from: Position, backlog: readonly Change[] | undefined): Promise<void> {
    const since = this.#waiting;
    this.#waiting = [];
    this.#waitingKeys = 0;
    if (backlog === undefined) this.#lose();
    else for (const change of [...backlog, ...since]) if (this.#matches(change)) this.#keep(change);
    this.#reached ??= from;
    this.#held = false;
    this.#told = from;
    const retry = 500 + Math.floor(Math.random() * 2_500);
    this.#on.stream.send({ retry, id: backlog === undefined ? undefined : formatPosition(from), event: 'ping' });
    if (this.#hasNews) await this.check();
  }

  get #hasNews(): boolean {
    return this.#resync || this.#waiting.length > 0;
  }

  #keep(change: Change): void {
    if (this.#resync) return;
    this.#waiting.push(change);
    this.#waitingKeys += change.keys.length + 1;
    if (this.#waitingKeys > WAITING_KEYS) this.#lose();
  }

  #lose(): void {
    this.#resync = true;
    this.#waiting = [];
    this.#waitingKeys = 0;
  }

  /** Keeps the connection alive through proxies, and tells the client where it stands, for when it comes back. */
  ping(): void {
    if (this.#on.stream.full) return;
    const upToDate = !this.#held && !this.#hasNews && this.#checking === undefined;
    if (upToDate) this.#told = this.#reached ?? this.#told;
    this.#on.stream.send({ id: this.#told && formatPosition(this.#told), event: 'ping' });
  }

  /** Asks the database whether this caller may still hear, and sends what waits. One at a time, in order. */
  check(): Promise<void> {
    this.#checking ??= this.#checkAndSend().finally(() => {
      this.#checking = undefined;
    });
    return this.#checking;
  }

  async #checkAndSend(): Promise<void> {
    do {
      if (this.#ended) return;
      // Taken before the question: the answer is then younger than every change that it decides on.
      const changes = this.#waiting;
      const [resync, reached] = [this.#resync, this.#reached];
      this.#waiting = [];
      this.#waitingKeys = 0;
      this.#resync = false;
      const allowed = await this.#stillAllowed();
      if (allowed === 'unknown') {
        this.#putBack(changes, resync);
        return;
      }
      if (allowed === undefined || this.#ended) return;
      const sent = this.#sendSome(allowed, changes, resync, reached);
      if (sent < changes.length) this.#putBack(changes.slice(sent), false);
      // Whoever reads slowly is asked about again before the rest: their rights may have ended meanwhile.
      await this.#on.stream.ready();
    } while (this.#hasNews);
  }

  #putBack(changes: Change[], resync: boolean): void {
    const since = this.#waiting;
    this.#waiting = [];
    this.#waitingKeys = 0;
    if (resync || this.#resync) this.#lose();
    else for (const change of [...changes, ...since]) this.#keep(change);
  }

  /** The caller's rights, or nothing when the stream was closed for want of them. */
  async #stillAllowed(): Promise<ProjectAccess | 'unknown' | undefined> {
    const { access, caller, projectId, register } = this.#on;
    try {
      const allowed = await access.project(caller, { id: projectId });
      this.#checkedAt = performance.now();
      if (register.some(({ conditions }) => maySubscribe(allowed, conditions))) return allowed;
      this.close('you may no longer read the secrets that this subscription is about');
    } catch (error) {
      if (!(error instanceof Refusal) || error.kind === 'unavailable') {
        if (performance.now() - this.#checkedAt < UNCHECKED_MS) return 'unknown';
        this.close('your rights could not be checked for a while; come back later', 'database-away');
      } else {
        this.close(error.message);
      }
    }
    return undefined;
  }

  /** Sends until the reader has to catch up. How many of the changes are dealt with. */
  #sendSome(
    allowed: ProjectAccess,
    changes: readonly Change[],
    resync: boolean,
    reached: Position | undefined,
  ): number {
    const { stream } = this.#on;
    if (resync) {
      const data: ChangeNotice = { projectType: 'secret-manager', data: { eventType: 'resync', payload: [] } };
      this.#told = reached;
      this.#send({ id: reached && formatPosition(reached), event: 'resync', data });
    }
    for (const [sent, change] of changes.entries()) {
      if (stream.full) return sent;
      const notices = noticesOf(allowed, change);
      for (const [at, data] of notices.entries()) {
        // The id comes with the last part: who is cut off before it gets all parts again.
        const last = at === notices.length - 1;
        if (last) this.#told = change.position;
        this.#send({ id: last ? formatPosition(change.position) : undefined, event: change.event, data });
      }
    }
    return changes.length;
  }

  #send(frame: Parameters<EventStream['send']>[0]): void {
    if (this.#on.stream.send(frame)) this.delivered++;
  }

  /** Says why, and ends the stream. */
  close(message: string, why: Ending = 'rights-ended'): void {
    if (this.#ended) return;
    this.#on.stream.send({ event: 'error', data: { message } });
    this.#on.stream.end();
    this.#end(why);
  }

  /** Ends the stream without a word: the client comes back by itself. */
  leave(why: Ending): void {
    if (this.#ended) return;
    this.#on.stream.end();
    this.#end(why);
  }

  #end(why: Ending): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#waiting = [];
    this.#on.onEnd(this, why);
  }
}

/** What of a change this caller may know, in pieces of a bearable size. */
function noticesOf(allowed: ProjectAccess, { event, environment, path, keys }: Change): ChangeNotice[] {
  const projectType = 'secret-manager';
  if (event === 'secret:import-mutation') {
    if (!maySubscribe(allowed, { environmentSlug: environment, secretPath: path })) return [];
    return [{ projectType, data: { eventType: event, payload: { environment, secretPath: path } } }];
  }
  const known = keys.filter((key) => maySubscribe(allowed, { environmentSlug: environment, secretPath: path }, key));
  return Array.from({ length: Math.ceil(known.length / KEYS_AT_ONCE) }, (_, n) => {
    const payload = known
      .slice(n * KEYS_AT_ONCE, (n + 1) * KEYS_AT_ONCE)
      .map((secretKey) => ({ environment, secretPath: path, secretKey }));
    return { projectType, data: { eventType: event, payload } };
  });
}
