/** How a background job fares; see Metrics.job. */
export class Job {
  readonly name: string;
  /** In seconds since 1970; 0 before the first time. */
  lastSuccess = 0;
  failures = 0;

  constructor(name: string) {
    this.name = name;
  }

  done(): void {
    this.lastSuccess = Date.now() / 1000;
  }

  failed(): void {
    this.failures++;
  }

  /** Runs the work and notes how it went. */
  async run<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      const result = await work();
      this.done();
      return result;
    } catch (error) {
      this.failed();
      throw error;
    }
  }
}
