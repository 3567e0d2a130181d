import type { FolderAddress } from './address.ts';
import { Events } from './events.ts';
import { type Look, type LookOptions, lookAt } from './look.ts';
import type { Session } from './session.ts';

/** What is watched, and who is told. */
export interface Watched {
  readonly kms: { readonly events: Events };
  /** The project to hear of; undefined where the server does not tell: then there are only the looks. */
  readonly projectId: string | undefined;
  /** Looks at the folder; undefined when the answer with this ETag is still the present one. */
  readonly look: (etag: string | undefined, signal: AbortSignal) => Promise<Look | undefined>;
  readonly changed: (look: Look) => void;
  /** Told once, when changes cannot be heard of or looked at; and again after it went well. */
  readonly troubled: (error: unknown) => void;
  readonly signal: AbortSignal;
  /** Longest time between two looks, in milliseconds: a notice can be lost, and a proxy may hold the stream back. @default 30000 */
  readonly pollMs?: number;
}

/** Looks again whenever the server tells of a change, and every half minute under that. Ends with its signal. */
export async function watchFolder(
  { kms, projectId, look, changed, troubled, signal, pollMs = 30_000 }: Watched,
  etag: string | undefined,
): Promise<void> {
  let known = etag;
  let isTroubled = false;
  const note = (error: unknown) => {
    if (!isTroubled && !signal.aborted) troubled(error);
    isTroubled = true;
  };
  let wake = () => {};
  let asked = false;
  const ask = () => {
    asked = true;
    wake();
  };
  // Whoever may read the folder and not hear of changes is left with the looks.
  const hear = async () => {
    if (projectId === undefined) return;
    for await (const _ of kms.events.subscribe({ projectId, signal, onOpen: ask })) ask();
  };
  hear().catch(note);
  while (!signal.aborted) {
    if (!asked) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, pollMs);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
        signal.addEventListener('abort', wake, { once: true });
      });
      signal.removeEventListener('abort', wake);
    }
    asked = false;
    if (signal.aborted) return;
    try {
      const found = await look(known, signal);
      isTroubled = false;
      if (!found) continue;
      known = found.etag;
      changed(found);
    } catch (error) {
      note(error);
    }
  }
}

/** How to watch a folder. */
export interface WatchOptions extends Omit<LookOptions, 'etag' | 'signal'> {
  /** Ends it. */
  readonly signal?: AbortSignal;
  /** Told when changes cannot be heard of or looked at, which goes on by itself. @default - nobody */
  readonly troubled?: (error: unknown) => void;
  /** Longest time between two looks, in milliseconds. @default 30000 */
  readonly pollMs?: number;
}

/**
 * A folder as it is, and again whenever it has changed. A reader that is slow gets the last state of it, and none in between.
 *
 * @throws KmsError when the first look fails
 */
export async function* watchLooks(
  session: Session,
  at: FolderAddress,
  { signal, troubled = () => {}, pollMs, ...options }: WatchOptions = {},
): AsyncGenerator<Look, void, undefined> {
  const ending = new AbortController();
  const ended = signal ? AbortSignal.any([signal, ending.signal]) : ending.signal;
  const look = (etag: string | undefined, looking: AbortSignal) =>
    lookAt(session, at, { ...options, etag, signal: looking });
  const first = await look(undefined, ended);
  if (!first) return;
  let latest: Look | undefined = first;
  let wake = () => {};
  ended.addEventListener('abort', () => wake(), { once: true });
  try {
    yield first;
    latest = undefined;
    const projectId = first.folder?.projectId ?? first.secrets[0]?.workspace;
    const watched = {
      kms: { events: new Events(session) },
      ...{ projectId, look, troubled, signal: ended, ...(pollMs === undefined ? {} : { pollMs }) },
      changed(found: Look) {
        latest = found;
        wake();
      },
    };
    void watchFolder(watched, first.etag);
    while (!ended.aborted) {
      if (latest === undefined) await new Promise<void>((resolve) => (wake = resolve));
      const found: Look | undefined = latest;
      latest = undefined;
      if (found && !ended.aborted) yield found;
    }
  } finally {
    ending.abort();
  }
}
