import type { Kms } from './kms.ts';
import type { Look } from './look.ts';

/** What is watched, and who is told. */
export interface Watched {
  readonly kms: Pick<Kms, 'events'>;
  readonly projectId: string;
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
