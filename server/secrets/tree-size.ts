import { badRequest } from '../refusal.ts';

const NODES_AT_MOST = 10_000;
const CHARACTERS_AT_MOST = 16 * 1024 * 1024;

/**
 * How large a tree of references has become. What is referred to twice is in it twice, with all below it: ten secrets that
 * each name the next twenty times would make a tree that no memory holds.
 */
export class TreeSize {
  #nodes = 0;
  #characters = 0;

  /** Counts a node before it is made. */
  add(value: string): void {
    this.#nodes++;
    this.#characters += value.length;
    if (this.#nodes > NODES_AT_MOST || this.#characters > CHARACTERS_AT_MOST) {
      throw badRequest(
        `this tree of references would have more than ${NODES_AT_MOST} nodes, or ${CHARACTERS_AT_MOST} characters of values; ` +
          'ask for a secret further down',
      );
    }
  }
}
