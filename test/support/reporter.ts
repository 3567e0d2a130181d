import { randomBytes } from 'node:crypto';
import type { Reporter, TestModule, Vitest } from 'vitest/node';

type Write = typeof process.stdout.write;

/**
 * Ends the output with what was skipped, by name, and one plain line: `N passed, N failed`. Also watches all output for
 * the run's canary: workers and their children write through this process, whatever they write with (a logger that goes
 * to the file descriptor does not pass `console`).
 */
export default class PlainReporter implements Reporter {
  readonly #canary = `canary-${randomBytes(24).toString('base64url')}`;
  #leaks = 0;
  #passed = 0;
  #failed = 0;
  #skipped: string[] = [];
  /** With `-t`, what was not asked for is no news. */
  #filtered = false;

  constructor() {
    this.#watch(process.stdout);
    this.#watch(process.stderr);
  }

  onInit(vitest: Vitest): void {
    this.#filtered = vitest.config.testNamePattern !== undefined;
    vitest.provide('canary', this.#canary);
    process.once('exit', () => this.#conclude());
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly unknown[]): void {
    this.#passed = 0;
    this.#failed = unhandled.length;
    this.#skipped = [];
    for (const module of modules) {
      const before = this.#failed;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed') this.#passed++;
        else if (state === 'skipped') this.#skipped.push(`${module.relativeModuleId} > ${test.fullName}`);
        else this.#failed++;
      }
      // A file that could not even be loaded, or whose hook failed, has no failed test that would tell.
      if (this.#failed === before && module.state() === 'failed') this.#failed++;
    }
  }

  #watch(stream: NodeJS.WriteStream): void {
    const write = stream.write.bind(stream) as Write;
    let tail = '';
    stream.write = ((chunk: string | Uint8Array, ...rest: []) => {
      const seen = tail + (typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('latin1'));
      this.#leaks += seen.split(this.#canary).length - 1;
      tail = seen.slice(1 - this.#canary.length);
      return write(chunk, ...rest);
    }) as Write;
  }

  /** Last of all, when every other reporter and the global teardown have spoken. */
  #conclude(): void {
    const lines: string[] = [];
    if (!this.#filtered) for (const name of this.#skipped) lines.push(`skipped: ${name}`);
    if (this.#leaks > 0) {
      this.#failed++;
      lines.push(`failed: the secret value planted in this run was printed ${this.#leaks} times, see above`);
    }
    // What failed outside of any test, such as the set-up of the run, must not read like a success.
    if (this.#failed === 0 && (process.exitCode || this.#passed === 0)) this.#failed++;
    if (this.#failed > 0) process.exitCode = 1;
    const skipped = this.#skipped.length > 0 ? `, ${this.#skipped.length} skipped` : '';
    lines.push(`${this.#passed} passed, ${this.#failed} failed${skipped}`);
    process.stdout.write(`${lines.join('\n')}\n`);
  }
}
