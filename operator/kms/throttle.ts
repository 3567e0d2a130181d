/**
 * Runs something at once, and when it is asked for again soon, once more when the time is over: however often, none is lost and few are run.
 */
export class Throttle {
  readonly #run: () => void;
  readonly #everyMs: number;
  #timer: NodeJS.Timeout | undefined;
  #isAsked = false;

  constructor(run: () => void, everyMs: number) {
    this.#run = run;
    this.#everyMs = everyMs;
  }

  ask(): void {
    if (this.#timer) {
      this.#isAsked = true;
      return;
    }
    this.#isAsked = false;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#isAsked) this.ask();
    }, this.#everyMs).unref();
    this.#run();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isAsked = false;
  }
}
