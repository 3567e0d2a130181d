/** How many answers are kept: a process reads few folders, and each answer holds plaintext. */
const MOST_ANSWERS = 64;

/** Answers by request with their ETags, the least recently used dropped first. In memory, for the life of its client. */
export class AnswerCache<Answer> {
  readonly #answers = new Map<string, { readonly etag: string; readonly answer: Answer }>();

  /** The kept answer of a request; asking makes it the one that is dropped last. */
  get(request: string): { readonly etag: string; readonly answer: Answer } | undefined {
    const found = this.#answers.get(request);
    if (found) {
      this.#answers.delete(request);
      this.#answers.set(request, found);
    }
    return found;
  }

  /** Keeps an answer in place of the one before; beyond the bound the least recently used goes. */
  set(request: string, entry: { readonly etag: string; readonly answer: Answer }): void {
    this.#answers.delete(request);
    this.#answers.set(request, entry);
    const [oldest] = this.#answers.keys();
    if (this.#answers.size > MOST_ANSWERS && oldest !== undefined) this.#answers.delete(oldest);
  }
}
