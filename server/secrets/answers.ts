import type { Held } from '../access/store.ts';

/** One answer, ready to be sent, sealed under a key that only this process has. */
export interface Answer {
  readonly sealed: Buffer;
  readonly etag: string;
  /** Under which conditions it may be served, and what its audit record says. */
  readonly held: Held;
}

const DEFAULT_BYTES = 64 * 1024 * 1024;
/** No caller holds more than this part of it all, so that one that reads everything cannot push the others out. */
const SHARE = 1 / 8;
/** What an entry costs besides its bytes. */
const OVERHEAD_BYTES = 512;

/**
 * The answers that this process holds, by caller and question. Nothing is served from here on its own word: each
 * request asks the database whether the answer is still current (access/store.ts). Bounded by bytes; the longest
 * unused goes first.
 */
export class Answers {
  readonly #limit: number;
  readonly #entries = new Map<string, { readonly answer: Answer; readonly owner: string; readonly bytes: number }>();
  readonly #byOwner = new Map<string, number>();
  #bytes = 0;
  found = 0;
  missing = 0;
  fills = 0;

  /** @param limit bytes at most. @default 64 MiB */
  constructor(limit = DEFAULT_BYTES) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** As `get`, of one who only looks whether it is there. */
  peek(question: string): Answer | undefined {
    return this.#entries.get(question)?.answer;
  }

  get(question: string): Answer | undefined {
    const entry = this.#entries.get(question);
    if (entry === undefined) {
      this.missing++;
      return undefined;
    }
    this.found++;
    // A Map keeps the order of insertion: taking it out and putting it back makes it the latest used.
    this.#entries.delete(question);
    this.#entries.set(question, entry);
    return entry.answer;
  }

  put(owner: string, question: string, answer: Answer): void {
    this.fills++;
    this.#remove(question);
    const bytes = answer.sealed.length + question.length * 2 + OVERHEAD_BYTES;
    if (bytes > this.#limit * SHARE) return;
    this.#makeRoom(owner, bytes);
    this.#entries.set(question, { answer, owner, bytes });
    this.#count(owner, bytes);
  }

  #makeRoom(owner: string, bytes: number): void {
    if ((this.#byOwner.get(owner) ?? 0) + bytes > this.#limit * SHARE) {
      for (const [question, entry] of this.#entries) {
        if (entry.owner === owner) this.#remove(question);
        if ((this.#byOwner.get(owner) ?? 0) + bytes <= this.#limit * SHARE) break;
      }
    }
    for (const question of this.#entries.keys()) {
      if (this.#bytes + bytes <= this.#limit) break;
      this.#remove(question);
    }
  }

  #remove(question: string): void {
    const entry = this.#entries.get(question);
    if (entry === undefined) return;
    this.#entries.delete(question);
    this.#count(entry.owner, -entry.bytes);
  }

  #count(owner: string, bytes: number): void {
    this.#bytes += bytes;
    const held = (this.#byOwner.get(owner) ?? 0) + bytes;
    if (held === 0) this.#byOwner.delete(owner);
    else this.#byOwner.set(owner, held);
  }
}
