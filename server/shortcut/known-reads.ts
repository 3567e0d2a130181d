import { hash } from 'node:crypto';
import type { Caller, ProjectReference } from '../access/caller.ts';
import type { LimitClass } from '../limits/classes.ts';
import type { Meter } from '../metrics/requests.ts';

/** A read that was answered before: what its text and its token came to, which is the same each time. */
export interface KnownRead {
  readonly tokenId: string;
  readonly actorId: string;
  readonly isListed: boolean | undefined;
  readonly project: ProjectReference;
  /** The answer's name in memory (secrets/question.ts). */
  readonly name: string;
  readonly limitClass: LimitClass | false | undefined;
  readonly meter: Meter | undefined;
}

const KEPT_AT_MOST = 10_000;
/** In characters. Longer addresses are rare, and go the long way each time. */
const LONGEST = 512;

/**
 * Reads that services ask again and again, letter by letter. Kept is what parsing, checking and matching of a request came to;
 * who the caller is now and whether the answer may be shown is asked each time. The token itself is not kept: it goes by its
 * SHA-256.
 */
export class KnownReads {
  readonly #known = new Map<string, KnownRead>();

  find(url: string, authorization: string): KnownRead | undefined {
    return this.#known.size === 0 || url.length > LONGEST ? undefined : this.#known.get(keyOf(url, authorization));
  }

  /** Service tokens are left out, since their place may be put into the question, and so is a token whose uses are counted. */
  keep(url: string, authorization: string | undefined, caller: Caller, read: Omit<KnownRead, keyof Caller>): void {
    if (caller.usesLimited || caller.isServiceToken || authorization === undefined || url.length > LONGEST) return;
    const key = keyOf(url, authorization);
    if (this.#known.has(key)) return;
    if (this.#known.size >= KEPT_AT_MOST) this.#known.delete(this.#known.keys().next().value!);
    this.#known.set(key, { ...read, tokenId: caller.tokenId, actorId: caller.actorId, isListed: caller.isListed });
  }
}

const keyOf = (url: string, authorization: string) => `${hash('sha256', authorization, 'base64')} ${url}`;
