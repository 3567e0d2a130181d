import { ChangeNotice, type Registration } from '../contracts/events.ts';
import { KmsRefusal, KmsTimeout, KmsUnreachable } from './errors.ts';
import type { Session } from './session.ts';
import { sleep } from './sleep.ts';
import type { StreamedEvent } from './sse.ts';

/** Something that changed in a project: where, and which names, never a value. */
export interface Change {
  /** `resync`: changes were missed, look at everything. */
  readonly type: ChangeNotice['data']['eventType'];
  readonly environment?: string;
  readonly secretPath?: string;
  /** The names that changed; none for imports and for `resync`. */
  readonly keys: readonly string[];
}

export interface SubscribeOptions {
  /** The project to hear of; the caller must be a member. */
  readonly projectId: string;
  /** What to hear of. @default - everything in the project */
  readonly register?: readonly Registration[];
  /** Ends the stream. */
  readonly signal?: AbortSignal;
  /** Longest silence before the connection counts as broken, in milliseconds. The server speaks every 15 s. @default 45000 */
  readonly silenceMs?: number;
  /**
   * Told each time that the stream is open, the first time included. Who looked before that may have missed a change in between, and looks again.
   */
  readonly onOpen?: () => void;
}

const EVERYTHING: readonly Registration[] = (
  ['secret:create', 'secret:update', 'secret:delete', 'secret:import-mutation'] as const
).map((event) => ({ event, conditions: undefined }));
const SILENCE_MS = 45_000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;

/** Hears of changes (docs/events.md). A notice says where to look; the content is read as ever. */
export class Events {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  /**
   * Every change, until `signal` ends it. A broken connection is made again, to whichever replica answers, and goes on
   * after the last event; where that cannot be, a `resync` comes. Throws what will not pass by itself: 401, 403, 404.
   *
   * @example
   * for await (const change of kms.events.subscribe({ projectId, signal })) reload(change);
   */
  async *subscribe(options: SubscribeOptions): AsyncGenerator<Change, void, undefined> {
    const { projectId, register = EVERYTHING, signal, silenceMs = SILENCE_MS, onOpen } = options;
    let lastId: string | undefined;
    let pause = 0;
    let failures = 0;
    for (;;) {
      try {
        if (pause > 0) await sleep(pause, signal);
        const events = this.#session.stream({
          path: '/api/v1/events/subscribe/project-events',
          body: { projectId, register },
          headers: lastId === undefined ? {} : { 'last-event-id': lastId },
          silenceMs,
          onOpen,
          ...(signal ? { signal } : {}),
        });
        pause = FIRST_PAUSE_MS;
        for await (const event of events) {
          failures = 0;
          // Within what is ours to bear: at once would be without end, and in a week is never.
          if (event.retry !== undefined) pause = Math.min(Math.max(event.retry, FIRST_PAUSE_MS), LONGEST_PAUSE_MS);
          const change = changeOf(event);
          if (change) yield change;
          // Noted when the reader has dealt with it, so that nothing is passed by when the connection breaks meanwhile.
          lastId = event.id ?? lastId;
        }
      } catch (error) {
        if (signal?.aborted) return;
        if (!mayPass(error)) throw error;
        failures++;
        pause = Math.random() * Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures);
      }
    }
  }
}

function mayPass(error: unknown): boolean {
  if (error instanceof KmsRefusal) return error.status === 429 || error.status >= 500;
  return error instanceof KmsUnreachable || error instanceof KmsTimeout;
}

/** What an event tells, or nothing: pings, and kinds that this version does not know. */
function changeOf({ data }: StreamedEvent): Change | undefined {
  if (data === undefined) return undefined;
  let json: unknown;
  try {
    json = JSON.parse(data);
  } catch {
    return undefined;
  }
  const notice = ChangeNotice.safeParse(json);
  if (!notice.success) return undefined;
  const { eventType: type, payload } = notice.data.data;
  const first = Array.isArray(payload) ? payload[0] : payload;
  if (first === undefined) return type === 'resync' ? { type, keys: [] } : undefined;
  const { environment, secretPath } = first as { environment: string; secretPath: string };
  const keys = Array.isArray(payload) ? payload.map((at) => (at as { secretKey: string }).secretKey) : [];
  return { type, environment, secretPath, keys };
}
