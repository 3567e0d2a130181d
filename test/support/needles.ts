const WINDOW = 4;
const PLACES = 1 << 20;

/** Finds any of many texts in a text, in one pass: thousands of secrets in megabytes of log, once a test file. */
export class Needles {
  readonly #starts = new Uint8Array(PLACES);
  readonly #byStart = new Map<number, Buffer[]>();

  /** @param texts of 4 bytes or more each; each is looked for as it is, and as JSON writes it */
  constructor(texts: Iterable<string>) {
    for (const text of texts) {
      for (const written of new Set([text, JSON.stringify(text).slice(1, -1)])) this.#add(Buffer.from(written));
    }
  }

  #add(needle: Buffer): void {
    const start = needle.readInt32LE();
    this.#starts[placeOf(start)] = 1;
    const others = this.#byStart.get(start);
    if (others === undefined) this.#byStart.set(start, [needle]);
    else others.push(needle);
  }

  /** The first of them that is there. */
  find(text: string): string | undefined {
    const bytes = Buffer.from(text);
    for (let at = 0; at <= bytes.length - WINDOW; at++) {
      const start = bytes.readInt32LE(at);
      if (this.#starts[placeOf(start)] === 0) continue;
      const found = this.#byStart
        .get(start)
        ?.find(
          (needle) =>
            at + needle.length <= bytes.length && bytes.compare(needle, 0, needle.length, at, at + needle.length) === 0,
        );
      if (found) return found.toString();
    }
    return undefined;
  }
}

const placeOf = (start: number) => Math.imul(start, 0x9e3779b1) >>> 12;
