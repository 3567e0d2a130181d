import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Answers of KMS, read no further than one that is meant goes. A KMSSecret names its KMS, so that anybody's server may be the one that answers;
 * its answer must not cost the others their operator.
 */

const MIB = 1024 * 1024;
/** Longest answer, in bytes: an object holds one mebibyte, and the names and dates of its keys are not much more. */
const LONGEST = 4 * MIB;
/** Of an answer, what comes out of its own pocket, so that others that are read leave enough for a usual one. */
const OWN = MIB / 4;
/** What all answers that are read hold beyond that, in bytes. */
const ALL = 48 * MIB;
/** Objects and lists in an answer, and items of lists: a check that finds each of millions wrong would take all memory. */
const MOST_PARTS = 60_000;
const MOST_ITEMS = 12_000;
const DEEPEST = 32;

/** A stream may say so much at once, and so much in a second from then on, in bytes. */
const STREAM_AT_ONCE = MIB / 4;
const STREAM_A_SECOND = 32 * 1024;
/** However few bytes come together, to look at them costs as much. */
const LEAST_CHUNK = 256;

let held = 0;

/** @throws Error when it is more than any answer that is meant */
export async function* boundedAnswer(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const shape = new Shape();
  let bytes = 0;
  let shared = 0;
  try {
    for await (const chunk of body) {
      bytes += chunk.length;
      if (bytes > LONGEST) throw new Error(`the answer is longer than ${LONGEST} bytes: take a part by secretsPath`);
      const beyond = Math.max(bytes - OWN, 0) - shared;
      if (held + beyond > ALL) throw new Error('too much is under way from other answers');
      held += beyond;
      shared += beyond;
      shape.read(chunk);
      yield chunk;
    }
  } finally {
    held -= shared;
  }
}

/** A stream as slowly as it may talk: what it says beyond that waits where it is sent from. */
export async function* pacedStream(
  body: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  let left = STREAM_AT_ONCE;
  let last = performance.now();
  for await (const chunk of body) {
    const now = performance.now();
    left =
      Math.min(STREAM_AT_ONCE, left + ((now - last) / 1000) * STREAM_A_SECOND) - Math.max(chunk.length, LEAST_CHUNK);
    last = now;
    if (left < 0) await sleep((-left / STREAM_A_SECOND) * 1000, undefined, { signal, ref: false });
    yield chunk;
  }
}

const [QUOTE, BACKSLASH, COMMA, LIST, LIST_END, OBJECT, OBJECT_END] = [...'"\\,[]{}'].map((one) => one.charCodeAt(0));

/** The outline of a JSON text, as its bytes come. What is no JSON is found out by who parses it. */
class Shape {
  readonly #isList: boolean[] = [];
  #inText = false;
  #isEscaped = false;
  #parts = 0;
  #items = 0;

  read(chunk: Uint8Array): void {
    for (const byte of chunk) {
      if (this.#inText) {
        if (this.#isEscaped) this.#isEscaped = false;
        else if (byte === BACKSLASH) this.#isEscaped = true;
        else if (byte === QUOTE) this.#inText = false;
      } else if (byte === QUOTE) this.#inText = true;
      else if (byte === COMMA) {
        if (this.#isList.at(-1)) this.#items++;
      } else if (byte === LIST || byte === OBJECT) {
        this.#parts++;
        this.#isList.push(byte === LIST);
        if (this.#isList.length > DEEPEST) throw new Error(`the answer is deeper than ${DEEPEST} levels`);
      } else if (byte === LIST_END || byte === OBJECT_END) this.#isList.pop();
    }
    if (this.#parts > MOST_PARTS || this.#items > MOST_ITEMS) throw new Error('the answer has too many parts');
  }
}
