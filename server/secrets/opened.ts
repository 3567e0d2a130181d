import type { MemorySeal } from '../../keys/index.ts';
import type { Answer } from './answers.ts';

/**
 * Opens answers. Those who are served the same one by the same statement share what was opened: it is let go of with the
 * turn of the event loop in which they are all answered, as it would be if each had opened it.
 */
export class Opened {
  readonly #seal: MemorySeal;
  readonly #now = new Map<Answer, Buffer>();

  constructor(seal: MemorySeal) {
    this.#seal = seal;
  }

  /** @throws SealBroken when the answer was kept under another name, or altered */
  open(answer: Answer, name: string): Buffer {
    const known = this.#now.get(answer);
    if (known) return known;
    const json = this.#seal.open(answer.sealed, name);
    if (this.#now.size === 0) setImmediate(() => this.#now.clear());
    this.#now.set(answer, json);
    return json;
  }
}
